"""A database from before series: its readings are noted, so that the job rolls them up."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.base.database.url import DatabaseUrl
from hortus.flow.migrations.migrate import upgrade

BEFORE_SERIES = "20261122_gateway_boards"


def migrate_to_before_series(connection: Connection) -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(resources.files("hortus.flow.migrations")))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, BEFORE_SERIES)


async def test_hours_that_hold_readings_are_noted_by_the_migration(empty_database_url: str) -> None:
    async with open_engine(DatabaseUrl.parse(empty_database_url)) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(migrate_to_before_series)
        readings = await asyncpg.connect(empty_database_url)
        await ensure_partitions(readings, [Month(2026, 1), Month(2026, 2)])
        await readings.executemany(
            "INSERT INTO raw_measurements (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, "
            "quantity_type_id) VALUES ($1, 1.0, gen_random_uuid(), $2, 1, 1, 1)",
            [
                (datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), 1),
                (datetime(2026, 1, 31, 23, 0, 0, tzinfo=UTC), 1),
                (datetime(2026, 2, 1, 0, 0, 0, tzinfo=UTC), 1),
                (datetime(2026, 1, 31, 23, 30, 0, tzinfo=UTC), 2),
            ],
        )
        await upgrade(engine)
        noted = await readings.fetch("SELECT kit_id, hour FROM series_touched_hours ORDER BY kit_id, hour")
        await readings.close()
    assert [tuple(row) for row in noted] == [
        (1, datetime(2026, 1, 31, 23, tzinfo=UTC)),
        (1, datetime(2026, 2, 1, 0, tzinfo=UTC)),
        (2, datetime(2026, 1, 31, 23, tzinfo=UTC)),
    ]
