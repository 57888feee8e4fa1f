"""The species that ship with Hortus, in a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.plants.built_in_species import load_species

RANGES = """
SELECT s.id, s.name, q.physical_quantity, r.minimum, r.maximum
FROM species s JOIN species_ranges r ON r.species_id = s.id JOIN quantity_types q ON q.id = r.quantity_type_id
WHERE s.key IS NOT NULL ORDER BY s.id, q.physical_quantity
"""


@pytest.fixture
async def engine(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as opened:
        yield opened


async def rows(engine: AsyncEngine) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(RANGES))).all())


async def test_five_species_ship_and_air_and_soil_are_kept_apart(engine: AsyncEngine) -> None:
    found = await rows(engine)
    assert sorted({(row.id, row.name) for row in found}) == [
        (1, "Monstera"),
        (2, "Philodendron"),
        (3, "Calathea"),
        (4, "Aloe Vera"),
        (5, "Pothos"),
    ]
    assert [tuple(row) for row in found if row.name == "Aloe Vera"] == [
        (4, "Aloe Vera", "Humidity", 10.0, 30.0),
        (4, "Aloe Vera", "Light level", 700.0, 1500.0),
        (4, "Aloe Vera", "Soil moisture", 10.0, 30.0),
        (4, "Aloe Vera", "Temperature", 13.0, 27.0),
    ]


async def test_loading_again_changes_nothing_and_uses_up_no_id(engine: AsyncEngine) -> None:
    before = await rows(engine)
    async with engine.begin() as connection:
        stamp = await connection.scalar(text("SELECT max(updated_at) FROM species"))
        assert await load_species(connection) == 0
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT max(updated_at) FROM species")) == stamp
        new = "INSERT INTO species (name) VALUES ('Basil') RETURNING id"
        assert await connection.scalar(text(new)) == 6
    assert await rows(engine) == before


async def test_loading_mends_what_was_changed_and_leaves_own_species_alone(engine: AsyncEngine) -> None:
    before = await rows(engine)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO species (name) VALUES ('Monstera')"))
        await connection.execute(text("UPDATE species SET description = 'gone' WHERE id = 2"))
        await connection.execute(text("UPDATE species_ranges SET maximum = 1 + maximum WHERE species_id = 1"))
        await connection.execute(text("DELETE FROM species WHERE id = 5"))
    async with engine.begin() as connection:
        assert await load_species(connection) == 1
        described = "SELECT count(*) FROM species WHERE description <> ''"
        assert await connection.scalar(text(described)) == 5
    assert [tuple(row)[1:] for row in await rows(engine)] == [tuple(row)[1:] for row in before]
