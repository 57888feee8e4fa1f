"""Boards over the API: registering one, and naming or forgetting those that were heard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from api_client import Installation, assert_problem

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.base.quotas import Quotas
from hortus.base.supervision import Supervisor
from hortus.domain.kits.registry import KitRegistry
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.gateways import add_gateway, local_gateway
from hortus.flow.gateway.readings import ReceivedReading, SensorReading
from hortus.flow.ingest.pipeline import IngestPipeline

Serve = Callable[..., AbstractAsyncContextManager[Installation]]
_UNKNOWN = "/boards/unknown"


def reading(sensor_id: int, temperature: float = 21.5) -> ReceivedReading:
    return ReceivedReading(
        id=uuid4(),
        received_at_ms=int(datetime.now(UTC).timestamp() * 1000),
        reading=SensorReading(sensor_id=sensor_id, temperature=temperature, humidity=40.0),
        address="192.168.1.9",
    )


@asynccontextmanager
async def with_intake(serve: Serve, migrated_url: str) -> AsyncIterator[tuple[Installation, IngestPipeline]]:
    pipeline = IngestPipeline(connector(DatabaseUrl.parse(migrated_url), "test ingest"), KitRegistry())
    async with Supervisor() as supervisor, serve(intake=pipeline) as api:
        supervisor.start("storing", pipeline.run, may_end=True)
        yield api, pipeline
        await pipeline.stop(5)


async def hear(api: Installation, pipeline: IngestPipeline, *readings: ReceivedReading) -> None:
    async with api.engine.begin() as connection:
        gateway_id = await local_gateway(connection)
    await BoardIntake(api.engine, pipeline).take(gateway_id, readings)


async def test_registering_a_board_gives_a_number_and_a_kit_of_ones_own(api: Installation) -> None:
    person = await api.person()
    made = await api.client.post("/boards", json={"name": "Fern"}, headers=person.headers)
    assert made.status_code == 201
    serial = made.json()["kitSerial"]
    assert made.json() == {"sensorId": int(serial.removeprefix("pk-")), "kitSerial": serial}
    kit = await api.client.get(f"/kits/{serial}", headers=person.headers)
    assert kit.json()["name"] == "Fern"
    assert (await api.client.delete(f"/kits/{serial}", headers=person.headers)).status_code == 200


async def test_boards_are_registered_within_the_quota(serve: Serve) -> None:
    async with serve(quotas=Quotas(boards_per_person=1)) as api:
        person = await api.person()
        assert (
            await api.client.post("/boards", json={"name": "One"}, headers=person.headers)
        ).status_code == 201
        refused = await api.client.post("/boards", json={"name": "Two"}, headers=person.headers)
        assert_problem(refused, 403)


@pytest.mark.parametrize("name", ["", "x" * 41, "a\nb"])
async def test_a_name_that_cannot_be_one_is_refused(api: Installation, name: str) -> None:
    person = await api.person()
    refused = await api.client.post("/boards", json={"name": name}, headers=person.headers)
    assert (refused.status_code, list(refused.json()["invalidParameters"])) == (400, ["name"])


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/42"), ("DELETE", "/42")])
async def test_boards_without_a_name_are_for_administrators(api: Installation, method: str, path: str) -> None:
    body = {"json": {"name": "Mine"}} if method == "POST" else {}
    assert (await api.client.request(method, _UNKNOWN + path, **body)).status_code == 401
    person = await api.person()
    refused = await api.client.request(method, _UNKNOWN + path, headers=person.headers, **body)
    assert_problem(refused, 403)
    assert refused.json()["detail"] == "Only administrators can see boards that have no name."


async def test_naming_a_board_stores_what_was_kept_of_it(serve: Serve, migrated_url: str) -> None:
    async with with_intake(serve, migrated_url) as (api, pipeline):
        root = await api.person(is_admin=True)
        await hear(api, pipeline, *(reading(42, 20.0 + step) for step in range(3)))
        [listed] = (await api.client.get(_UNKNOWN, headers=root.headers)).json()
        assert listed.pop("firstHeardAt") <= listed.pop("lastHeardAt")
        assert listed == {
            "sensorId": 42,
            "gateway": "local",
            "address": "192.168.1.9",
            "kept": 3,
            "dropped": 0,
        }
        adopted = await api.client.post(f"{_UNKNOWN}/42", json={"name": "Fern"}, headers=root.headers)
        assert (adopted.status_code, adopted.json()) == (
            201,
            {"sensorId": 42, "kitSerial": "pk-42", "readings": 3},
        )
        assert (await api.client.get(_UNKNOWN, headers=root.headers)).json() == []
        async with api.engine.connect() as connection:
            stored = await connection.exec_driver_sql(
                "SELECT count(*) FROM raw_measurements r JOIN kits k ON k.id = r.kit_id WHERE serial = 'pk-42'"
            )
            assert stored.scalar_one() == 6


async def test_a_forgotten_board_returns_when_it_is_heard_again(serve: Serve, migrated_url: str) -> None:
    async with with_intake(serve, migrated_url) as (api, pipeline):
        root = await api.person(is_admin=True)
        await hear(api, pipeline, reading(43), reading(43))
        forgotten = await api.client.delete(f"{_UNKNOWN}/43", headers=root.headers)
        assert (forgotten.status_code, forgotten.json()) == (200, {"readings": 2})
        assert_problem(await api.client.delete(f"{_UNKNOWN}/43", headers=root.headers), 404)
        await hear(api, pipeline, reading(43))
        assert [board["kept"] for board in (await api.client.get(_UNKNOWN, headers=root.headers)).json()] == [1]


async def test_of_two_boards_with_one_number_the_gateway_says_which(serve: Serve, migrated_url: str) -> None:
    async with with_intake(serve, migrated_url) as (api, pipeline):
        root = await api.person(is_admin=True)
        await hear(api, pipeline, reading(44))
        async with api.engine.begin() as connection:
            await add_gateway(connection, "barn")
            barn = await connection.exec_driver_sql("SELECT id FROM gateways WHERE name = 'barn'")
        await BoardIntake(api.engine, pipeline).take(barn.scalar_one(), [reading(44)])
        address = f"{_UNKNOWN}/44"
        refused = await api.client.post(address, json={"name": "Fern"}, headers=root.headers)
        assert_problem(refused, 409)
        assert "barn, local" in refused.json()["detail"]
        chosen = {"name": "Fern", "gateway": "barn"}
        assert (await api.client.post(address, json=chosen, headers=root.headers)).status_code == 201


async def test_a_board_that_changes_its_gateway_stays_with_its_members(serve: Serve, migrated_url: str) -> None:
    async with with_intake(serve, migrated_url) as (api, pipeline):
        owner, root = await api.person(), await api.person(is_admin=True)
        made = (await api.client.post("/boards", json={"name": "Fern"}, headers=owner.headers)).json()
        async with api.engine.begin() as connection:
            await add_gateway(connection, "attic")
            attic = await connection.exec_driver_sql("SELECT id FROM gateways WHERE name = 'attic'")
        number = made["sensorId"]
        await hear(api, pipeline, reading(number))
        await BoardIntake(api.engine, pipeline).take(attic.scalar_one(), [reading(number)])
        adopted = await api.client.post(
            f"{_UNKNOWN}/{number}", json={"name": "Fern upstairs"}, headers=root.headers
        )
        assert adopted.json()["kitSerial"] == made["kitSerial"]
        members = await api.client.get(f"/kits/{made['kitSerial']}/members", headers=owner.headers)
        assert [member["user"]["username"] for member in members.json()] == [owner.username]


async def test_without_an_intake_kept_readings_wait_for_the_next_ones(api: Installation) -> None:
    root = await api.person(is_admin=True)
    async with api.engine.begin() as connection:
        gateway_id = await local_gateway(connection)
    pipeline = IngestPipeline(api.parts.connect, KitRegistry())
    await BoardIntake(api.engine, pipeline).take(gateway_id, [reading(45)])
    adopted = await api.client.post(f"{_UNKNOWN}/45", json={"name": "Fern"}, headers=root.headers)
    assert adopted.json()["readings"] == 0
