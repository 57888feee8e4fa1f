"""What people do about an open alert: mark it as seen, or snooze it. Both stop reminders and can be undone.

A seen alert reminds nobody until it ends. A snoozed one reminds nobody until a time, or until a person ends the
snooze. Whoever an alert concerns may do so; it stays open until its cause is gone.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import TextClause, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.alerts.announcements import announce
from hortus.domain.alerts.store import alert_of_person, concerning

MOST_AT_ONCE = 100
"""Alerts that are marked in one request."""


class AlertIsOver(UsageError):
    """An alert cannot be snoozed after it has ended."""

    def __init__(self) -> None:
        super().__init__("This alert is already closed, so there is nothing to snooze.")


class SnoozeEndsTooEarly(UsageError):
    """A snooze has to end in the future."""

    def __init__(self) -> None:
        super().__init__("Choose a time in the future for the end of the snooze.")


_SEE = text("UPDATE alerts SET seen_at = now(), seen_by_id = :user_id WHERE id = :id AND seen_at IS NULL")
_UNSEE = text("UPDATE alerts SET seen_at = NULL, seen_by_id = NULL WHERE id = :id AND seen_at IS NOT NULL")
_SNOOZE = text(
    """
    UPDATE alerts SET snoozed_at = now(), snoozed_until = :until, snoozed_by_id = :user_id
    WHERE id = :id AND over_at IS NULL
    """
)
_UNSNOOZE = text(
    """
    UPDATE alerts SET snoozed_at = NULL, snoozed_until = NULL, snoozed_by_id = NULL
    WHERE id = :id AND snoozed_at IS NOT NULL
    """
)


async def mark_seen(connection: AsyncConnection, user_id: int, alert_id: int) -> RowMapping | None:
    """Mark an alert as seen; return it, or None if it does not concern the user. The caller commits."""
    return await _change(connection, _SEE, "seen", user_id, alert_id)


async def unmark_seen(connection: AsyncConnection, user_id: int, alert_id: int) -> RowMapping | None:
    """Undo `mark_seen`, whoever did it, so that reminders go on. The caller commits."""
    return await _change(connection, _UNSEE, "unseen", user_id, alert_id)


async def mark_all_seen(
    connection: AsyncConnection, user_id: int, alert_ids: Collection[int], *, seen: bool = True
) -> list[int]:
    """Mark those of these alerts that concern the user, or undo that; return which were changed."""
    changed = []
    # In this order, so that two people who do so at once do not wait for each other.
    for alert_id in sorted(await concerning(connection, user_id, alert_ids)):
        done = await connection.execute(_SEE if seen else _UNSEE, {"id": alert_id, "user_id": user_id})
        if done.rowcount:
            await announce(connection, "seen" if seen else "unseen", alert_id)
            changed.append(alert_id)
    return changed


async def snooze(
    connection: AsyncConnection, user_id: int, alert_id: int, *, until: datetime | None, now: datetime
) -> RowMapping | None:
    """Snooze an alert until a time, or until a person ends it; return it, or None if it is not the user's.

    The caller commits. Raises AlertIsOver or SnoozeEndsTooEarly.
    """
    if until is not None and until <= now:
        raise SnoozeEndsTooEarly
    row = await _change(connection, _SNOOZE, "snoozed", user_id, alert_id, until=until)
    if row is not None and row["over_at"] is not None:
        raise AlertIsOver
    return row


async def end_snooze(connection: AsyncConnection, user_id: int, alert_id: int) -> RowMapping | None:
    """End the snooze of an alert; return it, or None if it does not concern the user. The caller commits."""
    return await _change(connection, _UNSNOOZE, "unsnoozed", user_id, alert_id)


async def _change(
    connection: AsyncConnection,
    statement: TextClause,
    what: str,
    user_id: int,
    alert_id: int,
    **parameters: object,
) -> RowMapping | None:
    if await alert_of_person(connection, user_id, alert_id) is None:
        return None
    changed = await connection.execute(statement, {"id": alert_id, "user_id": user_id, **parameters})
    if changed.rowcount:
        await announce(connection, what, alert_id)
    return await alert_of_person(connection, user_id, alert_id)
