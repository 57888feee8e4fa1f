"""The settings of the gateway; see docs/gateway.md. Invalid values prevent the start (G13)."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError

from hortus.base.settings import Settings, what_is_wrong
from hortus.flow.gateway.errors import InvalidGatewaySettings
from hortus.flow.gateway.limits import LOCAL_NETWORKS, AdmissionRules, Network, Rate, SpoolLimits
from hortus.flow.gateway.readings import LARGEST_SENSOR_ID
from hortus.flow.gateway.transport import TargetAddress

_MEBIBYTE = 1024 * 1024
_MOST_KNOWN_SENSORS = 1_000_000


class TargetKind(StrEnum):
    """The kind of target that a gateway forwards to."""

    LOCAL = "local"  # the database of this installation
    PLANTKEEPER = "plantkeeper"  # an unmodified PlantKeeper backend
    HORTUS = "hortus"  # another installation of Hortus


class GatewaySettings(Settings):
    """The settings of the gateway, in addition to those of Hortus."""

    gateway_target: TargetKind = Field(
        TargetKind.LOCAL,
        validation_alias="HORTUS_GATEWAY_TARGET",
        description="What readings are brought to: local, plantkeeper or hortus.",
    )
    gateway_target_url: str | None = Field(
        None,
        validation_alias="HORTUS_GATEWAY_TARGET_URL",
        description="Where the target is, for example https://plants.example.org.",
    )
    gateway_target_token: SecretStr | None = Field(
        None,
        validation_alias="HORTUS_GATEWAY_TARGET_TOKEN",
        description="By which the target knows this gateway; another Hortus requires it.",
    )
    gateway_ca_file: Path | None = Field(
        None,
        validation_alias="HORTUS_GATEWAY_CA_FILE",
        description="Certificates to trust at the target; the system's if unset.",
    )
    gateway_plain_http_hosts: str = Field(
        "",
        validation_alias="HORTUS_GATEWAY_PLAIN_HTTP_HOSTS",
        description="Targets that may be spoken to without TLS, by name (comma-separated).",
    )
    gateway_spool_dir: Path = Field(
        Path("hortus-gateway"),
        validation_alias="HORTUS_GATEWAY_SPOOL_DIR",
        description="Where readings wait for their target.",
    )
    gateway_spool_mebibytes: Annotated[int, Field(ge=1, le=1_048_576)] = Field(
        256,
        validation_alias="HORTUS_GATEWAY_SPOOL_MEBIBYTES",
        description="Bound of the spool in MiB; beyond it the oldest readings are dropped and counted.",
    )
    gateway_networks: str = Field(
        "",
        validation_alias="HORTUS_GATEWAY_NETWORKS",
        description="Networks that boards may send from (comma-separated); private ones if unset.",
    )
    gateway_known_sensors: str = Field(
        "",
        validation_alias="HORTUS_GATEWAY_KNOWN_SENSORS",
        description="Boards whose readings are passed on, for example 1-19,42; all if unset.",
    )
    gateway_pin_addresses: bool = Field(
        False,
        validation_alias="HORTUS_GATEWAY_PIN_ADDRESSES",
        description="Whether a board's readings are taken only from the address it was first heard from.",
    )
    gateway_sensor_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        2.0,
        validation_alias="HORTUS_GATEWAY_SENSOR_SECONDS",
        description="A board may send once in so many seconds, and five times in a burst.",
    )
    gateway_address_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        100.0,
        validation_alias="HORTUS_GATEWAY_ADDRESS_PER_SECOND",
        description="So many requests per second are taken from one address, and five times that in a burst.",
    )

    def admission_rules(self) -> AdmissionRules:
        """Return the rules on whose readings are accepted. Raises InvalidGatewaySettings."""
        return AdmissionRules(
            networks=parse_networks("HORTUS_GATEWAY_NETWORKS", self.gateway_networks) or LOCAL_NETWORKS,
            known_sensors=_sensors(self.gateway_known_sensors),
            pin_addresses=self.gateway_pin_addresses,
            per_sensor=Rate(at_once=5, refill_seconds=self.gateway_sensor_seconds),
            per_address=Rate(
                at_once=max(1, int(5 * self.gateway_address_per_second)),
                refill_seconds=1 / self.gateway_address_per_second,
            ),
        )

    def spool_limits(self) -> SpoolLimits:
        """Return the limits of the spool."""
        return SpoolLimits(most_bytes=self.gateway_spool_mebibytes * _MEBIBYTE)

    def target_address(self) -> TargetAddress:
        """Return the address of the target. Raises InvalidGatewaySettings."""
        if not self.gateway_target_url:
            raise InvalidGatewaySettings(
                f"The target is {self.gateway_target}, so HORTUS_GATEWAY_TARGET_URL must say where it is."
            )
        hosts = frozenset(host.strip() for host in self.gateway_plain_http_hosts.split(",") if host.strip())
        return TargetAddress.parse(
            self.gateway_target_url, ca_file=self.gateway_ca_file, plain_http_hosts=hosts
        )

    def target_headers(self) -> dict[str, str]:
        """Return the headers that authenticate this gateway to the target. Raises InvalidGatewaySettings."""
        if self.gateway_target_token is None:
            if self.gateway_target is TargetKind.HORTUS:
                raise InvalidGatewaySettings(
                    "Set HORTUS_GATEWAY_TARGET_TOKEN (or …_TOKEN_FILE) to the token that "
                    "`hortus gateway add` printed at the other installation."
                )
            return {}
        token = self.gateway_target_token.get_secret_value()
        if not token.isascii() or not token.isprintable():
            raise InvalidGatewaySettings("HORTUS_GATEWAY_TARGET_TOKEN holds characters that no token has.")
        return {"Authorization": f"Bearer {token}"}


def read_gateway_settings() -> GatewaySettings:
    """Return the settings from the environment. Raises InvalidSettings, naming each wrong variable."""
    try:
        return GatewaySettings()
    except ValidationError as error:
        raise InvalidGatewaySettings(what_is_wrong(error)) from error


def parse_networks(variable: str, text: str) -> tuple[Network, ...]:
    """Return the networks listed in a setting. Raises InvalidGatewaySettings."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidGatewaySettings(
            f"{variable} must look like 192.168.1.0/24,10.0.0.0/8: {error}."
        ) from error


def _sensors(text: str) -> frozenset[int] | None:
    if not text.strip():
        return None
    known: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            ids = range(int(first), int(last or first) + 1)
            if not ids or ids[0] < 1 or ids[-1] > LARGEST_SENSOR_ID or len(ids) > _MOST_KNOWN_SENSORS:
                raise ValueError
            known.update(ids)
    except ValueError as error:
        raise InvalidGatewaySettings(
            "HORTUS_GATEWAY_KNOWN_SENSORS must look like 1-19,42, with numbers from 1."
        ) from error
    return frozenset(known)
