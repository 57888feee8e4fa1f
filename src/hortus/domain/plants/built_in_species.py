"""The species that ship with Hortus, loaded into the database by each new version.

Ranges are those of PlantKeeper's seed data (plantkeeper 4.8). Its humidity is that of the air. Soil moisture,
which its boards measure, was noted there on a scale from 1 to 10; here it is ten times that.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, cast

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.definitions.store import quantity_type_ids_by_key
from hortus.domain.plants.tables import SpeciesRangeRow, SpeciesRow
from hortus.domain.plants.target_history import note_targets_of_species


def built_in_species() -> list[dict[str, Any]]:
    """Return the species that ship with Hortus, in the order in which they get their ids."""
    text = (resources.files("hortus.domain.plants") / "species.json").read_text("utf-8")
    return cast("list[dict[str, Any]]", json.loads(text))


async def load_species(connection: AsyncConnection) -> int:
    """Insert missing built-in species and update the others; return how many were added.

    The definitions must be loaded first. The caller commits. Several processes may do so at once.
    """
    quantity_type_ids = await quantity_type_ids_by_key(connection)
    known = {
        row.key: row.id
        for row in await connection.execute(
            select(SpeciesRow.key, SpeciesRow.id).where(SpeciesRow.key.is_not(None))
        )
    }
    added = 0
    for species in built_in_species():
        columns = {
            name: species[name]
            for name in ("key", "name", "scientific_name", "description", "image", "sources")
        }
        species_id = known.get(species["key"])
        if species_id is None:
            # Existing species are not inserted again: even a conflicting insert would use up an id.
            species_id = await connection.scalar(
                insert(SpeciesRow)
                .values(columns)
                .on_conflict_do_update(index_elements=["key"], set_={"name": species["name"]})
                .returning(SpeciesRow.id)
            )
            added += 1
        else:
            await _update_if_changed(connection, species_id, columns)
        assert species_id is not None
        await _write_ranges(connection, species_id, species["ranges"], quantity_type_ids)
        await note_targets_of_species(connection, species_id)
    return added


async def _update_if_changed(connection: AsyncConnection, species_id: int, columns: dict[str, Any]) -> None:
    differs = or_(*(getattr(SpeciesRow, name).is_distinct_from(value) for name, value in columns.items()))
    await connection.execute(update(SpeciesRow).where(SpeciesRow.id == species_id, differs).values(columns))


async def _write_ranges(
    connection: AsyncConnection,
    species_id: int,
    ranges: list[dict[str, Any]],
    quantity_type_ids: dict[tuple[str, str], int],
) -> None:
    wanted = {
        quantity_type_ids[each["physicalQuantity"], each["physicalUnit"]]: (each["minimum"], each["maximum"])
        for each in ranges
    }
    await connection.execute(
        delete(SpeciesRangeRow).where(
            SpeciesRangeRow.species_id == species_id, SpeciesRangeRow.quantity_type_id.not_in(wanted)
        )
    )
    for quantity_type_id, (minimum, maximum) in wanted.items():
        statement = insert(SpeciesRangeRow).values(
            species_id=species_id, quantity_type_id=quantity_type_id, minimum=minimum, maximum=maximum
        )
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["species_id", "quantity_type_id"],
                set_={"minimum": statement.excluded.minimum, "maximum": statement.excluded.maximum},
            )
        )
