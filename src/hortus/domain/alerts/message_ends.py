"""Recording the outcome of messages about alerts: accepted (the pause starts) or given up (retried later)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.alerts.judging import AGAIN_AFTER_GIVING_UP

SILENCE_PAUSE_SECONDS = 43_200
"""The pause between two messages about the same silent kit."""

_SETTLE = text(
    """
    WITH alert AS (
        SELECT a.id, a.plant_id, a.quantity_type_id, CASE WHEN :accepted
            THEN now() + coalesce(setting.pause_seconds, :silence_pause_seconds) * interval '1 second'
            ELSE now() + :again_seconds * interval '1 second' END AS quiet_until
        FROM messages AS message JOIN alerts AS a ON a.id = message.alert_id
        LEFT JOIN plant_alert_settings AS setting ON setting.plant_id = a.plant_id
        WHERE message.id = :message_id AND message.kind = 'alert'
          -- Several ways to several people: one that was accepted counts, and failures only when all failed.
          AND (:accepted OR NOT EXISTS (
              SELECT 1 FROM messages AS other
              WHERE other.alert_id = a.id AND other.id <> message.id AND other.kind = 'alert'
                AND (other.state = 'waiting' OR (
                    other.state = 'accepted' AND other.created_at >= message.created_at))))
    ), told AS (
        UPDATE alerts SET message_waiting = false, quiet_until = alert.quiet_until,
            message_accepted_at = CASE WHEN :accepted THEN now() ELSE message_accepted_at END
        FROM alert WHERE alerts.id = alert.id
    )
    UPDATE alert_states AS s SET message_waiting = false, quiet_until = alert.quiet_until
    FROM alert WHERE s.plant_id = alert.plant_id AND s.quantity_type_id = alert.quantity_type_id
    """
)


async def note_message_end(connection: AsyncConnection, message_id: UUID, accepted: bool) -> None:
    """Record the outcome on the alert, in the same transaction as on the message."""
    await connection.execute(
        _SETTLE,
        {
            "message_id": message_id,
            "accepted": accepted,
            "silence_pause_seconds": SILENCE_PAUSE_SECONDS,
            "again_seconds": AGAIN_AFTER_GIVING_UP.total_seconds(),
        },
    )
