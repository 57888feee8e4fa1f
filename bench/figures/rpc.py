"""The latency that a request to a kit over HTTP adds to a bare round trip with it over the same broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import httpx

from hortus.domain.accounts.tokens import Tokens
from hortus.protocol.mqtt.client import BrokerAddress, MqttClient
from hortus.protocol.wire.codec import decode_kit_rpc_response, encode_kit_rpc_request
from hortus.protocol.wire.messages import KitRpcRequest, VersionCall
from rig.bench import Bench
from rig.installation import Installation, Kit, installation
from rig.mosquitto import PASSWORD, USERNAME, Mosquitto, mosquitto
from rig.processes import BenchError
from rig.result import Result
from rig.rpc import rpc_worker, virtual_kits
from rig.web import token_key_file, web

REACH_RPC_P99_MS = 50

_WARM_UP = 10
_CONNECT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrips:
    """Milliseconds over all round trips except the first few."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, milliseconds: list[float]) -> RoundTrips:
        """Return the figures of these round trips."""
        cuts = quantiles(sorted(milliseconds[_WARM_UP:]), n=100)
        return cls(p50_ms=cuts[49], p99_ms=cuts[98])


async def rpc(bench: Bench) -> None:
    """The latency that a request to a kit over HTTP adds to the bare round trip over the broker."""
    async with installation(bench.data_dir("rpc")) as stand:
        bare, asked = await measure_rpc(bench.folder, stand, trips=bench.size.rpc_trips)
    added_p50, added_p99 = asked.p50_ms - bare.p50_ms, asked.p99_ms - bare.p50_ms
    bench.found(
        Result(
            figure="asking a kit over HTTP and Mosquitto, added to the bare round trip",
            value=f"p50 {added_p50:.1f} ms, p99 {added_p99:.1f} ms",
            reach=f"p99 ≤ {REACH_RPC_P99_MS} ms",
            reference=f"bare p50 {bare.p50_ms:.1f} ms, p99 {bare.p99_ms:.1f} ms",
            met=added_p99 <= REACH_RPC_P99_MS,
        )
    )


async def measure_rpc(folder: Path, stand: Installation, *, trips: int) -> tuple[RoundTrips, RoundTrips]:
    """Ask one virtual kit for its version, one request at a time: bare, then over HTTP."""
    kit = stand.kits[0]
    headers = {"Authorization": f"Bearer {await _administrator(folder, stand)}"}
    async with mosquitto(folder / "broker", stand.kits) as broker, virtual_kits(folder, broker, [kit]):
        bare = await _bare(broker, kit, trips)
        async with rpc_worker(folder, stand, broker), web(folder, stand) as (port, _):
            address = f"http://127.0.0.1:{port}/api/kit-rpc/{kit.serial}/version"
            async with httpx.AsyncClient(headers=headers, timeout=60) as http:
                await _first_answer(http, address)
                asked = []
                for _ in range(trips + _WARM_UP):
                    began = time.perf_counter()
                    response = await http.get(address)
                    asked.append((time.perf_counter() - began) * 1000)
                    if response.status_code != 200:
                        raise BenchError(f"The kit did not answer: {response.text}")
    return bare, RoundTrips.of(asked)


async def _bare(broker: Mosquitto, kit: Kit, trips: int) -> RoundTrips:
    """Ask the kit using only the MQTT client and the codec."""
    address = BrokerAddress(host="127.0.0.1", port=broker.port, username=USERNAME, password=PASSWORD)
    client = MqttClient(address, client_id="bare-round-trips")
    answers: asyncio.Queue[int] = asyncio.Queue()
    client.subscribe(
        "kit/+/kit-rpc/response",
        lambda _topic, payload: answers.put_nowait(decode_kit_rpc_response(payload).id),
    )
    running = asyncio.create_task(client.run())
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await client.wait_until_ready()
            # Until the kit has connected, of which there is no notification.
            while not await client.publish(*_question(kit, 0)):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.05)
            await answers.get()
        found = []
        for number in range(1, trips + _WARM_UP + 1):
            began = time.perf_counter()
            async with asyncio.timeout(_CONNECT_SECONDS):
                await client.publish(*_question(kit, number))
                while await answers.get() != number:
                    pass
            found.append((time.perf_counter() - began) * 1000)
        return RoundTrips.of(found)
    finally:
        await client.stop()
        await running


def _question(kit: Kit, number: int) -> tuple[str, bytes]:
    request = encode_kit_rpc_request(KitRpcRequest(id=number, call=VersionCall()))
    return f"kit/{kit.serial}/kit-rpc/request", request


async def _first_answer(http: httpx.AsyncClient, address: str) -> None:
    """Wait until the worker has announced that it can send."""
    async with asyncio.timeout(_CONNECT_SECONDS):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(address)).status_code == 200:
                    return
            await asyncio.sleep(0.1)


async def _administrator(folder: Path, stand: Installation) -> str:
    user_id = await stand.connection.fetchval(
        """
        INSERT INTO users (username, display_name, password_hash, email_address, gravatar_alternative, is_admin)
        VALUES ('bench', 'Bench', 'none', 'bench@example.org', 'bench', true) RETURNING id
        """
    )
    return Tokens(token_key_file(folder).read_bytes(), lambda: datetime.now(UTC)).access(user_id)
