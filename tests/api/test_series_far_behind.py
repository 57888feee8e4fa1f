"""Charts and lists of a kit with very many readings that are not rolled up, because no job runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from api_client import Installation, assert_problem
from series_chamber import TEMPERATURE, Chamber, make_chamber

from hortus.domain.series.rollups import roll_up

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 1_200
READINGS = 30_000
VERY_MANY = 300_000
NOTES_PER_HOUR = 5

_READINGS = """
INSERT INTO raw_measurements
    (datetime, received_at, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
SELECT $1::timestamptz + number * $2::interval, now(), number % 100, gen_random_uuid(), $4, $5, $6, $7
FROM generate_series(0, $3::int - 1) AS number
"""
_NOTES = """
INSERT INTO series_touched_hours (kit_id, hour)
SELECT $1, $2::timestamptz + number * interval '1 hour'
FROM generate_series(0, $3::int - 1) AS number, generate_series(1, $4::int)
"""
_PLAIN = """
SELECT (extract(epoch FROM date_bin($2, datetime, 'epoch')) * 1000)::bigint AS time,
       avg(value) AS mean, min(value) AS minimum, max(value) AS maximum, count(*) AS count
FROM raw_measurements WHERE kit_id = $1 GROUP BY 1 ORDER BY 1
"""
_WAITING = "SELECT count(DISTINCT hour) FROM series_touched_hours WHERE kit_id = $1"


async def lagging(api: Installation, readings: int) -> Chamber:
    """Return a kit with these readings, each hour noted by several batches, and nothing rolled up."""
    made = await make_chamber(api)
    connection = await made.connect()
    await connection.execute(
        *(_READINGS, BEGIN, timedelta(hours=HOURS) / readings, readings),
        *(made.kit.id, made.peripherals["Air"].id, made.configurations["Air"], TEMPERATURE),
    )
    await connection.execute(_NOTES, made.kit.id, BEGIN, HOURS, NOTES_PER_HOUR)
    await connection.close()
    return made


@pytest.fixture
async def chamber(api: Installation) -> Chamber:
    return await lagging(api, READINGS)


@pytest.fixture
async def connection(chamber: Chamber) -> AsyncIterator[asyncpg.Connection]:
    opened = await chamber.connect()
    yield opened
    await opened.close()


async def plain(connection: asyncpg.Connection, chamber: Chamber, width_seconds: int) -> dict[str, list[Any]]:
    rows = await connection.fetch(_PLAIN, chamber.kit.id, timedelta(seconds=width_seconds))
    return {name: [row[name] for row in rows] for name in ("time", "mean", "minimum", "maximum", "count")}


def wanted(points: int) -> dict[str, Any]:
    return {"from_": BEGIN.isoformat(), "to": (BEGIN + timedelta(hours=HOURS)).isoformat(), "points": points}


async def test_a_chart_is_the_plain_aggregate_and_what_it_needed_is_rolled_up_for_good(
    api: Installation,
) -> None:
    chamber = await lagging(api, VERY_MANY)
    connection = await chamber.connect()
    series_id = await connection.fetchval(
        "INSERT INTO series (kit_id, peripheral_name, quantity_type_id) VALUES ($1, 'Air', $2) RETURNING id",
        *(chamber.kit.id, TEMPERATURE),
    )
    for points in (5_000, 60):
        chart = await chamber.chart(series_id, **wanted(points))
        assert chart["columns"] == await plain(connection, chamber, chart["bucketSeconds"])
        assert sum(chart["columns"]["count"]) == VERY_MANY
        assert await connection.fetchval(_WAITING, chamber.kit.id) == 0
    await connection.close()


async def test_a_chart_of_a_few_hours_leaves_all_others_to_the_job(
    chamber: Chamber, connection: asyncpg.Connection
) -> None:
    (series,) = await chamber.series()
    await connection.execute(_NOTES, chamber.kit.id, BEGIN, HOURS, NOTES_PER_HOUR)
    chart = await chamber.chart(series["id"], **wanted(60) | {"to": (BEGIN + timedelta(hours=30)).isoformat()})
    assert sum(chart["columns"]["count"]) == READINGS * 30 // HOURS
    assert await connection.fetchval(_WAITING, chamber.kit.id) == HOURS - 30


async def test_the_list_of_series_tells_the_newest_reading(
    chamber: Chamber, connection: asyncpg.Connection
) -> None:
    # With the clock in the middle of an hour, which does not end while the test runs.
    chamber.api.clock.ahead_seconds = -((datetime.now(UTC).timestamp() - 1800) % 3600)
    newest = chamber.api.clock().replace(microsecond=0) - timedelta(seconds=5)
    await chamber.measured([(newest, 7.5)])
    (series,) = await chamber.series()
    assert (series["lastValue"], series["freshness"]) == (7.5, "live")
    # The current hour is left alone: the next reading would touch it again.
    assert await connection.fetchval(_WAITING, chamber.kit.id) == 1


async def test_several_that_ask_at_once_while_a_job_works_get_the_same(
    chamber: Chamber, connection: asyncpg.Connection
) -> None:
    charts = asyncio.gather(*(chamber.chart(**wanted(500)) for _ in range(4)))
    found, _ = await asyncio.gather(charts, roll_up(connection, datetime.now(UTC)))
    expected = await plain(connection, chamber, found[0]["bucketSeconds"])
    assert [chart["columns"] for chart in found] == [expected] * 4


async def test_what_takes_too_long_for_one_request_is_answered_once_several_have_done_it(
    chamber: Chamber, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.domain.series.rollups._HOURS_OF_A_REQUEST", 300)
    monkeypatch.setattr("hortus.domain.series.catching_up._LONGEST_SECONDS", 0.001)
    url = f"/kits/{chamber.kit.serial}/series"
    waiting = [HOURS]
    while (answer := await chamber.api.client.get(url, headers=chamber.owner.headers)).status_code != 200:
        assert_problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
        assert "Try again in a moment" in answer.json()["detail"]
        waiting.append(await connection.fetchval(_WAITING, chamber.kit.id))
    assert waiting == [1200, 900, 600, 300, 0]


async def test_a_request_waits_no_longer_than_it_may_for_a_kit_that_another_works_on(
    chamber: Chamber, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.domain.series.catching_up._LONGEST_SECONDS", 0.2)
    url = f"/kits/{chamber.kit.serial}/series"
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('hortus rollups'), $1)", chamber.kit.id)
        assert_problem(await chamber.api.client.get(url, headers=chamber.owner.headers), 503)
    monkeypatch.undo()
    assert len(await chamber.series()) == 1


async def test_what_somebody_is_deleting_holds_up_no_answer(
    chamber: Chamber, connection: asyncpg.Connection
) -> None:
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM peripherals WHERE id = $1 FOR UPDATE", chamber.peripherals["Air"].id
        )
        chart = await chamber.chart(**wanted(500))
    assert chart["columns"] == await plain(connection, chamber, chart["bucketSeconds"])
