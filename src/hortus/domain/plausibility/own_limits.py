"""Limits that administrators set in place of the built-in ones. The caller commits.

A trigger has the rollups of what changed recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError


class WrongLimits(UsageError):
    """The limits allow nothing."""

    def __init__(self) -> None:
        super().__init__("The lower limit is above the upper one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLimits:
    """The limits of a quantity, in general (`device_id` is None) or measured by one kind of device."""

    quantity_type_id: int
    device_id: int | None
    device: str | None
    minimum: float | None
    maximum: float | None
    is_own: bool


async def list_limits(connection: AsyncConnection) -> Sequence[ListedLimits]:
    """Return all limits, those of quantities before those of devices."""
    return [ListedLimits(**row) for row in (await connection.execute(_LIST)).mappings()]


async def set_limits(
    connection: AsyncConnection,
    quantity_type_id: int,
    device_id: int | None,
    *,
    minimum: float | None,
    maximum: float | None,
) -> None:
    """Set limits of one's own; error values of the device stay as they are. Raises WrongLimits."""
    if minimum is not None and maximum is not None and minimum > maximum:
        raise WrongLimits
    await connection.execute(
        _SET_OF_QUANTITY if device_id is None else _SET_OF_DEVICE,
        {"type_id": quantity_type_id, "device_id": device_id, "minimum": minimum, "maximum": maximum},
    )


async def drop_own_limits(connection: AsyncConnection, quantity_type_id: int, device_id: int | None) -> None:
    """Remove limits of one's own. `load_limits` then brings back built-in ones."""
    await connection.execute(_DROP, {"type_id": quantity_type_id, "device_id": device_id})


_LIST = text(
    """
    SELECT l.quantity_type_id, l.peripheral_definition_id AS device_id, d.name AS device,
           l.minimum, l.maximum, l.is_own
    FROM plausible_limits l LEFT JOIN peripheral_definitions d ON d.id = l.peripheral_definition_id
    ORDER BY l.peripheral_definition_id NULLS FIRST, l.id
    """
)
_DEVICE = bindparam("device_id", type_=Integer())
_SET = """
    INSERT INTO plausible_limits AS l (quantity_type_id, peripheral_definition_id, minimum, maximum)
    VALUES (:type_id, :device_id, :minimum, :maximum)
    ON CONFLICT {key} DO UPDATE SET minimum = excluded.minimum, maximum = excluded.maximum, is_own = true
"""
_SET_OF_QUANTITY = text(
    _SET.format(key="(quantity_type_id) WHERE peripheral_definition_id IS NULL")
).bindparams(_DEVICE)
_SET_OF_DEVICE = text(_SET.format(key="(peripheral_definition_id, quantity_type_id)")).bindparams(_DEVICE)
_DROP = text(
    """
    DELETE FROM plausible_limits
    WHERE quantity_type_id = :type_id AND peripheral_definition_id IS NOT DISTINCT FROM :device_id AND is_own
    """
).bindparams(_DEVICE)
