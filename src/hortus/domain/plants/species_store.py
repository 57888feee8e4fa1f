"""Species in the database: those that ship with Hortus, and those that users add."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, false, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.base.quotas import DEFAULT_QUOTAS
from hortus.domain.accounts.room import require_room
from hortus.domain.definitions.tables import QuantityTypeRow
from hortus.domain.plants.rules import BrokenPlantRule, InvalidPlant, require_valid
from hortus.domain.plants.state import Range
from hortus.domain.plants.tables import PlantRow, SpeciesRangeRow, SpeciesRow
from hortus.domain.plants.target_history import note_targets_of_species

_NO_PATTERNS = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


class SpeciesInUse(UsageError):
    """A species cannot be deleted while plants refer to it: they would lose their ranges."""

    def __init__(self) -> None:
        super().__init__("Some plants are of this species. Choose another species for them, or delete them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """A kind of plant with its ranges by quantity type. `owner_id` is None for built-in ones."""

    id: int
    key: str | None
    owner_id: int | None
    name: str
    description: str
    image: str | None
    created_at: datetime
    updated_at: datetime
    scientific_name: str | None
    sources: str
    ranges: Mapping[int, Range]

    @property
    def is_built_in(self) -> bool:
        """Whether it ships with Hortus; built-in species cannot be changed."""
        return self.key is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSpecies:
    """A species to create."""

    name: str
    description: str = ""
    image: str | None = None
    scientific_name: str | None = None
    sources: str = ""
    ranges: Mapping[int, Range]


async def list_species(
    connection: AsyncConnection, user_id: int | None, *, after: int | None = None, most: int
) -> list[Species]:
    """Return the built-in species and the user's own, ordered by id, with ids above `after`."""
    statement = _SPECIES.where(visible_species(user_id)).limit(most)
    if after is not None:
        statement = statement.where(SpeciesRow.id > after)
    return await _read(connection, statement)


async def search_species(
    connection: AsyncConnection, user_id: int | None, part: str, most: int
) -> list[Species]:
    """Return species that the user may use by a part of their common or scientific name, ordered by name."""
    pattern = f"%{part.translate(_NO_PATTERNS)}%"
    statement = (
        _SPECIES.order_by(None)
        .where(
            visible_species(user_id),
            or_(SpeciesRow.name.ilike(pattern), SpeciesRow.scientific_name.ilike(pattern)),
        )
        .order_by(func.lower(SpeciesRow.name), SpeciesRow.id)
        .limit(most)
    )
    return await _read(connection, statement)


async def plants_of_species(connection: AsyncConnection, species_id: int) -> int:
    """Return how many plants, of all users, are of this species."""
    statement = select(func.count()).where(PlantRow.species_id == species_id)
    return int(await connection.scalar(statement) or 0)


async def list_all_species(connection: AsyncConnection) -> list[Species]:
    """Return the species of all users, for the operator."""
    return await _read(connection, _SPECIES)


async def find_species(connection: AsyncConnection, species_id: int) -> Species | None:
    """Return the species with this id, or None."""
    found = await _read(connection, _SPECIES.where(SpeciesRow.id == species_id))
    return found[0] if found else None


async def find_many_species(connection: AsyncConnection, species_ids: Collection[int]) -> dict[int, Species]:
    """Return the species with these ids that exist, by id."""
    if not species_ids:
        return {}
    found = await _read(connection, _SPECIES.where(SpeciesRow.id.in_(species_ids)))
    return {species.id: species for species in found}


def visible_species(user_id: int | None) -> ColumnElement[bool]:
    """Return the SQL condition for species that are built in or the user's own."""
    return or_(SpeciesRow.key.is_not(None), false() if user_id is None else SpeciesRow.owner_id == user_id)


async def create_species(
    connection: AsyncConnection,
    owner_id: int,
    species: NewSpecies,
    most: int = DEFAULT_QUOTAS.species_per_person,
) -> int:
    """Create a species and return its id. The caller commits. Raises InvalidPlant or QuotaReached."""
    require_valid(
        name=species.name,
        description=species.description,
        image=species.image,
        scientific_name=species.scientific_name,
        sources=species.sources,
        ranges=species.ranges,
    )
    own = select(func.count()).where(SpeciesRow.owner_id == owner_id)
    await require_room(connection, owner_id, own, most, "species in your account")
    species_id: int | None = await connection.scalar(
        insert(SpeciesRow)
        .values(
            owner_id=owner_id,
            name=species.name,
            description=species.description,
            image=species.image,
            scientific_name=species.scientific_name,
            sources=species.sources,
        )
        .returning(SpeciesRow.id)
    )
    assert species_id is not None
    await _write_ranges(connection, species_id, species.ranges)
    return species_id


async def change_species(
    connection: AsyncConnection,
    species_id: int,
    values: Mapping[str, Any],
    ranges: Mapping[int, Range] | None = None,
) -> None:
    """Change name, description, image, scientific name or sources; `ranges`, if given, replaces all.

    The caller commits. Raises InvalidPlant.
    """
    require_valid(**values, ranges=ranges)
    # Always written, so that `updated_at` changes with the ranges, too.
    await connection.execute(
        update(SpeciesRow)
        .where(SpeciesRow.id == species_id)
        .values({"owner_id": SpeciesRow.owner_id, **values})
    )
    if ranges is not None:
        await connection.execute(delete(SpeciesRangeRow).where(SpeciesRangeRow.species_id == species_id))
        await _write_ranges(connection, species_id, ranges)
        await note_targets_of_species(connection, species_id)


async def delete_species(connection: AsyncConnection, species_id: int) -> None:
    """Delete a species. The caller commits. Raises SpeciesInUse."""
    try:
        async with connection.begin_nested():
            await connection.execute(delete(SpeciesRow).where(SpeciesRow.id == species_id))
    except IntegrityError as error:
        raise SpeciesInUse from error


async def ranges_of_species(
    connection: AsyncConnection, species_ids: Iterable[int]
) -> dict[int, dict[int, Range]]:
    """Return the ranges of these species, by quantity type."""
    rows = await connection.execute(
        select(SpeciesRangeRow.__table__).where(SpeciesRangeRow.species_id.in_(list(species_ids)))
    )
    ranges: dict[int, dict[int, Range]] = {}
    for row in rows:
        of_species = ranges.setdefault(row.species_id, {})
        of_species[row.quantity_type_id] = Range(minimum=row.minimum, maximum=row.maximum)
    return ranges


async def require_quantity_types(connection: AsyncConnection, field: str, wanted: Iterable[int]) -> None:
    """Check that these quantity types exist. Raises InvalidPlant."""
    missing = set(wanted)
    found = await connection.scalars(select(QuantityTypeRow.id).where(QuantityTypeRow.id.in_(missing)))
    missing -= set(found)
    if missing:
        listed = ", ".join(map(str, sorted(missing)))
        raise InvalidPlant(BrokenPlantRule(field=field, message=f"There is no quantity type {listed}."))


_SPECIES: Select[*tuple[Any, ...]] = select(SpeciesRow.__table__).order_by(SpeciesRow.id)


async def _read(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> list[Species]:
    rows = (await connection.execute(statement)).mappings().all()
    ranges = await ranges_of_species(connection, [row["id"] for row in rows])
    return [Species(**row, ranges=ranges.get(row["id"], {})) for row in rows]


async def _write_ranges(connection: AsyncConnection, species_id: int, ranges: Mapping[int, Range]) -> None:
    await require_quantity_types(connection, "ranges", ranges)
    if ranges:
        await connection.execute(
            insert(SpeciesRangeRow),
            [
                {
                    "species_id": species_id,
                    "quantity_type_id": quantity_type_id,
                    "minimum": each.minimum,
                    "maximum": each.maximum,
                }
                for quantity_type_id, each in ranges.items()
            ],
        )
