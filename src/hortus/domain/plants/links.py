"""Links: which kits or single series measure a plant, and from when until when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.tables import KitMembershipRow, KitRow, PeripheralRow
from hortus.domain.plants.rules import (
    MOST_LINKS_PER_PLANT,
    MOST_PLANTS_PER_KIT,
    BrokenPlantRule,
    InvalidPlant,
    TooManyLinks,
)
from hortus.domain.plants.species_store import require_quantity_types
from hortus.domain.plants.tables import PlantLinkRow

_CLOCK_TOLERANCE = timedelta(minutes=5)


class AlreadyLinked(UsageError):
    """The same kit or series already measures the plant at that time."""

    def __init__(self) -> None:
        super().__init__("This kit or series is already linked to the plant at that time. End that link first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringSource:
    """The source of a plant's readings: a whole kit, or one of its series (peripheral name, quantity type)."""

    kit_id: int
    peripheral_name: str | None = None
    quantity_type_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantLink:
    """A period in which a source measured a plant. `until` is exclusive; None: it still does.

    `kit` has the columns that decide whether a caller may see the kit: `privacy_public_dashboard`, and the
    caller's `is_admin`, `access_super` and `access_configure` (None: not a member).
    """

    id: int
    plant_id: int
    source: MeasuringSource
    serial: str
    kit_name: str | None
    since: datetime
    until: datetime | None
    kit: RowMapping


async def links_of_plants(
    connection: AsyncConnection,
    plant_ids: Collection[int],
    caller_id: int | None = None,
    *,
    current_only: bool = False,
) -> dict[int, list[PlantLink]]:
    """Return the links of these plants by plant, oldest first, with the caller's access to each kit."""
    statement = _LINKS.where(PlantLinkRow.plant_id.in_(list(plant_ids)))
    if current_only:
        statement = statement.where(PlantLinkRow.linked_until.is_(None))
    links: dict[int, list[PlantLink]] = {plant_id: [] for plant_id in plant_ids}
    for row in (await connection.execute(statement, {"caller_id": caller_id})).mappings():
        links[row["plant_id"]].append(_link(row))
    return links


async def link_plant(
    connection: AsyncConnection, plant_id: int, source: MeasuringSource, *, since: datetime, now: datetime
) -> int:
    """Link a kit or series to the plant from `since` on; return the link's id.

    The caller has locked the plant, and commits. Raises AlreadyLinked, InvalidPlant or TooManyLinks.
    """
    if since > now + _CLOCK_TOLERANCE:
        raise InvalidPlant(BrokenPlantRule(field="from", message="A link must start now or in the past."))
    await _require_series(connection, source)
    await _require_few(connection, plant_id, source.kit_id)
    overlapping = select(PlantLinkRow.id).where(
        PlantLinkRow.plant_id == plant_id,
        _is_from(source),
        or_(PlantLinkRow.linked_until.is_(None), PlantLinkRow.linked_until > since),
    )
    if await connection.scalar(overlapping.limit(1)) is not None:
        raise AlreadyLinked
    link_id: int | None = await connection.scalar(
        insert(PlantLinkRow)
        .values(
            plant_id=plant_id,
            kit_id=source.kit_id,
            peripheral_name=source.peripheral_name,
            quantity_type_id=source.quantity_type_id,
            linked_from=since,
        )
        .returning(PlantLinkRow.id)
    )
    assert link_id is not None
    return link_id


async def end_link(connection: AsyncConnection, link: PlantLink, *, until: datetime, now: datetime) -> None:
    """End a link at `until`. The caller has locked the plant, and commits. Raises InvalidPlant."""
    if until > now + _CLOCK_TOLERANCE:
        raise InvalidPlant(BrokenPlantRule(field="until", message="A link must end now or in the past."))
    if until <= link.since:
        message = "A link must end after it started. Delete it if it was a mistake."
        raise InvalidPlant(BrokenPlantRule(field="until", message=message))
    if link.until is not None and until > link.until:
        message = "A link that has ended cannot be extended. Create a new one."
        raise InvalidPlant(BrokenPlantRule(field="until", message=message))
    await connection.execute(update(PlantLinkRow).where(PlantLinkRow.id == link.id).values(linked_until=until))


async def move_plant(
    connection: AsyncConnection,
    plant_id: int,
    links: Collection[PlantLink],
    source: MeasuringSource,
    *,
    moved_at: datetime,
    now: datetime,
) -> int:
    """End these links of a plant, and link it to another kit or series from then on; return the new link's id.

    The caller has locked the plant, and commits. Raises AlreadyLinked, InvalidPlant or TooManyLinks.
    """
    for link in links:
        await end_link(connection, link, until=moved_at, now=now)
    return await link_plant(connection, plant_id, source, since=moved_at, now=now)


async def delete_link(connection: AsyncConnection, link_id: int) -> None:
    """Delete a link that was a mistake, as if it had never existed. The caller commits."""
    await connection.execute(delete(PlantLinkRow).where(PlantLinkRow.id == link_id))


async def unlink_plant(
    connection: AsyncConnection, plant_id: int, *, now: datetime, kit_ids: Collection[int] | None = None
) -> None:
    """End all links of a plant, or only those to these kits. The caller has locked the plant, and commits."""
    condition = PlantLinkRow.plant_id == plant_id
    if kit_ids is not None:
        condition = and_(condition, PlantLinkRow.kit_id.in_(kit_ids))
    await _end_all(connection, condition, now)


async def unlink_kit(connection: AsyncConnection, kit_id: int, *, now: datetime) -> None:
    """End all links to a kit. The caller commits."""
    await _end_all(connection, PlantLinkRow.kit_id == kit_id, now)


async def _end_all(connection: AsyncConnection, condition: ColumnElement[bool], now: datetime) -> None:
    current = and_(condition, PlantLinkRow.linked_until.is_(None))
    # A link that starts now or later (by a clock ahead of ours) is deleted, since it never measured anything.
    await connection.execute(delete(PlantLinkRow).where(current, PlantLinkRow.linked_from >= now))
    await connection.execute(update(PlantLinkRow).where(current).values(linked_until=now))


async def _require_series(connection: AsyncConnection, source: MeasuringSource) -> None:
    if (source.peripheral_name is None) != (source.quantity_type_id is None):
        missing = "quantityTypeId" if source.quantity_type_id is None else "peripheralName"
        message = "Give both peripheralName and quantityTypeId for one series, or neither for the whole kit."
        raise InvalidPlant(BrokenPlantRule(field=missing, message=message))
    if source.quantity_type_id is None:
        return
    await require_quantity_types(connection, "quantityTypeId", [source.quantity_type_id])
    # In any configuration: a series outlives configurations.
    peripheral = select(PeripheralRow.id).where(
        PeripheralRow.kit_id == source.kit_id,
        PeripheralRow.name == source.peripheral_name,
        PeripheralRow.deleted_at.is_(None),
    )
    if await connection.scalar(peripheral.limit(1)) is None:
        message = f"The kit has no peripheral named {source.peripheral_name!r}."
        raise InvalidPlant(BrokenPlantRule(field="peripheralName", message=message))


async def _require_few(connection: AsyncConnection, plant_id: int, kit_id: int) -> None:
    links = select(func.count()).where(PlantLinkRow.plant_id == plant_id)
    if (await connection.scalar(links) or 0) >= MOST_LINKS_PER_PLANT:
        raise TooManyLinks(MOST_LINKS_PER_PLANT, "links of this plant")
    of_kit = (PlantLinkRow.kit_id == kit_id, PlantLinkRow.linked_until.is_(None))
    plants = select(func.count(PlantLinkRow.plant_id.distinct())).where(*of_kit)
    if (await connection.scalar(plants) or 0) >= MOST_PLANTS_PER_KIT:
        raise TooManyLinks(MOST_PLANTS_PER_KIT, "plants linked to this kit")


def _is_from(source: MeasuringSource) -> ColumnElement[bool]:
    return and_(
        PlantLinkRow.kit_id == source.kit_id,
        PlantLinkRow.peripheral_name.is_not_distinct_from(source.peripheral_name),
        PlantLinkRow.quantity_type_id.is_not_distinct_from(source.quantity_type_id),
    )


_LINKS: Select[*tuple[Any, ...]] = (
    select(
        PlantLinkRow.__table__,
        KitRow.serial,
        KitRow.name.label("kit_name"),
        KitRow.privacy_public_dashboard,
        UserRow.is_admin,
        KitMembershipRow.access_super,
        KitMembershipRow.access_configure,
    )
    .join(KitRow, KitRow.id == PlantLinkRow.kit_id)
    .outerjoin(UserRow, UserRow.id == bindparam("caller_id"))
    .outerjoin(
        KitMembershipRow,
        and_(KitMembershipRow.kit_id == KitRow.id, KitMembershipRow.user_id == UserRow.id),
    )
    .order_by(PlantLinkRow.linked_from, PlantLinkRow.id)
)


def _link(row: RowMapping) -> PlantLink:
    source = MeasuringSource(
        kit_id=row["kit_id"],
        peripheral_name=row["peripheral_name"],
        quantity_type_id=row["quantity_type_id"],
    )
    return PlantLink(
        id=row["id"],
        plant_id=row["plant_id"],
        source=source,
        serial=row["serial"],
        kit_name=row["kit_name"],
        since=row["linked_from"],
        until=row["linked_until"],
        kit=row,
    )
