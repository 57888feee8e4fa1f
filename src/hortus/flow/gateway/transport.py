"""The HTTPS client for targets: always verified, no redirects followed, bounded responses (G11, G12)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from hortus.base.errors import describe_error
from hortus.flow.gateway.errors import InvalidGatewaySettings, TargetTrouble

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 30.0
"""A delivery of 500 readings has about 100 KB, which take a while over a slow line."""

READ_SECONDS = 40.0
"""The PlantKeeper backend may wait 30 s for its mail server before it answers (G11)."""

_TOTAL_SECONDS = 60.0
_MOST_ANSWER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAddress:
    """The URL of a target: `https://host[:port][/path]`, without a trailing slash."""

    url: str
    ca_file: Path | None = None

    @classmethod
    def parse(cls, text: str, *, ca_file: Path | None, plain_http_hosts: frozenset[str]) -> TargetAddress:
        """Parse a URL. Raises InvalidGatewaySettings for anything but verified HTTPS.

        Plain HTTP is accepted for the hosts that the operator lists, such as for a test on one machine.
        """
        parts = urlsplit(text.strip())
        try:
            usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment or parts.username:
            raise InvalidGatewaySettings(
                "HORTUS_GATEWAY_TARGET_URL must look like https://plants.example.org, without user, query or "
                "fragment."
            )
        if parts.scheme == "http" and parts.hostname not in plain_http_hosts:
            raise InvalidGatewaySettings(
                f"HORTUS_GATEWAY_TARGET_URL is not https. If {parts.hostname} shall be spoken to in the clear, "
                "name it in HORTUS_GATEWAY_PLAIN_HTTP_HOSTS."
            )
        return cls(url=text.strip().rstrip("/"), ca_file=ca_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAnswer:
    """A target's response that is neither a redirect nor too long."""

    status: int
    body: bytes
    retry_after_seconds: float


class TargetClient:
    """Sends requests to one target over a few persistent connections. Must be closed."""

    def __init__(
        self, address: TargetAddress, *, headers: Mapping[str, str], read_seconds: float = READ_SECONDS
    ) -> None:
        self.url = address.url
        self._client = httpx.AsyncClient(
            verify=_tls(address),
            headers={"Accept-Encoding": "identity", **headers},
            timeout=httpx.Timeout(
                connect=CONNECT_SECONDS, read=read_seconds, write=WRITE_SECONDS, pool=_TOTAL_SECONDS
            ),
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, method: str, path: str, body: bytes) -> TargetAnswer:
        """Send a JSON body and return the response. Raises TargetTrouble if there is no usable one."""
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                return await self._send(method, path, body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise TargetTrouble(
                f"The target cannot be reached: {describe_error(error)}.", whole_target=True
            ) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TargetTrouble(
                "The target did not answer in time.", whole_target=False, may_still_succeed=True
            ) from error
        except httpx.HTTPError as error:
            raise TargetTrouble(
                f"The answer of the target broke off: {describe_error(error)}.",
                whole_target=False,
                may_still_succeed=True,
            ) from error

    async def _send(self, method: str, path: str, body: bytes) -> TargetAnswer:
        request = self._client.build_request(
            method, self.url + path, content=body, headers={"Content-Type": "application/json"}
        )
        response = await self._client.send(request, stream=True)
        try:
            if response.is_redirect or 300 <= response.status_code < 400:
                # Following could drop the request's body, or send it unencrypted (G10).
                raise TargetTrouble(
                    f"The target redirects to {response.headers.get('location', 'somewhere else')!r:.200}. "
                    "Put the right address into HORTUS_GATEWAY_TARGET_URL.",
                    whole_target=True,
                )
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > _MOST_ANSWER_BYTES:
                    raise TargetTrouble("The answer of the target is far too long.", whole_target=True)
            return TargetAnswer(
                status=response.status_code,
                body=bytes(content),
                retry_after_seconds=_seconds(response.headers.get("retry-after", "")),
            )
        finally:
            await response.aclose()


def _tls(address: TargetAddress) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=address.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidGatewaySettings(
            f"HORTUS_GATEWAY_CA_FILE names {address.ca_file}, which holds no certificates: "
            f"{describe_error(error)}."
        ) from error


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0
