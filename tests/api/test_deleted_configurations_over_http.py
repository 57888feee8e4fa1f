"""Deleted configurations over HTTP: gone from everything that is shown, and brought back as they were."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from api_client import Installation, assert_problem
from series_chamber import LONG_AGO, TEMPERATURE, Chamber
from sqlalchemy import text
from workbench import Workbench

from hortus.domain.kits import configurations, deleted_configurations
from hortus.domain.media.thinning import ThinningPolicy, thin
from hortus.flow.export.selection import Data, Selection
from hortus.flow.export.source import SomethingDeleted, open_source
from hortus.http.access import restoring

LATER = LONG_AGO + timedelta(days=1)


@dataclass(slots=True)
class Garden:
    """A kit with two configurations that measured, of which the second is active."""

    chamber: Chamber
    old: int
    active: int
    picture: UUID

    @classmethod
    async def of(cls, api: Installation) -> Garden:
        kit = await api.kit()
        chamber = Chamber(api=api, kit=kit, owner=await api.member(kit, access_configure=True))
        await chamber.configured(["Old air"])
        await chamber.measured([(LONG_AGO, 20.0)], "Old air")
        await chamber.configured(["Air", "Water"])
        for name, value in (("Air", 21.0), ("Water", 15.0)):
            hours = [(LATER + timedelta(hours=hour), value + hour) for hour in range(30)]
            await chamber.measured(hours, name)
        await chamber.rolled_up()
        await chamber.measured([(LATER + timedelta(hours=31), 30.0)], "Air")
        garden = cls(chamber, chamber.configurations["Old air"], chamber.configurations["Air"], uuid4())
        await garden._aggregate_and_picture()
        return garden

    async def _aggregate_and_picture(self) -> None:
        of_air = {
            "kit": self.chamber.kit.id,
            "peripheral": self.chamber.peripherals["Air"].id,
            "configuration": self.active,
        }
        await self.chamber.api.run(
            "INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id, "
            "kit_configuration_id, quantity_type_id, values) VALUES ('2026-01-11T00:00:00Z', "
            "'2026-01-11T01:00:00Z', :id, :kit, :peripheral, :configuration, 1, '{\"average\": 21}')",
            id=uuid4(),
            **of_air,
        )
        await self.chamber.api.run(
            "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, "
            "metadata, size, thumbnail) VALUES (:id, :peripheral, :kit, :configuration, "
            "'2026-01-11T00:00:00Z', 'a.png', 'image/png', 'null', 3, 'made')",
            id=self.picture,
            **of_air,
        )

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.chamber.api.client.get(path, params=query, headers=self.chamber.owner.headers)
        assert response.status_code == 200, response.text
        return response

    async def shown(self) -> dict[str, Any]:
        """Return everything that the API shows of the kit's configurations and what they measured."""
        at = f"/kits/{self.chamber.kit.serial}"
        shown: dict[str, Any] = {}
        for path, query in (
            ("configurations", {}),
            ("raw-measurements", {"limit": 1000}),
            ("raw-measurements", {"peripheral": self.chamber.peripherals["Air"].id}),
            ("raw-measurements", {"configuration": self.active, "quantityType": TEMPERATURE}),
            ("aggregate-measurements", {}),
            ("aggregate-measurements", {"configuration": self.active}),
            ("aggregate-measurements", {"peripheral": self.chamber.peripherals["Air"].id, "quantityType": 1}),
            ("media", {}),
            ("media", {"configuration": self.active}),
        ):
            shown[f"{path} {query}"] = (await self.get(f"{at}/{path}", **query)).json()
        for series in await self.chamber.series():
            chart = await self.get(
                f"{at}/series/{series['id']}", **{"from": LONG_AGO.isoformat(), "points": 50}
            )
            shown[f"chart {series['id']}"] = (series["peripheralName"], chart.json())
        for data in ("raw", "aggregate"):
            shown[f"export {data}"] = (await self.get(f"{at}/export", data=data)).text
        token = await self.chamber.api.client.post(f"{at}/archive", headers=self.chamber.owner.headers)
        archive = zipfile.ZipFile(BytesIO((await self.get(f"{at}/archive", token=token.json())).content))
        names = [name for name in archive.namelist() if name != "contents.json"]  # has the time of the export
        shown["archive"] = {name: archive.read(name) for name in names}
        return shown

    async def delete(self, configuration_id: int) -> None:
        path = f"/kit-configurations/{configuration_id}"
        deleted = await self.chamber.api.client.delete(path, headers=self.chamber.owner.headers)
        assert (deleted.status_code, deleted.content) == (200, b"")
        assert "content-type" not in deleted.headers

    async def listed(self) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = (
            await self.get(f"/kits/{self.chamber.kit.serial}/deleted-configurations")
        ).json()
        return documents

    async def restore(self, configuration_id: int) -> Any:
        path = f"/kits/{self.chamber.kit.serial}/deleted-configurations/{configuration_id}/restore"
        return await self.chamber.api.client.post(path, headers=self.chamber.owner.headers)


async def test_what_a_deleted_configuration_measured_is_shown_nowhere_and_comes_back_as_it_was(
    api: Installation,
) -> None:
    garden = await Garden.of(api)
    before = await garden.shown()
    await garden.delete(garden.active)
    without = await garden.shown()
    [left] = without["configurations {}"]
    assert left["id"] == garden.old
    of_kit = without["raw-measurements {'limit': 1000}"]
    assert [reading["value"] for reading in of_kit] == [20.0]
    assert [name for name, _ in (v for k, v in without.items() if k.startswith("chart"))] == ["Old air"]
    assert without["export raw"].count("\n") == 2
    assert without["export aggregate"].count("\n") == 1
    assert without["archive"]["raw_measurements.csv"].count(b"\n") == 2
    assert without["archive"]["media.csv"].count(b"\n") == 1
    assert without["archive"]["peripherals.csv"].count(b"\n") == 2
    empty = [key for key, value in without.items() if value == []]
    assert sorted(empty) == sorted(
        key for key in before if key.startswith(("agg", "media", "raw")) and "limit" not in key
    )

    restored = await garden.restore(garden.active)
    assert restored.status_code == 200
    [_, configuration] = before["configurations {}"]
    assert restored.json() == {
        "configuration": configuration,
        "replayed": {"stored": 0, "duplicate": 0, "stillQuarantined": 0},
        "waiting": 0,
    }
    assert await garden.shown() == before
    assert await garden.listed() == []


async def test_nothing_of_a_deleted_configuration_can_be_reached_by_its_id(api: Installation) -> None:
    garden = await Garden.of(api)
    [series] = [each for each in await garden.chamber.series() if each["peripheralName"] == "Air"]
    await garden.delete(garden.active)
    headers = garden.chamber.owner.headers
    peripheral = garden.chamber.peripherals["Air"].id
    serial = garden.chamber.kit.serial
    for method, path in (
        ("PATCH", f"/kit-configurations/{garden.active}"),
        ("DELETE", f"/kit-configurations/{garden.active}"),
        ("POST", f"/kits/{serial}/configurations?source={garden.active}"),
        ("PATCH", f"/peripherals/{peripheral}"),
        ("DELETE", f"/peripherals/{peripheral}"),
        ("GET", f"/media/{garden.picture}/content"),
        ("GET", f"/media/{garden.picture}/thumbnail"),
        ("DELETE", f"/media/{garden.picture}"),
    ):
        body = {"json": {}} if method == "PATCH" else {}
        response = await api.client.request(method, path, headers=headers, **body)
        assert_problem(response, 404)
    chart = await garden.get(f"/kits/{serial}/series/{series['id']}", **{"from": LONG_AGO.isoformat()})
    assert chart.json()["columns"]["time"] == []
    assert await api.scalar("SELECT count(*) FROM media WHERE id = :id", id=garden.picture) == 1


async def test_a_deleted_configuration_is_listed_with_when_and_until_when(api: Installation) -> None:
    garden = await Garden.of(api)
    before = datetime.now(UTC)
    await garden.delete(garden.old)
    await garden.delete(garden.active)
    latest, first = await garden.listed()
    assert latest == {
        "id": garden.active,
        "description": None,
        "deletedAt": latest["deletedAt"],
        "restorableUntil": latest["restorableUntil"],
        "wasActive": True,
        "neverUsed": False,
        "peripherals": ["Air", "Water"],
    }
    assert (first["id"], first["wasActive"], first["peripherals"]) == (garden.old, False, ["Old air"])
    deleted_at = datetime.fromisoformat(latest["deletedAt"])
    assert before <= deleted_at <= datetime.now(UTC)
    assert datetime.fromisoformat(latest["restorableUntil"]) - deleted_at == timedelta(days=30)


async def test_a_configuration_comes_back_active_unless_another_one_became_so(api: Installation) -> None:
    garden = await Garden.of(api)
    for activated, expected in ((None, True), (garden.old, False)):
        await garden.delete(garden.active)
        if activated is not None:
            path = f"/kit-configurations/{activated}"
            await api.client.patch(path, json={"active": True}, headers=garden.chamber.owner.headers)
        restored = await garden.restore(garden.active)
        assert restored.json()["configuration"]["active"] is expected
    await garden.delete(garden.active)
    assert (await garden.listed())[0]["wasActive"] is False
    await garden.restore(garden.active)
    active = {each["id"]: each["active"] for each in (await garden.shown())["configurations {}"]}
    assert active == {garden.old: True, garden.active: False}


async def test_what_is_not_deleted_or_too_late_or_of_another_kit_is_not_brought_back(api: Installation) -> None:
    garden, other = await Garden.of(api), await Garden.of(api)
    await other.delete(other.active)
    await garden.delete(garden.active)
    await api.run("UPDATE kit_configurations SET restorable_until = now() WHERE id = :id", id=garden.active)
    assert await garden.listed() == []
    for absent in (garden.old, garden.active, other.active, 2**31 - 1):
        refused = await garden.restore(absent)
        assert f"no deleted configuration {absent}" in refused.json()["detail"]
        assert_problem(refused, 404)
    assert [each["id"] for each in await other.listed()] == [other.active]
    assert [each["id"] for each in (await garden.shown())["configurations {}"]] == [garden.old]


async def test_deleted_configurations_take_no_room_but_need_it_to_come_back(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configurations, "MOST_CONFIGURATIONS", 2)
    monkeypatch.setattr(deleted_configurations, "MOST_CONFIGURATIONS", 2)
    monkeypatch.setattr(configurations, "MOST_BYTES", 2000)
    bench = await Workbench.of(api)
    first = (await bench.configuration("x" * 900))["id"]
    second = (await bench.configuration("x" * 900))["id"]
    for each in (first, second):
        assert (await bench.request("DELETE", f"/kit-configurations/{each}")).status_code == 200
    third = (await bench.configuration("x" * 1900))["id"]
    at = f"/kits/{bench.kit.serial}/deleted-configurations"
    refused = await bench.request("POST", f"{at}/{first}/restore")
    assert "2000 bytes" in refused.json()["detail"]
    assert_problem(refused, 403)
    await bench.change(third, description=None)
    assert (await bench.request("POST", f"{at}/{first}/restore")).status_code == 200
    refused = await bench.request("POST", f"{at}/{second}/restore")
    assert "already 2 configurations" in refused.json()["detail"]
    assert_problem(refused, 403)
    assert [each["id"] for each in (await bench.request("GET", at)).json()] == [second]


async def test_a_script_that_makes_and_deletes_configurations_displaces_none_that_measured(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleted_configurations, "MOST_DELETED", 3)
    garden = await Garden.of(api)
    await garden.delete(garden.active)
    made = []
    for _ in range(4):
        response = await api.client.post(
            f"/kits/{garden.chamber.kit.serial}/configurations", json={}, headers=garden.chamber.owner.headers
        )
        made.append(response.json()["id"])
        await garden.delete(made[-1])
    assert [each["id"] for each in await garden.listed()] == [made[3], made[2], garden.active]
    monkeypatch.setattr(deleted_configurations, "MOST_DELETED_BYTES", 1)
    await garden.delete(garden.old)
    assert await garden.listed() == []


async def test_thinning_leaves_the_pictures_of_a_deleted_configuration_alone(api: Installation) -> None:
    garden = await Garden.of(api)
    # A second picture of the same hour, and one of later: the newest is always kept.
    for later in ("1 minute", "1 day"):
        await api.run(
            "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, "
            "metadata, size) SELECT :id, peripheral_id, kit_id, kit_configuration_id, "
            "datetime + CAST(CAST(:later AS text) AS interval), name, type, metadata, size "
            "FROM media WHERE id = :first",
            id=uuid4(),
            first=garden.picture,
            later=later,
        )
    policy = ThinningPolicy(all_days=1, hourly_days=1)
    await garden.delete(garden.active)
    assert (await thin(api.engine, policy, kit_id=garden.chamber.kit.id)).media == 0
    await garden.restore(garden.active)
    assert (await thin(api.engine, policy, kit_id=garden.chamber.kit.id)).media == 1


async def test_a_plant_is_measured_again_by_its_series_once_the_configuration_is_back(
    api: Installation,
) -> None:
    garden = await Garden.of(api)
    headers, serial = garden.chamber.owner.headers, garden.chamber.kit.serial
    made = await api.client.post("/plants", json={"name": "Monty"}, headers=headers)
    plant = made.json()["id"]
    source = {"kitSerial": serial, "peripheralName": "Air", "quantityTypeId": TEMPERATURE}
    linked = await api.client.post(f"/plants/{plant}/links", json=source, headers=headers)
    assert linked.status_code in {200, 201}, linked.text

    async def measured() -> Any:
        shown = (await garden.get(f"/plants/{plant}")).json()
        return [each["value"] for each in shown["quantities"]]

    before = await measured()
    await garden.delete(garden.active)
    assert await measured() != before
    refused = await api.client.post(f"/plants/{plant}/links", json=source, headers=headers)
    assert_problem_of_name(refused)
    await garden.restore(garden.active)
    assert await measured() == before


def assert_problem_of_name(response: Any) -> None:
    assert response.status_code == 400
    assert "no peripheral named" in response.text


async def test_a_kit_deleted_for_good_leaves_nothing_of_its_deleted_configurations(api: Installation) -> None:
    garden = await Garden.of(api)
    await garden.delete(garden.active)
    ids = {"kit": garden.chamber.kit.id, "peripheral": garden.chamber.peripherals["Air"].id}
    await api.kits_deleted(garden.chamber.kit)
    async with api.engine.connect() as connection:
        for table, column in (
            *((table, "kit_id") for table in ("kit_configurations", "peripherals", "raw_measurements")),
            *((table, "kit_id") for table in ("aggregate_measurements", "media", "series")),
            *((table, "peripheral_id") for table in ("series_hours", "series_days")),
        ):
            wanted = ids["kit"] if column == "kit_id" else ids["peripheral"]
            statement = text(f"SELECT count(*) FROM {table} WHERE {column} = :wanted")
            assert await connection.scalar(statement, {"wanted": wanted}) == 0, table
    queued = "SELECT count(*) FROM queue_media_pending_deletion WHERE media_id = :id"
    assert await api.scalar(queued, id=garden.picture) == 1


async def test_the_request_replays_a_bounded_number_and_tells_how_many_wait(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "MOST_REPLAYED", 1)
    garden = await Garden.of(api)
    await garden.delete(garden.active)
    for _ in range(3):
        await api.run(
            "INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload, "
            "payload_bytes) VALUES (now(), :kit, 'raw', 'deleted-configuration', '', :topic, 'x', 1)",
            kit=garden.chamber.kit.id,
            topic=f"kit/{garden.chamber.kit.serial}/measurement/raw",
        )
    restored = await garden.restore(garden.active)
    assert restored.json()["replayed"] == {"stored": 0, "duplicate": 0, "stillQuarantined": 1}
    assert restored.json()["waiting"] == 2


async def test_an_export_under_way_fails_instead_of_leaving_out_what_is_deleted_meanwhile(
    api: Installation,
) -> None:
    garden = await Garden.of(api)
    async with open_source(api.parts.connect, garden.chamber.kit.id) as source:
        assert source is not None
        await garden.delete(garden.active)
        with pytest.raises(SomethingDeleted):
            async for _ in source.stretches(Selection(data=Data.RAW)):
                pass


async def test_an_export_under_way_has_nothing_of_what_is_brought_back_meanwhile(api: Installation) -> None:
    garden = await Garden.of(api)
    await garden.delete(garden.active)
    async with open_source(api.parts.connect, garden.chamber.kit.id) as source:
        assert source is not None
        await garden.restore(garden.active)
        rows = 0
        async for where in source.stretches(Selection(data=Data.RAW)):
            query = f"SELECT m.value FROM raw_measurements m WHERE {where}"
            rows += (await source.copy(query, where))[1]
    assert rows == 1
