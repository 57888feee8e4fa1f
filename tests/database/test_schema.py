"""The schema: migrating produces what the models describe, and the database enforces its own rules."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from schema_dump import dump
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.base.database.url import DatabaseUrl
from hortus.domain.definitions.store import LoadedDefinitions, load_definitions
from hortus.flow.migrations.migrate import schema_state, upgrade
from hortus.flow.migrations.revision import HEAD, DatabaseIsNewer, DatabaseNotReady, require_current
from hortus.flow.migrations.schema import metadata
from hortus.flow.migrations.scripts import newest_revision


@pytest.fixture
async def engine(empty_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as opened:
        yield opened


async def test_migrating_an_empty_database_gives_exactly_what_the_models_describe(
    empty_database_url: str, engine: AsyncEngine
) -> None:
    await upgrade(engine)
    migrated = dump(empty_database_url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
        await connection.run_sync(metadata.create_all)
    created = dump(empty_database_url)
    assert "\n".join(difflib.unified_diff(sorted(migrated), sorted(created), n=0)) == ""
    assert any("CREATE TRIGGER kit_configurations_10_set_first_activated_at" in line for line in migrated)


async def test_upgrading_again_changes_nothing_and_partitions_are_no_difference(
    empty_database_url: str, engine: AsyncEngine
) -> None:
    await upgrade(engine)
    connection = await asyncpg.connect(empty_database_url)
    await ensure_partitions(connection, [Month(2024, 2)])
    await connection.close()
    await upgrade(engine)
    state = await schema_state(engine)
    assert state.is_current
    assert state.differences == ()


async def test_a_difference_between_database_and_models_is_named(engine: AsyncEngine) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE kits DROP COLUMN description"))
    state = await schema_state(engine)
    assert not state.is_current
    assert "description" in state.differences[0]


async def test_a_database_without_migrations_is_refused_with_an_explanation(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseNotReady, match="hortus db upgrade"):
        await require_current(engine)


async def test_a_database_of_a_newer_version_is_neither_used_nor_touched(engine: AsyncEngine) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '20990101_later'"))
    with pytest.raises(DatabaseIsNewer, match="newer version"):
        await require_current(engine)
    with pytest.raises(DatabaseIsNewer, match="newer version"):
        await upgrade(engine)


async def test_loading_the_definitions_again_adds_nothing_and_ids_follow_the_contract(
    engine: AsyncEngine,
) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        first = await load_definitions(connection)
        again = await load_definitions(connection)
        quantities = await connection.execute(
            text("SELECT id, physical_quantity FROM quantity_types ORDER BY id")
        )
    assert first == LoadedDefinitions(quantity_types=7, peripheral_definitions=16)
    assert again == LoadedDefinitions(quantity_types=0, peripheral_definitions=0)
    assert [tuple(row) for row in quantities] == [
        (1, "Temperature"),
        (2, "Pressure"),
        (3, "Humidity"),
        (4, "Concentration"),
        (5, "Light intensity"),
        (6, "Soil moisture"),
        (7, "Light level"),
    ]


async def test_a_configuration_stays_used_once_it_was_active_even_if_inserted_active(
    engine: AsyncEngine,
) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO kits (serial, password_hash) VALUES ('k-1', 'x')"))
        await connection.execute(
            text(
                "INSERT INTO kit_configurations"
                " (kit_id, controller_symbol_location, controller_symbol, control_rules, active)"
                " VALUES (1, 'a', 'b', '{}', true), (1, 'a', 'b', '{}', false)"
            )
        )
        await connection.execute(text("UPDATE kit_configurations SET active = false"))
        rows = await connection.execute(text("SELECT never_used FROM kit_configurations ORDER BY id"))
    assert [row.never_used for row in rows] == [False, True]


async def test_the_database_itself_refuses_a_ledger_that_does_not_add_up(engine: AsyncEngine) -> None:
    await upgrade(engine)
    async with engine.begin() as connection:
        with pytest.raises(Exception, match="adds_up"):
            await connection.execute(
                text(
                    "INSERT INTO ingest_ledger (kit_id, hour, stream, received, stored)"
                    " VALUES (1, now(), 'raw', 2, 1)"
                )
            )


async def test_partitions_are_made_once_by_any_number_of_writers(empty_database_url: str) -> None:
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as engine:
        await upgrade(engine)
    connections = [await asyncpg.connect(empty_database_url) for _ in range(4)]
    months = [Month(2025, 12), Month(2026, 1), Month(9999, 12)]
    await asyncio.gather(*(ensure_partitions(connection, months) for connection in connections))
    names = await connections[0].fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
        " WHERE c.relkind = 'r' ORDER BY 1"
    )
    for connection in connections:
        await connection.close()
    assert [row["name"] for row in names] == [
        "aggregate_measurements_y2025m12",
        "aggregate_measurements_y2026m01",
        "aggregate_measurements_y9999m12",
        "raw_measurements_y2025m12",
        "raw_measurements_y2026m01",
        "raw_measurements_y9999m12",
    ]


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), Month(2026, 12)),
        (datetime(2027, 1, 1, tzinfo=UTC), Month(2027, 1)),
        (datetime.fromisoformat("2027-01-01T00:30:00+01:00"), Month(2026, 12)),
    ],
)
def test_a_month_is_a_month_in_utc(moment: datetime, month: Month) -> None:
    assert Month.of(moment) == month


def test_months_follow_each_other_over_the_year() -> None:
    assert Month(2026, 12).later(1) == Month(2027, 1)
    assert Month(2026, 1).later(-1) == Month(2025, 12)
    assert Month(9999, 12).later(1) == Month(10_000, 1)
    assert Month(2026, 11).partition_of("raw_measurements") == "raw_measurements_y2026m11"


def test_the_revision_that_every_command_asks_for_is_the_newest_migration() -> None:
    assert newest_revision() == HEAD
