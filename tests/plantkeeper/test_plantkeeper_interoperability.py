"""Unmodified boards, simulators and gateways against this API (plantkeeper 7.4).

PlantKeeper's own scripts use the library `requests` in the same way as these tests, URL and all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import requests
from plantkeeper_world import PlantKeeper, serve_plantkeeper

from hortus.app.supervision import process_supervisor
from hortus.flow.gateway.backoff import Patience
from hortus.flow.gateway.limits import AdmissionRules, Rate
from hortus.flow.gateway.newest_forwarding import NewestForwarder
from hortus.flow.gateway.plantkeeper import PlantKeeperTarget
from hortus.flow.gateway.service import (
    GatewayLimits,
    MakeForwarder,
    running_gateway,
    to_local_installation,
)
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.spool_file import SpoolFile
from hortus.flow.gateway.spool_format import SPOOL_NAME
from hortus.flow.gateway.transport import TargetAddress, TargetClient
from hortus.http.server.server import bind
from waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPATIENT = Patience(first_seconds=0.02, longest_seconds=0.1)
FREE = Rate(at_once=1_000_000, refill_seconds=0.000001)
LIMITS = GatewayLimits(admission=AdmissionRules(per_sensor=FREE, per_address=FREE))

ARDUINO = (
    b"POST /sensor-data HTTP/1.1\r\n"
    b"User-Agent: Arduino/2.2.0\r\n"
    b"Connection: close\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
    b"Accept: */*\r\n"
    b"\r\n%s"
)
"""The firmware's request, byte for byte: there is no Host header."""


@asynccontextmanager
async def gateway(directory: Path, make_forwarder: MakeForwarder) -> AsyncIterator[int]:
    """Run a gateway and yield its port."""
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with (
            process_supervisor() as supervisor,
            running_gateway(supervisor, listener, directory, make_forwarder, LIMITS),
        ):
            yield port


def forward_as_the_original(server_url: str, data: dict[str, Any]) -> requests.Response:
    """What PlantKeeper's gateway does with each reading; only the URL differs."""
    return requests.patch(server_url + str(data["id"]), json=data, verify=False)


def send_as_the_simulator(server_url: str, sensor_id: int, chance: random.Random) -> requests.Response:
    """What PlantKeeper's simulator sends."""
    data = {
        "temperature": round(chance.uniform(15, 35), 2),
        "humidity": chance.randint(20, 80),
        "light": chance.randint(0, 2000),
        "id": sensor_id,
    }
    return requests.post(server_url, json=data)


def waiting_and_set_aside(directory: Path) -> tuple[int, list[str]]:
    file = SpoolFile.open(directory / SPOOL_NAME, most_bytes=1 << 30)
    try:
        aside = [each.reason for each in file.list_set_aside(sensor_id=None, limit=100)]
        return file.depth().waiting, aside
    finally:
        file.close()


async def number_of_sensors(keeper: PlantKeeper) -> int:
    found = await keeper.scalar("SELECT count(*) FROM boards")
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize("door", ["token in the URL", "opened network"])
async def test_the_old_gateway_script_works_with_nothing_but_another_url(
    keeper: PlantKeeper, door: str
) -> None:
    networks = (ip_network("127.0.0.1/32"),) if door == "opened network" else ()
    async with serve_plantkeeper(keeper.world, open_networks=networks) as served:
        owner = await served.gardener()
        sensor_id = await served.sensor(owner)
        user_info = f"old:{await served.gateway_token('old')}@" if door == "token in the URL" else ""
        url = f"http://{user_info}127.0.0.1:{served.port}/api/v1/sensors/"
        sensors = await number_of_sensors(served)

        async def forward(**data: Any) -> requests.Response:
            return await asyncio.to_thread(forward_as_the_original, url, data)

        answer = await forward(id=sensor_id, temperature=21.4, humidity=55, light=900)
        assert (answer.status_code, answer.json()["id"], answer.json()["humidity"]) == (200, sensor_id, 55)
        text_id = await forward(
            id=str(sensor_id), temperature=None, humidity=55.6, light=3, userId=99, name="x"
        )
        assert (text_id.status_code, text_id.json()["id"], text_id.json()["humidity"]) == (200, sensor_id, 56)
        for unknown in (0, 4242, "0"):
            assert (await forward(id=unknown, humidity=1)).status_code == 404
        assert (await forward(id=f"../users/{owner.id}", humidity=1)).status_code in {404, 422}
        assert await number_of_sensors(served) == sensors
        row = (await served.client.get(f"/sensors/{sensor_id}", headers=owner.headers)).json()
        assert (row["userId"], row["name"], row["temperature"]) == (owner.id, "pot 1", 21.4)
        assert await served.stored(sensor_id) == [
            ("Temperature", 21.4),
            ("Soil moisture", 55.0),
            ("Light level", 900.0),
            ("Soil moisture", 55.6),
            ("Light level", 3.0),
        ]


async def test_our_gateway_brings_readings_through_this_api(keeper: PlantKeeper, tmp_path: Path) -> None:
    owner = await keeper.gardener()
    sensor_id = await keeper.sensor(owner)
    token = await keeper.gateway_token("ours")
    sensors = await number_of_sensors(keeper)
    client = TargetClient(
        TargetAddress(url=f"http://127.0.0.1:{keeper.port}"), headers={"Authorization": f"Bearer {token}"}
    )

    def make_forwarder(spool: Spool) -> NewestForwarder:
        return NewestForwarder(spool, PlantKeeperTarget(client), patience=IMPATIENT)

    async def post(port: int, **data: Any) -> int:
        url = f"http://127.0.0.1:{port}/sensor-data"
        return (await asyncio.to_thread(requests.post, url, json=data)).status_code

    async def nothing_waits() -> bool:
        return waiting_and_set_aside(tmp_path)[0] == 0

    try:
        async with gateway(tmp_path, make_forwarder) as port:
            assert await post(port, id=sensor_id, temperature=21.4, humidity=55.6, light=900, userId=99) == 200
            await until(nothing_waits)
            assert await post(port, id=str(sensor_id), temperature=None, humidity=50, light=3) == 200
            assert await post(port, id=4242, temperature=21.4) == 200
            assert await post(port, id=0, temperature=21.4) == 400
            await until(nothing_waits)
    finally:
        await client.close()
    assert waiting_and_set_aside(tmp_path) == (0, ["refused-by-target"])
    row = (await keeper.client.get(f"/sensors/{sensor_id}", headers=owner.headers)).json()
    assert (row["userId"], row["humidity"], row["light"], row["temperature"]) == (owner.id, 50, 3, 21.4)
    assert await number_of_sensors(keeper) == sensors


async def test_the_simulator_and_a_board_reach_series_and_plants_through_our_gateway(
    keeper: PlantKeeper, tmp_path: Path
) -> None:
    owner = await keeper.gardener()
    sensor_ids = [await keeper.sensor(owner) for _ in range(4)]
    plant = await keeper.plant(owner, sensor={"id": sensor_ids[0]})
    chance = random.Random(20261122)
    forwarder = to_local_installation(keeper.world.engine, keeper.world.pipeline)
    async with gateway(tmp_path, forwarder) as port:
        url = f"http://127.0.0.1:{port}/sensor-data"
        for sensor_id in [*sensor_ids, *sensor_ids]:
            answer = await asyncio.to_thread(send_as_the_simulator, url, sensor_id, chance)
            assert answer.status_code == 200
        # The real board, in pieces of seven bytes.
        body = b'{"id":%d,"temperature":21.39999962,"humidity":38,"light":900}' % sensor_ids[0]
        request = ARDUINO % (len(body), body)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for start in range(0, len(request), 7):
            writer.write(request[start : start + 7])
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()

        async def stored() -> bool:
            return len(await keeper.stored(sensor_ids[0])) == 9

        await until(stored)
    rows = (await keeper.client.get("/users/sensors", headers=owner.headers)).json()
    assert [row["id"] for row in rows] == sensor_ids
    assert all(15 <= row["temperature"] <= 35 and 0 <= row["light"] <= 2000 for row in rows)
    assert (rows[0]["temperature"], rows[0]["humidity"], rows[0]["light"]) == (21.39999962, 38, 900)

    api = f"http://127.0.0.1:{keeper.port}/api"
    series = await keeper.client.get(f"{api}/kits/pk-{sensor_ids[0]}/series", headers=owner.headers)
    assert [each["peripheralName"] for each in series.json()] == [
        "Light sensor",
        "Soil probe",
        "Thermometer",
    ]
    shown = (await keeper.client.get(f"{api}/plants/{plant['id']}", headers=owner.headers)).json()
    judged = {each["peripheralName"]: each["condition"] for each in shown["quantities"]}
    assert judged == {"Light sensor": "ok", "Soil probe": "low", "Thermometer": "ok", None: None}
    assert shown["condition"] == "low"
