"""The recipients of messages about alerts: only users who may see the kit that measured."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.messages.channels import Reachable, find_reachable

_WHO_MAY_SEE = """
    SELECT u.id, m.access_super, u.is_admin, coalesce(p.of_shared_kits, false) AS of_shared_kits,
           coalesce(p.when_silent, true) AS when_silent, m.user_id IS NOT NULL AS is_member,
           m.user_id IS NOT NULL OR u.is_admin OR k.privacy_public_dashboard AS may_see
    FROM users AS u
    JOIN kits AS k ON k.id = :kit_id
    LEFT JOIN kit_memberships AS m ON m.user_id = u.id AND m.kit_id = k.id
    LEFT JOIN notification_preferences AS p ON p.user_id = u.id
"""

_OF_PLANT = text(
    f"""
    SELECT id FROM ({_WHO_MAY_SEE}
        WHERE m.user_id IS NOT NULL OR u.id = (SELECT owner_id FROM plants WHERE id = :plant_id)) AS people
    WHERE may_see AND (
        id = (SELECT owner_id FROM plants WHERE id = :plant_id) OR (is_member AND of_shared_kits))
    """  # noqa: S608  (built from our own constants)
)

_OF_KIT = text(
    f"""
    WITH owners AS (
        SELECT plant.owner_id FROM plants AS plant JOIN plant_links AS link ON link.plant_id = plant.id
        WHERE link.kit_id = :kit_id AND link.linked_until IS NULL AND plant.owner_id IS NOT NULL)
    SELECT id FROM ({_WHO_MAY_SEE}
        WHERE m.user_id IS NOT NULL OR u.id IN (SELECT owner_id FROM owners)) AS people
    WHERE may_see AND when_silent AND (
        access_super OR id IN (SELECT owner_id FROM owners) OR (is_member AND of_shared_kits))
    """  # noqa: S608  (built from our own constants)
)


async def told_of_plant(connection: AsyncConnection, plant_id: int, kit_id: int) -> list[Reachable]:
    """Return the recipients for a plant that this kit measures: its owner, and members who asked for it."""
    found = await connection.execute(_OF_PLANT, {"plant_id": plant_id, "kit_id": kit_id})
    return list((await find_reachable(connection, list(found.scalars()))).values())


async def told_of_kit(connection: AsyncConnection, kit_id: int) -> list[Reachable]:
    """Return the recipients for a silent kit.

    These are members with full access, owners of plants linked to it, and members who asked for it; only those
    who have not switched off such messages.
    """
    found = await connection.execute(_OF_KIT, {"kit_id": kit_id})
    return list((await find_reachable(connection, list(found.scalars()))).values())
