"""Upgrades of released databases: their migrations are frozen, and later ones keep all data."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from schema_dump import dump
from sqlalchemy import Connection, text

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.definitions.store import load_definitions
from hortus.domain.series.rechecking import recheck
from hortus.domain.series.rollups import roll_up
from hortus.flow.migrations.migrate import schema_state, upgrade
from hortus.flow.migrations.scripts import alembic_configuration

RELEASED = "20261122_media_retries"
SCHEMA = Path(__file__).with_name("released_schema_0_1_0.sql").read_text("utf-8")
ROWS = Path(__file__).with_name("released_rows_0_1_0.sql").read_text("utf-8")

Tables = dict[str, list[dict[str, Any]]]


def upgrade_to_released(connection: Connection) -> None:
    command.upgrade(alembic_configuration(connection), RELEASED)


async def all_rows(url: str) -> Tables:
    """Return the rows of all tables; those of partitions are under their parent table."""
    connection = await asyncpg.connect(url)
    await connection.set_type_codec("json", encoder=str, decoder=str, schema="pg_catalog")
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'alembic_version'"
    )
    rows = {
        table["relname"]: [dict(row) for row in await connection.fetch(f'SELECT * FROM "{table["relname"]}"')]
        for table in tables
    }
    await connection.close()
    return rows


def missing_rows(before: Tables, after: Tables) -> Tables:
    """Return the rows of `before` that `after` lacks, ignoring added columns and rows."""
    missing: Tables = {}
    for table, rows in before.items():
        kept = [{column: row[column] for column in rows[0]} for row in after[table]] if rows else []
        missing[table] = [row for row in rows if row not in kept]
    return {table: rows for table, rows in missing.items() if rows}


async def test_the_migrations_up_to_the_released_version_still_build_the_schema_it_was_released_with(
    empty_database_url: str,
) -> None:
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as engine, engine.connect() as connection:
        await connection.run_sync(upgrade_to_released)
        await connection.commit()
        migrated = dump(empty_database_url)
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
        await connection.commit()
    released = await asyncpg.connect(empty_database_url)
    await released.execute(SCHEMA)
    await released.close()
    assert "\n".join(difflib.unified_diff(dump(empty_database_url), migrated, n=0)) == ""


async def test_upgrading_a_database_of_the_released_version_keeps_every_row(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(SCHEMA)
    await connection.execute(ROWS)
    await connection.close()
    before = await all_rows(empty_database_url)
    assert len(before["raw_measurements"]) == 3
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as engine:
        await upgrade(engine)
        state = await schema_state(engine)
    assert state.is_current, state
    assert missing_rows(before, await all_rows(empty_database_url)) == {}


async def test_the_data_logger_of_a_released_database_gets_the_module_that_kits_have(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(SCHEMA)
    await connection.execute(
        "INSERT INTO peripheral_definitions (name, symbol_location, symbol, configuration_schema) "
        "VALUES ('Local data logger', 'peripheral', 'LocalDataLogger', '{}')"
    )
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as engine:
        await upgrade(engine)
    moved = await connection.fetchval("SELECT symbol_location FROM peripheral_definitions")
    await connection.close()
    assert moved == "astroplant_kit.peripheral"


async def test_implausible_readings_of_a_released_database_leave_its_rollups_by_the_job(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(SCHEMA)
    await connection.execute(ROWS)
    for table in ("quantity_types", "peripheral_definitions"):
        await connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)")
    # As the released version left them: 12:00 with an error value, 13:00 without, 14:00 with nothing else.
    await connection.execute(
        "DELETE FROM series_hours; DELETE FROM raw_measurements WHERE quantity_type_id = 1"
    )
    await connection.execute(
        """
        INSERT INTO raw_measurements
            (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
        VALUES ('2026-11-20 12:00Z', 19.5, gen_random_uuid(), 1, 2, 2, 1),
               ('2026-11-20 12:01Z', 327.67, gen_random_uuid(), 1, 2, 2, 1),
               ('2026-11-20 13:00Z', 20, gen_random_uuid(), 1, 2, 2, 1),
               ('2026-11-20 14:00Z', -127, gen_random_uuid(), 1, 2, 2, 1);
        INSERT INTO series_hours (hour, first_at, last_at, first_value, last_value, minimum, maximum, sum,
                                  count, peripheral_id, quantity_type_id, sealed)
        SELECT date_bin('1 hour', datetime, 'epoch'), min(datetime), max(datetime), min(value), max(value),
               min(value), max(value), sum(value), count(*), peripheral_id, quantity_type_id, false
        FROM raw_measurements WHERE quantity_type_id = 1 GROUP BY 1, peripheral_id, quantity_type_id;
        INSERT INTO series_days (day, first_at, last_at, first_value, last_value, minimum, maximum, sum, count,
                                 peripheral_id, quantity_type_id)
        SELECT '2026-11-20', min(first_at), max(last_at), 19.5, -127, min(minimum), max(maximum), sum(sum),
               sum(count), peripheral_id, quantity_type_id
        FROM series_hours GROUP BY peripheral_id, quantity_type_id
        """
    )
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as engine:
        await upgrade(engine)
        untouched = await connection.fetchval("SELECT count(*) FROM series_touched_hours")
        async with engine.begin() as loading:
            await load_definitions(loading)
    assert untouched == 0  # the migration reads no readings
    assert await recheck(connection) == 2
    noted = await connection.fetch("SELECT hour FROM series_touched_hours ORDER BY hour")
    assert [row["hour"].hour for row in noted] == [12, 14]
    await roll_up(connection, datetime(2026, 11, 30, tzinfo=UTC))
    hours = await connection.fetch(
        "SELECT count, maximum, implausible FROM series_hours WHERE quantity_type_id = 1 ORDER BY hour"
    )
    days = await connection.fetch(
        "SELECT count, minimum, maximum, implausible FROM series_days WHERE count > 1"
    )
    assert await connection.fetchval("SELECT count(*) FROM raw_measurements WHERE quantity_type_id = 1") == 4
    await connection.close()
    assert [tuple(row) for row in hours] == [(1, 19.5, 1), (1, 20.0, 0), (0, None, 1)]
    assert [tuple(row) for row in days] == [(2, 19.5, 20.0, 2)]
