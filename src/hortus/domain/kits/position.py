"""Where a kit stands, and how much of that strangers learn. Pure, but for finding whose kits are whose."""

from __future__ import annotations

from math import cos, radians

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.tables import KitMembershipRow

# A hundredth of a degree of latitude is 1.1 km everywhere.
_STEP_DEGREES = 0.01
_LEAST_COSINE = 0.02


def rounded_position(latitude: float, longitude: float) -> tuple[float, float]:
    """Return the nearest point of a grid whose points are about 1 km apart, in both directions.

    It is always the same for the same place, so that nobody learns more by asking often.
    """
    rounded = round(latitude, 2)
    step = _STEP_DEGREES / max(cos(radians(rounded)), _LEAST_COSINE)
    return rounded, max(-180.0, min(180.0, round(round(longitude / step) * step, 4)))


async def kits_of_member(connection: AsyncConnection, user_id: int | None) -> frozenset[int] | None:
    """Return the ids of the kits whose exact position this person learns; None stands for all kits."""
    if user_id is None:
        return frozenset()
    if await connection.scalar(select(UserRow.is_admin).where(UserRow.id == user_id)):
        return None
    ids = await connection.scalars(select(KitMembershipRow.kit_id).where(KitMembershipRow.user_id == user_id))
    return frozenset(ids)
