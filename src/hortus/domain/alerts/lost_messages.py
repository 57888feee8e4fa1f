"""Alerts whose queued messages were deleted, together with their service or their recipient's account.

The outcome of a deleted message is never reported, so the alert would otherwise wait for it, and stay silent,
for ever.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# A message and its `message_waiting` flag are written in one transaction, and so are its outcome and the flag.
_FORGET_OF_STATES = text(
    """
    UPDATE alert_states AS s SET message_waiting = false
    WHERE s.message_waiting AND NOT EXISTS (
        SELECT 1 FROM messages AS message JOIN alerts AS a ON a.id = message.alert_id
        WHERE message.state = 'waiting' AND message.kind = 'alert'
          AND a.plant_id = s.plant_id AND a.quantity_type_id = s.quantity_type_id)
    """
)

_FORGET_OF_ALERTS = text(
    """
    UPDATE alerts AS a SET message_waiting = false
    WHERE a.message_waiting AND a.over_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM messages AS message
        WHERE message.state = 'waiting' AND message.kind = 'alert' AND message.alert_id = a.id)
    """
)


async def forget_lost_messages(engine: AsyncEngine) -> None:
    """Allow the alerts whose queued messages were deleted to request a message again."""
    async with engine.begin() as connection:
        await connection.execute(_FORGET_OF_STATES)
        await connection.execute(_FORGET_OF_ALERTS)
