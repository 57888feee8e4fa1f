"""The size of an export, told before it is made."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_client import Installation, assert_problem
from export_world import START, MeasuredKit, add_aggregate, add_readings, measured_kit, unzip

from hortus.domain.series.rollups import roll_up

HOUR = timedelta(hours=1)


@pytest.fixture
async def kit(api: Installation) -> MeasuredKit:
    return await measured_kit(api)


async def rolled_up(api: Installation, kit: MeasuredKit) -> None:
    await api.run(
        "INSERT INTO series_touched_hours (kit_id, hour)"
        " SELECT DISTINCT kit_id, date_bin('1 hour', datetime, 'epoch') FROM raw_measurements"
        " WHERE kit_id = :kit",
        kit=kit.kit.id,
    )
    connection = await api.parts.connect()
    try:
        await roll_up(connection, datetime.now(UTC))
    finally:
        await connection.close()


async def estimate(api: Installation, kit: MeasuredKit, **query: Any) -> dict[str, int]:
    query = {name.rstrip("_"): value for name, value in query.items()}
    answer = await api.client.get(f"{kit.path}/export/estimate", params=query, headers=kit.owner.headers)
    assert answer.status_code == 200, answer.text
    document: dict[str, int] = answer.json()
    return document


async def size(api: Installation, kit: MeasuredKit, **query: Any) -> int:
    query = {name.rstrip("_"): value for name, value in query.items()}
    answer = await api.client.get(f"{kit.path}/export", params=query, headers=kit.owner.headers)
    assert answer.status_code == 200
    return len(answer.content)


@pytest.mark.parametrize(("form", "within"), [("csv", 0.1), ("ndjson", 0.1), ("parquet", 0.4)])
async def test_an_estimate_is_close_to_the_export(
    api: Installation, kit: MeasuredKit, form: str, within: float
) -> None:
    await add_readings(api, kit, 3000, seconds_apart=90)
    await rolled_up(api, kit)
    told = await estimate(api, kit, format=form)
    assert told["rows"] == 3000
    assert told["bytes"] == pytest.approx(await size(api, kit, format=form), rel=within)


async def test_an_estimate_of_the_archive_is_close_to_it(api: Installation, kit: MeasuredKit) -> None:
    await add_readings(api, kit, 3000, seconds_apart=90)
    await rolled_up(api, kit)
    token = (await api.client.post(f"{kit.path}/archive", headers=kit.owner.headers)).json()
    answer = await api.client.get(f"{kit.path}/archive", params={"token": token})
    assert "raw_measurements.csv" in unzip(answer.content)
    told = await estimate(api, kit, format="zip")
    assert told["rows"] == 3000
    assert told["bytes"] == pytest.approx(len(answer.content), rel=0.5)


async def test_a_range_counts_whole_days_and_the_hours_at_its_ends(api: Installation, kit: MeasuredKit) -> None:
    await add_readings(api, kit, 5 * 24 * 6, seconds_apart=600)
    await rolled_up(api, kit)
    moments = [START + hours * HOUR for hours in (0, 1, 5, 40, 41.5, 120)]
    for start, end in itertools.combinations(moments, 2):
        told = await estimate(api, kit, from_=start.isoformat(), to=end.isoformat())
        assert told["rows"] == pytest.approx((end - start) / HOUR * 6, abs=1)
    assert (await estimate(api, kit, from_=moments[3].isoformat()))["rows"] == 80 * 6
    assert (await estimate(api, kit, to=moments[3].isoformat()))["rows"] == 40 * 6
    assert await estimate(api, kit, to=START.isoformat()) == {"rows": 0, "bytes": 0}


async def test_hours_that_are_not_rolled_up_are_counted_by_the_ledger(
    api: Installation, kit: MeasuredKit
) -> None:
    await api.run(
        "INSERT INTO series_touched_hours (kit_id, hour) SELECT :kit, :hour FROM generate_series(1, 5)",
        kit=kit.kit.id,
        hour=START,
    )
    await api.run(
        "INSERT INTO ingest_ledger (kit_id, hour, stream, received, stored)"
        " VALUES (:kit, :hour, 'raw', 70, 70)",
        kit=kit.kit.id,
        hour=START,
    )
    told = await estimate(api, kit)
    assert told["rows"] == 70
    assert 70 * 100 < told["bytes"] < 70 * 250
    later = (START + HOUR).isoformat()
    assert (await estimate(api, kit, from_=later))["rows"] == 0


async def test_aggregates_are_counted_by_the_ledger(api: Installation, kit: MeasuredKit) -> None:
    for number in range(40):
        values = {"count": 30, "average": 21.523437, "minimum": 20.9375, "maximum": 22.0625}
        await add_aggregate(api, kit, START + number * HOUR, values)
    await api.run(
        "INSERT INTO ingest_ledger (kit_id, hour, stream, received, stored)"
        " VALUES (:kit, :hour, 'aggregate', 40, 40)",
        kit=kit.kit.id,
        hour=START,
    )
    for form, within in (("csv", 0.15), ("ndjson", 0.15)):
        told = await estimate(api, kit, data="aggregate", format=form)
        assert told["rows"] == 40
        assert told["bytes"] == pytest.approx(await size(api, kit, data="aggregate", format=form), rel=within)


async def test_months_whose_readings_were_dropped_are_not_counted(api: Installation, kit: MeasuredKit) -> None:
    await add_readings(api, kit, 48, seconds_apart=3600)
    await rolled_up(api, kit)
    gone = "raw_measurements_y2025m01"
    await api.run(
        "INSERT INTO series_days (day, count, sum, peripheral_id, quantity_type_id)"
        " VALUES ('2025-01-15T00:00:00Z', 1440, 0, :peripheral, 1)",
        peripheral=kit.peripherals[0],
    )
    assert await api.scalar("SELECT to_regclass(:name)", name=gone) is None
    assert (await estimate(api, kit))["rows"] == 48


async def test_an_estimate_is_for_those_who_may_export(api: Installation, kit: MeasuredKit) -> None:
    path = f"{kit.path}/export/estimate"
    assert_problem(await api.client.get(path, headers=(await api.person()).headers), 404)
    wrong = await api.client.get(path, params={"format": "xlsx"}, headers=kit.owner.headers)
    assert_problem(wrong, 400)
