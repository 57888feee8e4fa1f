"""Plants in the database: creating, changing and listing them. Access is checked by the callers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.quotas import DEFAULT_QUOTAS
from hortus.domain.accounts.room import require_room
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.tables import KitMembershipRow
from hortus.domain.plants.rules import require_valid, require_valid_range
from hortus.domain.plants.species_store import require_quantity_types
from hortus.domain.plants.state import Range
from hortus.domain.plants.tables import (
    PlantLinkRow,
    PlantPhotoRow,
    PlantRangeRow,
    PlantRow,
    SpeciesRow,
)
from hortus.domain.plants.target_history import note_targets_of_plant


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A plant. `photo_digest` is None without an uploaded photo; `image` is the name or URL a client set."""

    id: int
    name: str
    remark: str
    image: str | None
    owner_id: int | None
    owner_username: str | None
    species_id: int | None
    species_name: str | None
    photo_digest: str | None
    created_at: datetime
    updated_at: datetime


async def find_plant(connection: AsyncConnection, plant_id: int) -> Plant | None:
    """Return the plant with this id, or None."""
    found = await _read(connection, _PLANTS.where(PlantRow.id == plant_id))
    return found[0] if found else None


async def find_plants(connection: AsyncConnection, plant_ids: Collection[int]) -> list[Plant]:
    """Return the plants with these ids that exist, ordered by id."""
    return await _read(connection, _PLANTS.where(PlantRow.id.in_(plant_ids)).order_by(PlantRow.id))


async def list_plants_of_user(
    connection: AsyncConnection, user_id: int, *, after: int | None = None, most: int
) -> list[Plant]:
    """Return the plants that the user owns, or that one of their kits measures, ordered by id."""
    through_kit = (
        select(PlantLinkRow.plant_id)
        .join(KitMembershipRow, KitMembershipRow.kit_id == PlantLinkRow.kit_id)
        .where(KitMembershipRow.user_id == user_id, PlantLinkRow.linked_until.is_(None))
    )
    condition = or_(PlantRow.owner_id == user_id, PlantRow.id.in_(through_kit))
    return await _read(connection, _page(condition, after, most))


async def list_plants_owned(
    connection: AsyncConnection, owner_id: int, *, after: int | None = None, most: int
) -> list[Plant]:
    """Return the plants of an owner, ordered by id."""
    return await _read(connection, _page(PlantRow.owner_id == owner_id, after, most))


async def list_plants_of_kit(
    connection: AsyncConnection, kit_id: int, *, after: int | None = None, most: int
) -> list[Plant]:
    """Return the plants that a kit currently measures, ordered by id."""
    linked = select(PlantLinkRow.plant_id).where(
        PlantLinkRow.kit_id == kit_id, PlantLinkRow.linked_until.is_(None)
    )
    return await _read(connection, _page(PlantRow.id.in_(linked), after, most))


async def list_all_plants(
    connection: AsyncConnection, *, after: int | None = None, most: int | None = None
) -> list[Plant]:
    """Return the plants of all users, ordered by id: for the operator, and for judging all of them."""
    return await _read(connection, _page(None, after, most))


async def create_plant(
    connection: AsyncConnection,
    owner_id: int,
    *,
    name: str,
    remark: str = "",
    image: str | None = None,
    species_id: int | None = None,
    most: int = DEFAULT_QUOTAS.plants_per_person,
) -> int:
    """Create a plant, of an existing species if any; return its id. The caller commits.

    Raises InvalidPlant or QuotaReached.
    """
    require_valid(name=name, remark=remark, image=image)
    own = select(func.count()).where(PlantRow.owner_id == owner_id)
    await require_room(connection, owner_id, own, most, "plants in your account")
    plant_id: int | None = await connection.scalar(
        insert(PlantRow)
        .values(owner_id=owner_id, name=name, remark=remark, image=image, species_id=species_id)
        .returning(PlantRow.id)
    )
    assert plant_id is not None
    await note_targets_of_plant(connection, plant_id)
    return plant_id


async def change_plant(connection: AsyncConnection, plant_id: int, values: Mapping[str, Any]) -> None:
    """Change name, remark, image or (existing) species. The caller commits. Raises InvalidPlant."""
    require_valid(**{key: value for key, value in values.items() if key != "species_id"})
    if values:
        await connection.execute(update(PlantRow).where(PlantRow.id == plant_id).values(dict(values)))
    if "species_id" in values:
        await note_targets_of_plant(connection, plant_id)


async def delete_plant(connection: AsyncConnection, plant_id: int) -> None:
    """Delete a plant with its links and its photo. Readings belong to kits and stay. The caller commits."""
    await connection.execute(delete(PlantRow).where(PlantRow.id == plant_id))


async def set_plant_range(
    connection: AsyncConnection, plant_id: int, quantity_type_id: int, own: Range
) -> None:
    """Set a plant's own range; a range without bounds means that the quantity is not judged.

    The caller commits. Raises InvalidPlant.
    """
    require_valid_range(own)
    await require_quantity_types(connection, "quantityTypeId", [quantity_type_id])
    statement = postgresql.insert(PlantRangeRow).values(
        plant_id=plant_id, quantity_type_id=quantity_type_id, minimum=own.minimum, maximum=own.maximum
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["plant_id", "quantity_type_id"],
            set_={"minimum": statement.excluded.minimum, "maximum": statement.excluded.maximum},
        )
    )
    await note_targets_of_plant(connection, plant_id)


async def unset_plant_range(connection: AsyncConnection, plant_id: int, quantity_type_id: int) -> bool:
    """Delete a plant's own range, so that the species' applies again; return whether it had one.

    The caller commits.
    """
    deleted = await connection.execute(
        delete(PlantRangeRow).where(
            PlantRangeRow.plant_id == plant_id, PlantRangeRow.quantity_type_id == quantity_type_id
        )
    )
    await note_targets_of_plant(connection, plant_id)
    return deleted.rowcount > 0


async def own_ranges(connection: AsyncConnection, plant_ids: Collection[int]) -> dict[int, dict[int, Range]]:
    """Return the plants' own ranges, by plant and quantity type."""
    rows = await connection.execute(
        select(PlantRangeRow.__table__).where(PlantRangeRow.plant_id.in_(plant_ids))
    )
    ranges: dict[int, dict[int, Range]] = {}
    for row in rows:
        of_plant = ranges.setdefault(row.plant_id, {})
        of_plant[row.quantity_type_id] = Range(minimum=row.minimum, maximum=row.maximum)
    return ranges


async def lock_plant(connection: AsyncConnection, plant_id: int) -> bool:
    """Lock the plant until the transaction ends; return whether it still exists."""
    statement = select(PlantRow.id).where(PlantRow.id == plant_id).with_for_update()
    return await connection.scalar(statement) is not None


_PLANTS: Select[*tuple[Any, ...]] = (
    select(
        PlantRow.id,
        PlantRow.name,
        PlantRow.remark,
        PlantRow.image,
        PlantRow.owner_id,
        UserRow.username.label("owner_username"),
        PlantRow.species_id,
        SpeciesRow.name.label("species_name"),
        PlantPhotoRow.digest.label("photo_digest"),
        PlantRow.created_at,
        PlantRow.updated_at,
    )
    .outerjoin(UserRow, UserRow.id == PlantRow.owner_id)
    .outerjoin(SpeciesRow, SpeciesRow.id == PlantRow.species_id)
    .outerjoin(PlantPhotoRow, PlantPhotoRow.plant_id == PlantRow.id)
)


def _page(
    condition: ColumnElement[bool] | None, after: int | None, most: int | None
) -> Select[*tuple[Any, ...]]:
    statement = _PLANTS.order_by(PlantRow.id).limit(most)
    if condition is not None:
        statement = statement.where(condition)
    return statement if after is None else statement.where(PlantRow.id > after)


async def _read(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> list[Plant]:
    return [Plant(**row) for row in (await connection.execute(statement)).mappings()]
