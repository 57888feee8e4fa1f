"""Alerts whose messages were deleted before they ended: with the service they were for, or with the person.

Nobody hears of such a message any more, so without this the alert would wait for it, and stay silent, for ever.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# A message and the note that one waits are written in one transaction, and so is how it ended.
_FORGET_OF_STATES = text(
    """
    UPDATE alert_states AS s SET message_waiting = false
    WHERE s.message_waiting AND NOT EXISTS (
        SELECT 1 FROM messages AS message JOIN alerts AS a ON a.id = message.alert_id
        WHERE message.state = 'waiting' AND a.plant_id = s.plant_id AND a.quantity_type_id = s.quantity_type_id)
    """
)

_FORGET_OF_ALERTS = text(
    """
    UPDATE alerts AS a SET message_waiting = false
    WHERE a.message_waiting AND a.over_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM messages AS message WHERE message.state = 'waiting' AND message.alert_id = a.id)
    """
)


async def forget_lost_messages(engine: AsyncEngine) -> None:
    """Let those alerts ask for a message again."""
    async with engine.begin() as connection:
        await connection.execute(_FORGET_OF_STATES)
        await connection.execute(_FORGET_OF_ALERTS)
