"""Deleting an account, and what becomes of its kits and plants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from hortus.base.database.access_changes import announce_user_access
from hortus.base.errors import UsageError
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.tables import KitMembershipRow, KitRow
from hortus.domain.plants.tables import PlantLinkRow, PlantRow, SpeciesRow

_IS_NOT_MEASURED = PlantRow.id.not_in(select(PlantLinkRow.plant_id).where(PlantLinkRow.linked_until.is_(None)))


class SharesKits(UsageError):
    """The account cannot be deleted because kits shared with others depend on it."""

    def __init__(self, serials: Sequence[str]) -> None:
        super().__init__(
            f"No other member has full access to the shared kit {', '.join(serials)}. Give it to another "
            "member, or delete the kit, first."
        )
        self.serials = serials


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What becomes of the things of a person whose account is deleted. Kits are named by their serials."""

    plants_deleted: int
    plants_kept: int
    kits_without_members: Sequence[str]
    species_kept: int


async def what_deletion_costs(connection: AsyncConnection, user_id: int) -> Departure:
    """Return what `delete_account` would delete and keep. Raises SharesKits, as it does."""
    await _require_no_dependent_kits(connection, user_id)
    own_plants = select(func.count()).select_from(PlantRow).where(PlantRow.owner_id == user_id)
    others = aliased(KitMembershipRow)
    lonely_kits = (
        select(KitRow.serial)
        .join(KitMembershipRow, KitMembershipRow.kit_id == KitRow.id)
        .where(
            KitMembershipRow.user_id == user_id,
            ~exists().where(others.kit_id == KitRow.id, others.user_id != user_id),
        )
        .order_by(KitRow.id)
    )
    species = select(func.count()).select_from(SpeciesRow).where(SpeciesRow.owner_id == user_id)
    return Departure(
        plants_deleted=await _count(connection, own_plants.where(_IS_NOT_MEASURED)),
        plants_kept=await _count(connection, own_plants.where(~_IS_NOT_MEASURED)),
        kits_without_members=(await connection.scalars(lonely_kits)).all(),
        species_kept=await _count(connection, species),
    )


async def delete_account(connection: AsyncConnection, user_id: int) -> None:
    """Delete an account with its log-ins, keys and memberships. The caller commits. Raises SharesKits.

    Plants that a kit measures stay with the kit; others are deleted. Kits stay with their readings; those
    without another member are visible to administrators only.
    """
    await _require_no_dependent_kits(connection, user_id)
    await connection.execute(delete(PlantRow).where(PlantRow.owner_id == user_id, _IS_NOT_MEASURED))
    await connection.execute(delete(UserRow).where(UserRow.id == user_id))
    await announce_user_access(connection, user_id)


async def _require_no_dependent_kits(connection: AsyncConnection, user_id: int) -> None:
    serials = (await connection.scalars(_kits_that_depend_on(user_id))).all()
    if serials:
        raise SharesKits(serials)


async def _count(connection: AsyncConnection, statement: Select[int]) -> int:
    return int(await connection.scalar(statement) or 0)


def _kits_that_depend_on(user_id: int) -> Select[str]:
    """Return the serials of shared kits to which only this member has full access."""
    supers = aliased(KitMembershipRow)
    others = aliased(KitMembershipRow)
    return (
        select(KitRow.serial)
        .join(KitMembershipRow, KitMembershipRow.kit_id == KitRow.id)
        .where(
            KitMembershipRow.user_id == user_id,
            KitMembershipRow.access_super,
            exists().where(others.kit_id == KitRow.id, others.user_id != user_id),
            ~exists().where(supers.kit_id == KitRow.id, supers.user_id != user_id, supers.access_super),
        )
        .order_by(KitRow.id)
    )
