"""The archive: complete, in order, from one snapshot; and a partial download cannot be mistaken for it."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import re
import zipfile
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from api_client import Installation, assert_problem
from export_world import (
    START,
    MeasuredKit,
    add_aggregate,
    add_readings,
    measured_kit,
    micros,
    seconds,
    unzip,
)
from sqlalchemy import text

from hortus.http.access.slots import ExportLimits
from waiting import PATIENCE_SECONDS


@pytest.fixture
async def source(api: Installation) -> MeasuredKit:
    return await measured_kit(api)


async def new_token(api: Installation, source: MeasuredKit) -> str:
    answer = await api.client.post(f"{source.path}/archive", headers=source.owner.headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    token = answer.json()
    assert isinstance(token, str)
    return token


async def download(api: Installation, source: MeasuredKit, **query: Any) -> httpx.Response:
    """Download with a new token, without further authentication."""
    query["token"] = query.get("token") or await new_token(api, source)
    return await api.client.get(f"{source.path}/archive", params=query)


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


async def test_an_archive_holds_every_reading_in_order(api: Installation, source: MeasuredKit) -> None:
    # More than two chunks, over the end of a month.
    readings = await add_readings(api, source, 41_000, seconds_apart=3.25)
    answer = await download(api, source)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    name = re.escape(source.kit.serial) + r"_\d{4}-\d\d-\d\dT\d{6}Z\.zip"
    assert re.fullmatch(rf"attachment; filename={name}", answer.headers["content-disposition"])
    assert "content-length" not in answer.headers
    header, *lines = rows(unzip(answer.content)["raw_measurements.csv"])
    assert header == [
        *("datetime", "peripheral", "kitConfiguration", "quantityType", "value", "receivedAt", "implausible")
    ]
    assert [(line[0], int(line[1]), int(line[3]), float(line[4])) for line in lines] == [
        (micros(each.time), each.peripheral, each.quantity_type, each.value) for each in readings
    ]
    assert {line[2] for line in lines} == {str(source.configuration)}
    # The values suit temperatures; as pressures, they are impossible.
    assert {(line[3], line[6]) for line in lines} == {("1", "false"), ("2", "true")}


async def test_the_first_two_files_are_those_of_the_api_before(api: Installation, source: MeasuredKit) -> None:
    late = await add_aggregate(
        api, source, START + timedelta(hours=1), {"minimum": 1.5, "average": 2, "count": 3}
    )
    await add_aggregate(api, source, START, {"average": -0.25, "maximum": 1e-7, 'zeta, "quoted"': 4})
    assert late
    answer = await download(api, source)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist()[:2] == ["configurations.json", "aggregate_measurements.csv"]
    files = unzip(answer.content)
    configurations = await api.client.get(f"{source.path}/configurations", headers=source.owner.headers)
    assert httpx.Response(200, content=files["configurations.json"]).json() == configurations.json()
    peripheral, configuration = source.peripherals[0], source.configuration
    assert files["aggregate_measurements.csv"].decode() == (
        "datetimeStart,datetimeEnd,peripheral,kitConfiguration,quantityType,"
        'count,average,minimum,maximum,"zeta, ""quoted"""\n'
        f"2026-01-30T12:00:00Z,2026-01-30T12:30:00Z,{peripheral},{configuration},1,,-0.25,,0.0000001,4\n"
        f"2026-01-30T13:00:00Z,2026-01-30T13:30:00Z,{peripheral},{configuration},1,3,2,1.5,,\n"
    )


async def test_names_units_and_checksums_come_with_it(api: Installation, source: MeasuredKit) -> None:
    await add_readings(api, source, 10)
    await api.run(
        "UPDATE peripherals SET name = :name WHERE id = :id",
        name='=HYPERLINK("x")\n"é", 温度',
        id=source.peripherals[0],
    )
    await api.run("UPDATE peripherals SET name = '-5' WHERE id = :id", id=source.peripherals[1])
    files = unzip((await download(api, source)).content)
    peripherals = rows(files["peripherals.csv"])
    assert peripherals[0][:5] == [
        "peripheral",
        "peripheralName",
        "kitConfiguration",
        "peripheralDefinition",
        "peripheralDefinitionName",
    ]
    assert [line[:3] for line in peripherals[1:]] == [
        [str(source.peripherals[0]), '\'=HYPERLINK("x")\n"é", 温度', str(source.configuration)],
        [str(source.peripherals[1]), "'-5", str(source.configuration)],
        [str(source.peripherals[2]), "Climate", str(source.configuration)],
    ]
    types = {line[0]: line[1:] for line in rows(files["quantity_types.csv"])}
    assert types["quantityType"] == ["physicalQuantity", "physicalUnit", "physicalUnitSymbol"]
    assert types["1"] == ["Temperature", "Degrees Celsius", "°C"]
    told = httpx.Response(200, content=files.pop("contents.json")).json()
    assert told["kit"]["serial"] == source.kit.serial
    assert [(each["name"], each["bytes"], each["sha256"]) for each in told["files"]] == [
        (name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    ]
    assert {each["name"]: each["rows"] for each in told["files"]} == {
        "configurations.json": None,
        "aggregate_measurements.csv": 0,
        "raw_measurements.csv": 10,
        "peripherals.csv": 3,
        "quantity_types.csv": len(types) - 1,
        "media.csv": 0,
    }


async def test_a_range_of_time_and_a_configuration_limit_the_archive(
    api: Installation, source: MeasuredKit
) -> None:
    readings = await add_readings(api, source, 100, seconds_apart=60)
    for hour in range(3):
        await add_aggregate(api, source, START + timedelta(hours=hour), {"count": hour})
    start, end = START + timedelta(minutes=30), START + timedelta(minutes=90)
    files = unzip((await download(api, source, **{"from": start.isoformat(), "to": end.isoformat()})).content)
    assert [line[0] for line in rows(files["raw_measurements.csv"])[1:]] == [
        micros(each.time) for each in readings if start <= each.time < end
    ]
    # Windows that lie entirely within the range, including its ends.
    assert [line[0] for line in rows(files["aggregate_measurements.csv"])[1:]] == [
        seconds(START + timedelta(hours=1))
    ]
    mine = unzip((await download(api, source, configuration=source.configuration)).content)
    none = unzip((await download(api, source, configuration=2**31 - 1)).content)
    assert len(rows(mine["raw_measurements.csv"])) == 101
    assert len(rows(mine["aggregate_measurements.csv"])) == 4
    assert len(rows(none["raw_measurements.csv"])) == 1
    assert rows(none["aggregate_measurements.csv"]) == [
        ["datetimeStart", "datetimeEnd", "peripheral", "kitConfiguration", "quantityType"]
    ]
    backwards = {"from": end.isoformat(), "to": start.isoformat(), "token": await new_token(api, source)}
    assert_problem(await api.client.get(f"{source.path}/archive", params=backwards), 400)


async def test_a_link_is_good_for_one_download(api: Installation, source: MeasuredKit) -> None:
    token = await new_token(api, source)
    path = f"{source.path}/archive"
    head = await api.client.head(path, params={"token": token})
    assert (head.status_code, head.headers["content-type"]) == (200, "application/zip")
    answers = await asyncio.gather(*(api.client.get(path, params={"token": token}) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 403]
    again = await api.client.get(path, params={"token": token})
    assert_problem(again, 403)
    assert again.json()["detail"] == "This link has expired or has already been used. Request a new one."


async def test_a_link_that_is_expired_or_for_another_kit_is_refused(
    api: Installation, source: MeasuredKit
) -> None:
    other = await measured_kit(api)
    token = await new_token(api, other)
    assert_problem(await download(api, source, token=token), 403)
    assert_problem(await download(api, source, token="nonsense"), 403)
    access = source.owner.headers["Authorization"].removeprefix("Bearer ")
    assert_problem(await download(api, source, token=access), 403)
    assert_problem(await api.client.get(f"{source.path}/archive"), 400)
    token = await new_token(api, source)
    api.clock.ahead_seconds += 89
    assert (await download(api, source, token=token)).status_code == 200
    token = await new_token(api, source)
    api.clock.ahead_seconds += 92
    assert_problem(await download(api, source, token=token), 403)


async def test_a_link_to_a_kit_that_is_gone_or_hidden_by_now_leads_nowhere(
    api: Installation, source: MeasuredKit
) -> None:
    token = await new_token(api, source)
    await api.run("DELETE FROM kit_memberships WHERE kit_id = :kit", kit=source.kit.id)
    assert_problem(await download(api, source, token=token), 404)
    public = await api.kit(public=True)
    answer = await api.client.post(f"/kits/{public.serial}/archive")
    await api.kits_deleted(public)
    gone = await api.client.get(f"/kits/{public.serial}/archive", params={"token": answer.json()})
    assert_problem(gone, 404)


async def backends(api: Installation, condition: str) -> int:
    """Wait until the database is working on a download in this way, and return the process."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await api.scalar(
                "SELECT min(pid) FROM pg_stat_activity WHERE datname = current_database() "
                f"AND query LIKE '%raw_measurements m%' AND pid <> pg_backend_pid() AND {condition}"
            )
            if found is not None:
                return int(found)
            await asyncio.sleep(0.02)


async def read_until_it_breaks(answer: httpx.Response) -> bytes:
    pieces: list[bytes] = []

    async def read() -> None:
        async for piece in answer.aiter_raw():
            pieces.append(piece)  # noqa: PERF401  (what came before the error counts)

    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        await read()
    return b"".join(pieces)


async def test_a_database_that_fails_leaves_a_download_that_is_seen_to_be_broken(
    api: Installation, source: MeasuredKit
) -> None:
    await add_readings(api, source, 1000)
    params = {"token": await new_token(api, source)}
    async with api.engine.connect() as other:
        await other.execute(text("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE"))
        async with api.client.stream("GET", f"{source.path}/archive", params=params) as answer:
            assert answer.status_code == 200
            waiting = await backends(api, "wait_event_type = 'Lock'")
            await api.scalar("SELECT pg_terminate_backend(:pid)", pid=waiting)
            content = await read_until_it_breaks(answer)
    with pytest.raises(zipfile.BadZipFile):
        unzip(content)
    assert "raw_measurements.csv" in unzip((await download(api, source)).content)


async def test_a_deletion_meanwhile_leaves_a_download_that_is_seen_to_be_broken(
    api: Installation, source: MeasuredKit
) -> None:
    await add_readings(api, source, 1000)
    params = {"token": await new_token(api, source)}
    async with api.engine.connect() as other:
        await other.execute(text("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE"))
        async with api.client.stream("GET", f"{source.path}/archive", params=params) as answer:
            await backends(api, "wait_event_type = 'Lock'")
            for table in ("raw_measurements", "peripherals"):
                await other.execute(
                    text(f"DELETE FROM {table} WHERE kit_configuration_id = {source.configuration}")
                )
            await other.commit()
            await read_until_it_breaks(answer)


async def test_what_arrives_during_a_download_is_left_out(api: Installation, source: MeasuredKit) -> None:
    readings = await add_readings(api, source, 1000)
    params = {"token": await new_token(api, source)}
    async with api.engine.connect() as other:
        await other.execute(text("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE"))
        downloading = asyncio.create_task(api.client.get(f"{source.path}/archive", params=params))
        await backends(api, "wait_event_type = 'Lock'")
        await other.execute(
            text(
                "INSERT INTO raw_measurements (datetime, received_at, value, id, kit_id, peripheral_id, "
                "kit_configuration_id, quantity_type_id) SELECT datetime - interval '1 s', clock_timestamp(), "
                "value, gen_random_uuid(), kit_id, peripheral_id, kit_configuration_id, quantity_type_id "
                f"FROM raw_measurements WHERE kit_id = {source.kit.id}"
            )
        )
        await other.commit()
        content = (await downloading).content
    lines = rows(unzip(content)["raw_measurements.csv"])[1:]
    assert [line[0] for line in lines] == [micros(each.time) for each in readings]


async def test_downloads_that_were_given_up_leave_no_work_behind(serve: Any) -> None:
    # More than there are threads for compressing.
    limits = ExportLimits(at_once=30, per_person=30)
    async with serve(exports=limits) as api:
        source = await measured_kit(api)
        readings = await add_readings(api, source, 1000)
        async with api.engine.connect() as other:
            await other.execute(text("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE"))
            for _ in range(12):
                params = {"token": await new_token(api, source)}
                async with api.client.stream("GET", f"{source.path}/archive", params=params) as answer:
                    assert answer.status_code == 200
                    waiting = await backends(api, "wait_event_type = 'Lock'")
                await api.scalar("SELECT pg_terminate_backend(:pid)", pid=waiting)
        files = unzip((await download(api, source)).content)
        assert len(rows(files["raw_measurements.csv"])) == len(readings) + 1


async def test_as_many_downloads_at_once_as_there_is_room_for(serve: Any) -> None:
    limits = ExportLimits(at_once=3, anonymous_at_once=1, per_person=2)
    async with serve(exports=limits) as api:
        source = await measured_kit(api)
        await api.run("UPDATE kits SET privacy_public_dashboard = true WHERE id = :id", id=source.kit.id)
        other = await api.member(source.kit)

        async def link(headers: dict[str, str]) -> dict[str, str]:
            return {"token": (await api.client.post(f"{source.path}/archive", headers=headers)).json()}

        path = f"{source.path}/archive"
        async with api.engine.connect() as holding, AsyncExitStack() as stack:
            await holding.execute(text("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE"))
            for headers in (source.owner.headers, source.owner.headers, {}):
                streaming = api.client.stream("GET", path, params=await link(headers))
                assert (await stack.enter_async_context(streaming)).status_code == 200
            refused = await api.client.get(path, params=await link(source.owner.headers))
            assert_problem(refused, 429, "/probs/rate-limit", waitTimeMillis=15_000)
            kept = await link(other.headers)
            full = await api.client.get(path, params=kept)
            assert_problem(full, 503)
            assert full.headers["retry-after"] == "15"
            await holding.rollback()
        # The refused link was not used up, and the disconnected client freed its slot.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (answer := await api.client.get(path, params=kept)).status_code == 503:
                await asyncio.sleep(0.05)
        assert answer.status_code == 200
