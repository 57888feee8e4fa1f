"""Withdrawing alerts that are no longer judged: plant unlinked, range removed, or alerts switched off."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.domain.alerts.announcements import announce
from hortus.domain.alerts.judged_quantities import QUANTITIES_OF_PLANTS

_WITHDRAW = text(
    f"""
    WITH gone AS (
        UPDATE alerts AS a SET over_at = now(), ending = 'withdrawn'
        WHERE a.over_at IS NULL AND a.kind = 'range'
          AND (CAST(:plant_id AS int) IS NULL OR a.plant_id = CAST(:plant_id AS int)) AND NOT EXISTS (
            SELECT 1 FROM ({QUANTITIES_OF_PLANTS}) AS q
            WHERE q.plant_id = a.plant_id AND q.quantity_type_id = a.quantity_type_id)
        RETURNING a.id, a.plant_id, a.quantity_type_id
    ), forgotten AS (
        DELETE FROM alert_states AS s USING gone
        WHERE s.plant_id = gone.plant_id AND s.quantity_type_id = gone.quantity_type_id
    )
    SELECT id FROM gone
    """  # noqa: S608  (built from our own constants)
)

_ANY_OPEN = text("SELECT EXISTS (SELECT 1 FROM alerts WHERE over_at IS NULL AND kind = 'range')")


async def withdraw_unjudged(engine: AsyncEngine) -> None:
    """End alerts that are no longer judged. A quantity that is judged again later starts without a state."""
    async with engine.begin() as connection:
        if await connection.scalar(_ANY_OPEN):
            await withdraw_alerts(connection)


async def withdraw_alerts(connection: AsyncConnection, plant_id: int | None = None) -> None:
    """Withdraw the alerts of one plant, or of all plants, in the caller's transaction."""
    gone = await connection.execute(_WITHDRAW, {"plant_id": plant_id})
    for alert_id in gone.scalars().all():
        await announce(connection, "over", alert_id)
