"""Alerts as users see them, one by one and in lists, and who may do something about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

_ALERTS = """
    SELECT a.id, a.kind, a.condition, a.value, a.minimum, a.maximum, a.began_at, a.opened_at, a.seen_at,
           a.over_at, a.ending, a.message_accepted_at, a.snoozed_at, a.snoozed_until,
           a.plant_id, plant.name AS plant_name,
           kit.serial AS kit_serial, kit.name AS kit_name, a.quantity_type_id,
           quantity.physical_quantity, quantity.physical_unit, quantity.physical_unit_symbol
    FROM alerts AS a
    JOIN kits AS kit ON kit.id = a.kit_id
    LEFT JOIN plants AS plant ON plant.id = a.plant_id
    LEFT JOIN quantity_types AS quantity ON quantity.id = a.quantity_type_id
    WHERE (CAST(:before AS bigint) IS NULL OR a.id < CAST(:before AS bigint))
      AND (NOT :open_only OR a.over_at IS NULL)
"""

# Those from kits that the user is a member of, and about the user's plants at other kits as long as these are
# public. Members see a plant only as long as one of their kits measures it, not once it was moved away.
CONCERNS = """
    ((EXISTS (SELECT 1 FROM kit_memberships AS m WHERE m.kit_id = a.kit_id AND m.user_id = :user_id)
      AND (a.plant_id IS NULL OR plant.owner_id = :user_id
           OR EXISTS (SELECT 1 FROM users WHERE id = :user_id AND is_admin)
           OR EXISTS (
               SELECT 1 FROM plant_links AS link JOIN kits AS its_kit ON its_kit.id = link.kit_id
               LEFT JOIN kit_memberships AS mine ON mine.kit_id = its_kit.id AND mine.user_id = :user_id
               WHERE link.plant_id = a.plant_id AND link.linked_until IS NULL
                 AND (mine.user_id IS NOT NULL OR its_kit.privacy_public_dashboard))))
     OR ((kit.privacy_public_dashboard OR EXISTS (SELECT 1 FROM users WHERE id = :user_id AND is_admin))
         AND (plant.owner_id = :user_id OR (a.plant_id IS NULL AND EXISTS (
             SELECT 1 FROM plant_links AS link JOIN plants AS other ON other.id = link.plant_id
             WHERE link.kit_id = a.kit_id AND link.linked_until IS NULL AND other.owner_id = :user_id)))))
"""
"""SQL for whether the alert `a`, of `kit` and `plant`, concerns the user `:user_id`."""

_NEWEST_FIRST = "ORDER BY a.id DESC LIMIT :most"

_OF_PERSON = text(f"{_ALERTS} AND {CONCERNS} {_NEWEST_FIRST}")
_OF_PLANT = text(f"{_ALERTS} AND a.plant_id = :plant_id AND a.kit_id = ANY(:kit_ids) {_NEWEST_FIRST}")
_ONE_OF_PERSON = text(f"{_ALERTS} AND {CONCERNS} AND a.id = :alert_id")

_SOME_OF_PERSON = text(f"{_ALERTS} AND {CONCERNS} AND a.id = ANY(:alert_ids)")


async def alerts_of_person(
    connection: AsyncConnection, user_id: int, *, open_only: bool, before: int | None, most: int
) -> Sequence[RowMapping]:
    """Return alerts that concern a user, newest first, with ids below `before`."""
    parameters = {"user_id": user_id, "open_only": open_only, "before": before, "most": most}
    return (await connection.execute(_OF_PERSON, parameters)).mappings().all()


async def alerts_of_plant(
    connection: AsyncConnection,
    plant_id: int,
    kit_ids: Collection[int],
    *,
    open_only: bool,
    before: int | None,
    most: int,
) -> Sequence[RowMapping]:
    """Return alerts of a plant that these kits measured, newest first, with ids below `before`."""
    parameters = {
        "plant_id": plant_id,
        "kit_ids": list(kit_ids),
        "open_only": open_only,
        "before": before,
        "most": most,
    }
    return (await connection.execute(_OF_PLANT, parameters)).mappings().all()


async def concerning(connection: AsyncConnection, user_id: int, alert_ids: Collection[int]) -> set[int]:
    """Return which of these alerts concern the user, who may therefore mark them as seen."""
    parameters = {"user_id": user_id, "alert_ids": list(alert_ids), "open_only": False, "before": None}
    return {row.id for row in await connection.execute(_SOME_OF_PERSON, parameters)}


async def alert_of_person(connection: AsyncConnection, user_id: int, alert_id: int) -> RowMapping | None:
    """Return an alert, or None if there is none with this id that concerns the user."""
    parameters = {"user_id": user_id, "alert_id": alert_id, "open_only": False, "before": None}
    return (await connection.execute(_ONE_OF_PERSON, parameters)).mappings().one_or_none()
