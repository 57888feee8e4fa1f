"""Exports in all formats: the same rows in each, in order, of exactly what was asked for."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import socket
import sys
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import orjson
import pyarrow.parquet
import pytest
from api_client import Installation, Person, assert_problem
from export_world import START, MeasuredKit, add_aggregate, add_readings, measured_kit, micros
from sqlalchemy import text

from hortus.flow.export import parquet, source
from hortus.http.access.slots import ExportLimits
from waiting import PATIENCE_SECONDS

ODD_NAME = '=1+1, "Größe"\n温度\\n\t'


@pytest.fixture
async def kit(api: Installation) -> MeasuredKit:
    kit = await measured_kit(api)
    await api.run("UPDATE peripherals SET name = :name WHERE id = :id", name=ODD_NAME, id=kit.peripherals[0])
    return kit


PRESSURE = 2


async def export(api: Installation, kit: MeasuredKit, headers: Any = None, **query: Any) -> httpx.Response:
    query = {name.rstrip("_"): value for name, value in query.items()}
    if headers is None:
        headers = kit.owner.headers
    return await api.client.get(f"{kit.path}/export", params=query, headers=headers)


def csv_rows(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def parquet_rows(answer: httpx.Response) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(answer.content)).to_pylist()
    return rows


async def test_every_format_has_the_same_readings(api: Installation, kit: MeasuredKit) -> None:
    readings = await add_readings(api, kit, 300)
    answer = await export(api, kit, format="ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].endswith("Z.ndjson")
    told = [orjson.loads(line) for line in answer.text.splitlines()]
    names = {kit.peripherals[0]: ODD_NAME, kit.peripherals[1]: "Pressure", kit.peripherals[2]: "Climate"}
    quantities = {
        row["id"]: (row["physicalQuantity"], row["physicalUnit"])
        for row in (await api.client.get("/quantity-types")).json()
    }
    received_at = {row.pop("receivedAt") for row in told}
    assert len(received_at) == 1
    assert told == [
        {
            "datetime": micros(each.time),
            "peripheral": each.peripheral,
            "peripheralName": names[each.peripheral],
            "kitConfiguration": kit.configuration,
            "quantityType": each.quantity_type,
            "physicalQuantity": quantities[each.quantity_type][0],
            "physicalUnit": quantities[each.quantity_type][1],
            "value": each.value,
            "id": str(each.id),
            # The values suit temperatures; as pressures, they are impossible.
            "implausible": each.quantity_type == PRESSURE,
        }
        for each in readings
    ]

    answer = await export(api, kit)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert [{name: row[name] for name in row if name != "receivedAt"} for row in csv_rows(answer)] == [
        {name: str(value) for name, value in row.items()}
        | {"implausible": str(row["implausible"]).lower()}
        # Only in CSV, where a spreadsheet program would take it for a formula.
        | {"peripheralName": row["peripheralName"].replace("=1", "'=1")}
        for row in told
    ]

    answer = await export(api, kit, format="parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    read = parquet_rows(answer)
    assert {row.pop("receivedAt") for row in read} == {datetime.fromisoformat(each) for each in received_at}
    assert read == [{**row, "datetime": datetime.fromisoformat(row["datetime"])} for row in told]


async def test_every_format_has_the_same_aggregates(api: Installation, kit: MeasuredKit) -> None:
    first = await add_aggregate(api, kit, START, {"count": 30, "average": 21.5, "id": -1})
    second = await add_aggregate(api, kit, START + timedelta(minutes=30), {"average": 1e-9, "=x": 2})
    told = [
        orjson.loads(line)
        for line in (await export(api, kit, format="ndjson", data="aggregate")).text.splitlines()
    ]
    assert [(row["id"], row["values"]) for row in told] == [
        (str(first), {"count": 30, "average": 21.5, "id": -1}),
        (str(second), {"average": 1e-9, "=x": 2}),
    ]
    assert told[0]["datetimeStart"] == micros(START)
    assert told[0]["datetimeEnd"] == told[1]["datetimeStart"] == micros(START + timedelta(minutes=30))
    lines = csv_rows(await export(api, kit, data="aggregate"))
    assert list(lines[0])[8:] == ["count", "average", "'=x", "values.id", "receivedAt", "id", "implausible"]
    assert [[line[name] for name in ("count", "average", "'=x", "values.id")] for line in lines] == [
        ["30", "21.5", "", "-1"],
        ["", "0.000000001", "2", ""],
    ]
    rows = parquet_rows(await export(api, kit, data="aggregate", format="parquet"))
    assert [(row["id"], row["count"], row["average"], row["=x"], row["values.id"]) for row in rows] == [
        (str(first), 30.0, 21.5, None, -1.0),
        (str(second), None, 1e-9, 2.0, None),
    ]
    assert rows[0]["peripheralName"] == ODD_NAME


async def test_a_spreadsheet_that_writes_numbers_with_a_comma_gets_its_own_csv(
    api: Installation, kit: MeasuredKit
) -> None:
    await add_readings(api, kit, 3)
    plain = csv_rows(await export(api, kit))
    answer = await export(api, kit, sheet="semicolon")
    assert answer.content.startswith(b"\xef\xbb\xbfdatetime;")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"), newline=""), delimiter=";"))
    for row, usual in zip(rows, plain, strict=True):
        assert row["value"] == usual["value"].replace(".", ",")
        assert row["datetime"] == usual["datetime"][:19].replace("T", " ")
        assert {name: row[name] for name in ("id", "peripheralName", "implausible")} == {
            name: usual[name] for name in ("id", "peripheralName", "implausible")
        }


@pytest.mark.parametrize("sheet", ["plain", "semicolon"])
@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/St_Johns", "Asia/Kathmandu"])
async def test_times_are_also_told_by_local_clocks_on_request(
    api: Installation, kit: MeasuredKit, zone: str, sheet: str
) -> None:
    await add_readings(api, kit, 3)
    await add_aggregate(api, kit, START, {"average": 21.5})
    await api.run(
        "UPDATE kits SET time_zone = :zone WHERE serial = :serial", zone=zone, serial=kit.path.rsplit("/")[-1]
    )
    for data, names in (("raw", ["datetime"]), ("aggregate", ["datetimeStart", "datetimeEnd"])):
        usual = csv_rows(await export(api, kit, data=data))
        answers = [await export(api, kit, data=data, sheet=sheet, local=each) for each in ("kit", zone)]
        assert answers[0].content == answers[1].content
        delimiter = "," if sheet == "plain" else ";"
        text_ = answers[0].text.removeprefix("\ufeff")
        for row, each in zip(
            csv.DictReader(io.StringIO(text_, newline=""), delimiter=delimiter), usual, strict=True
        ):
            for name in names:
                local = datetime.fromisoformat(each[name]).astimezone(ZoneInfo(zone))
                if sheet == "plain":
                    assert row[f"{name}Local"] == local.isoformat(timespec="microseconds")
                else:
                    assert row[f"{name}Local"] == f"{local:%Y-%m-%d %H:%M:%S}"
                    assert row[f"{name}Offset"] == "UTC" + local.isoformat()[-6:]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"format": "ndjson", "sheet": "semicolon"}, "sheet and local are for format=csv."),
        ({"format": "parquet", "local": "kit"}, "sheet and local are for format=csv."),
        (
            {"local": "Europe/Amsterdem"},
            "local: There is no time zone of this name; the closest is Europe/Amsterdam.",
        ),
    ],
)
async def test_a_mistaken_form_of_csv_is_named(
    api: Installation, kit: MeasuredKit, query: dict[str, str], detail: str
) -> None:
    answer = await export(api, kit, **query)
    assert (answer.status_code, answer.json()["detail"]) == (422, detail)


async def test_implausible_aggregates_are_marked_in_every_format(api: Installation, kit: MeasuredKit) -> None:
    figures = [{"average": 21.5, "maximum": 22, "spread": 1e9}, {"average": 25, "maximum": 327.67}]
    for number, values in enumerate(figures):
        await add_aggregate(api, kit, START + timedelta(hours=number), values)
    lines = (await export(api, kit, format="ndjson", data="aggregate")).text.splitlines()
    assert [orjson.loads(line)["implausible"] for line in lines] == [False, True]
    assert [row["implausible"] for row in csv_rows(await export(api, kit, data="aggregate"))] == [
        "false",
        "true",
    ]
    rows = parquet_rows(await export(api, kit, data="aggregate", format="parquet"))
    assert [row["implausible"] for row in rows] == [False, True]


async def test_values_of_too_many_names_share_a_column(api: Installation, kit: MeasuredKit) -> None:
    for number in range(30):
        values = {f"name {number:02d}-{each}": each for each in range(4)}
        await add_aggregate(api, kit, START + timedelta(minutes=number), {"count": number, **values})
    lines = csv_rows(await export(api, kit, data="aggregate"))
    assert len(lines[0]) == 8 + 100 + 1 + 3
    assert (lines[0]["name 00-3"], lines[0]["otherValues"]) == ("3", "")
    assert orjson.loads(lines[29]["otherValues"]) == {f"name 29-{each}": each for each in range(4)}


async def test_ranges_meet_without_overlap_and_filters_restrict(api: Installation, kit: MeasuredKit) -> None:
    readings = await add_readings(api, kit, 60, seconds_apart=60)
    times = [START + timedelta(minutes=minutes) for minutes in (0, 7, 30, 60)]
    found: list[str] = []
    for start, end in itertools.pairwise(times):
        part = await export(api, kit, from_=start.isoformat(), to=end.isoformat())
        found += [row["id"] for row in csv_rows(part)]
    assert found == [str(each.id) for each in readings]
    some = csv_rows(await export(api, kit, peripheral=kit.peripherals[1], quantityType=2))
    assert [row["id"] for row in some] == [
        str(each.id) for each in readings if each.peripheral == kit.peripherals[1] and each.quantity_type == 2
    ]
    for nothing in ({"configuration": 2**31 - 1}, {"peripheral": 1}, {"to": times[0].isoformat()}):
        assert len((await export(api, kit, **nothing)).text.splitlines()) == 1
        assert (await export(api, kit, format="ndjson", **nothing)).content == b""
        assert parquet_rows(await export(api, kit, format="parquet", **nothing)) == []
    for wrong in (
        {"format": "xlsx"},
        {"data": "media"},
        {"from": "yesterday"},
        {"peripheral": "x"},
        {"from": times[1].isoformat(), "to": times[0].isoformat()},
    ):
        refused = await export(api, kit, **wrong)
        assert_problem(refused, 400)
        assert refused.json()["detail"]


async def test_row_groups_are_bounded(
    api: Installation, kit: MeasuredKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_readings(api, kit, 1050)
    monkeypatch.setattr(source, "STRETCH_ROWS", 100)
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 250)
    answer = await export(api, kit, format="parquet")
    groups = pyarrow.parquet.ParquetFile(io.BytesIO(answer.content)).metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [
        300,
        300,
        300,
        150,
    ]


async def test_without_the_library_parquet_is_refused_with_the_command(
    api: Installation, kit: MeasuredKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # makes the import fail
    refused = await export(api, kit, format="parquet")
    assert_problem(refused, 501)
    assert "pip install 'hortus[parquet]'" in refused.json()["detail"]
    assert (await export(api, kit)).status_code == 200


async def test_who_may_view_a_kit_may_export_it(api: Installation, kit: MeasuredKit) -> None:
    stranger = await api.person()
    for form in ("csv", "ndjson", "parquet"):
        assert (await export(api, kit, (await api.member(kit.kit)).headers, format=form)).status_code == 200
        missing = await export(api, kit, {}, format=form)
        assert_problem(missing, 401, "/probs/authorization-header", category="missing")
        assert_problem(await export(api, kit, stranger.headers, format=form), 404)
    for scope, status in (("read", 200), ("configure", 403)):
        assert (await export(api, kit, await key(api, kit.owner, scope))).status_code == status
    await api.run("UPDATE kits SET privacy_public_dashboard = true WHERE id = :id", id=kit.kit.id)
    assert (await export(api, kit, {})).status_code == 200


async def key(api: Installation, owner: Person, scope: str) -> dict[str, str]:
    made = await api.client.post("/me/api-keys", json={"name": "x", "scopes": [scope]}, headers=owner.headers)
    return {"Authorization": f"Bearer {made.json()['key']}"}


async def test_who_takes_nothing_is_dropped_and_holds_nothing(serve: Any) -> None:
    limits = ExportLimits(at_once=1, idle_seconds=0.5)
    async with serve(exports=limits) as api:
        kit = await measured_kit(api)
        await add_readings(api, kit, 60_000)
        address = urlsplit(api.base_url)
        with socket.socket() as idle:
            # A small buffer at the receiver, so that little is in flight.
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(idle, (address.hostname, address.port))
            request = f"GET /api{kit.path}/export HTTP/1.1\r\nHost: x\r\nAuthorization: "
            request += kit.owner.headers["Authorization"] + "\r\n\r\n"
            await loop.sock_sendall(idle, request.encode())
            assert (await loop.sock_recv(idle, 15)) == b"HTTP/1.1 200 OK"
            # The only slot is free again while that connection is still open.
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (answer := await export(api, kit, to=START.isoformat())).status_code == 503:
                    await asyncio.sleep(0.05)
            assert len(answer.text.splitlines()) == 1


async def test_who_reads_slowly_holds_no_lock(api: Installation, kit: MeasuredKit) -> None:
    await add_readings(api, kit, 60_000)
    address = urlsplit(api.base_url)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(slow, (address.hostname, address.port))
    reader, writer = await asyncio.open_connection(sock=slow, limit=1024)
    writer.write(f"GET /api{kit.path}/export HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode())
    writer.write(f"Authorization: {kit.owner.headers['Authorization']}\r\n\r\n".encode())
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    # Most of it is still to come, and yet others can change the table.
    async with asyncio.timeout(PATIENCE_SECONDS), api.engine.begin() as other:
        await other.execute(text("LOCK TABLE raw_measurements IN ACCESS EXCLUSIVE MODE"))
    content = await reader.read()
    assert content.endswith(b"\r\n0\r\n\r\n")
    assert content.count(str(kit.configuration).encode()) >= 60_000
    writer.close()


async def test_who_goes_away_leaves_no_work_behind(serve: Any) -> None:
    async with serve(exports=ExportLimits(at_once=1)) as api:
        kit = await measured_kit(api)
        await add_readings(api, kit, 60_000)
        async with api.client.stream("GET", f"{kit.path}/export", headers=kit.owner.headers) as answer:
            assert answer.status_code == 200
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await export(api, kit, to=START.isoformat())).status_code == 503:
                await asyncio.sleep(0.05)
