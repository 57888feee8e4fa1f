"""The rule in SQL and the rule in Python agree, for the same limits from the same table."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration
from hortus.domain.plausibility.fragments import (
    COLUMNS_OF_DOUBT,
    IS_IMPLAUSIBLE_AGGREGATE,
    ON_LIMITS,
    VERDICT,
    is_plausible,
    is_plausible_in,
    limits_where,
    supported_hours,
    supported_of_hours,
)
from hortus.domain.plausibility.limits import limits_of_peripherals
from hortus.domain.plausibility.marking import implausible_aggregates, implausible_readings
from hortus.domain.plausibility.rules import UNLIMITED, Limits, implausible_of_hour

START = datetime(2026, 3, 31, 22, tzinfo=UTC)
TEMPERATURE = 1

BY_ROWS = f"""
WITH {limits_where("p.kit_id = 1")}, found AS (
    SELECT {COLUMNS_OF_DOUBT}, m.id, m.datetime, {VERDICT} AS verdict
    FROM raw_measurements m LEFT JOIN limits l {ON_LIMITS}
), {supported_hours("found")}
SELECT f.id, {is_plausible("f")} AS plausible FROM found f
"""

BY_HOURS = f"""
WITH {limits_where("p.kit_id = 1")}, hours AS (
    SELECT DISTINCT date_bin('1 hour', datetime, 'epoch') AS hour FROM raw_measurements
), {supported_of_hours("hours")}
SELECT m.id, {is_plausible_in("t.hour")} AS plausible
FROM hours t
JOIN raw_measurements m ON m.datetime >= t.hour AND m.datetime < t.hour + interval '1 hour'
LEFT JOIN limits l {ON_LIMITS}
"""

AGGREGATES = f"""
WITH {limits_where("p.kit_id = 1")}
SELECT m.id, {IS_IMPLAUSIBLE_AGGREGATE} AS implausible
FROM aggregate_measurements m LEFT JOIN limits l {ON_LIMITS}
"""

# Whole numbers near each other, so that bounds, error values and their neighbours are met often.
numbers = st.integers(-6, 6).map(float) | st.sampled_from([-1e308, 1e308, 5e-324])
bounds = st.none() | st.integers(-6, 6).map(float)


@st.composite
def all_limits(draw: st.DrawFn) -> Limits:
    ends = [draw(bounds), draw(bounds)]
    if None not in ends:
        ends.sort()
    return Limits(
        minimum=ends[0],
        maximum=ends[1],
        error_values=dict.fromkeys(draw(st.lists(numbers, max_size=2, unique=True)), "means something"),
        lone_error_value=draw(bounds),
        lone_error_within=draw(st.integers(0, 3)),
        lone_error_meaning="means something else",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kit_url(module_database_url: str) -> str:
    """A database with one kit."""
    async with open_engine(DatabaseUrl.parse(module_database_url)) as engine, engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name="basil"))
        await add_standard_configuration(connection, kit.id)
    partitions = await asyncpg.connect(module_database_url)
    await ensure_partitions(partitions, [Month(2026, 3), Month(2026, 4)])
    await partitions.close()
    return module_database_url


@example(
    general=Limits(error_values={1e308: "means something"}),
    of_device=None,
    values=[],
    aggregates=[{"average": 1e308}],
)
@given(
    general=st.none() | all_limits(),
    of_device=st.none() | all_limits(),
    values=st.lists(st.tuples(st.integers(0, 3), numbers), max_size=12),
    aggregates=st.lists(
        st.dictionaries(st.sampled_from(["average", "minimum", "maximum", "count"]), numbers), max_size=4
    ),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_sql_and_python_mark_the_same_readings_and_aggregates(
    kit_url: str,
    general: Limits | None,
    of_device: Limits | None,
    values: list[tuple[int, float]],
    aggregates: list[dict[str, float]],
) -> None:
    async with open_engine(DatabaseUrl.parse(kit_url)) as engine, engine.connect() as connection:
        await connection.execute(text("DELETE FROM plausible_limits"))
        peripheral, definition = (
            await connection.execute(text("SELECT id, peripheral_definition_id FROM peripherals LIMIT 1"))
        ).one()
        for limits, definition_id in ((general, None), (of_device, definition)):
            if limits is not None:
                await connection.execute(_INSERT_LIMITS, _limits_row(limits, definition_id))
        stored = [
            {"id": uuid.uuid4(), "value": value, "at": START + timedelta(minutes=20 * hour), "p": peripheral}
            for hour, value in values
        ]
        if stored:
            await connection.execute(_INSERT_READING, stored)
        for figures in aggregates:
            row = {"id": uuid.uuid4(), "at": START, "p": peripheral, "values": orjson.dumps(figures).decode()}
            await connection.execute(_INSERT_AGGREGATE, row)

        found = await limits_of_peripherals(connection, [peripheral])
        expected_limits = of_device or general or UNLIMITED
        assert found.get((peripheral, TEMPERATURE), UNLIMITED).lone_error_value == (
            expected_limits.lone_error_value
        )
        hours: dict[int, list[uuid.UUID]] = {}
        by_id = {row["id"]: row["value"] for row in stored}
        for row in stored:
            hours.setdefault((row["at"] - START) // timedelta(hours=1), []).append(row["id"])
        expected = {}
        for ids in hours.values():
            marks = implausible_of_hour(expected_limits, [by_id[each] for each in ids])
            expected |= dict(zip(ids, marks, strict=True))

        for statement in (BY_ROWS, BY_HOURS):
            rows = await connection.execute(text(statement))
            assert {row.id: not row.plausible for row in rows} == expected
        rows = (await connection.execute(text("SELECT * FROM raw_measurements"))).mappings().all()
        marks = await implausible_readings(connection, rows)
        assert dict(zip((row["id"] for row in rows), marks, strict=True)) == expected

        rows = (await connection.execute(text("SELECT * FROM aggregate_measurements"))).mappings().all()
        marks = await implausible_aggregates(connection, rows)
        in_sql = {row.id: row.implausible for row in await connection.execute(text(AGGREGATES))}
        assert dict(zip((row["id"] for row in rows), marks, strict=True)) == in_sql
        await connection.rollback()


def _limits_row(limits: Limits, definition_id: int | None) -> dict[str, object]:
    return {
        "definition": definition_id,
        "minimum": limits.minimum,
        "maximum": limits.maximum,
        "values": list(limits.error_values),
        "meanings": list(limits.error_values.values()),
        "lone": limits.lone_error_value,
        "within": limits.lone_error_within,
        "meaning": limits.lone_error_meaning,
    }


_INSERT_LIMITS = text(
    "INSERT INTO plausible_limits (quantity_type_id, peripheral_definition_id, minimum, maximum, error_values, "
    "error_meanings, lone_error_value, lone_error_within, lone_error_meaning) VALUES "
    "(1, :definition, :minimum, :maximum, :values, :meanings, :lone, :within, :meaning)"
)
_INSERT_READING = text(
    "INSERT INTO raw_measurements (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, "
    "quantity_type_id) VALUES (:at, :value, :id, 1, :p, 1, 1)"
)
_INSERT_AGGREGATE = text(
    "INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id, "
    "kit_configuration_id, quantity_type_id, values) "
    "VALUES (:at, :at, :id, 1, :p, 1, 1, CAST(CAST(:values AS text) AS jsonb))"
)
