"""Changes of a kit that its open pages should know of. Triggers note them (hortus.base.database.triggers)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

KEPT_HOURS = 24

_SAY_WHO = text("SELECT set_config('hortus.user_id', :user_id, true)")
_LAST = text(
    """
    SELECT c.what, c.changed_at, u.display_name AS name
    FROM kit_changes c LEFT JOIN users u ON u.id = c.user_id
    WHERE c.kit_id = :kit_id AND c.changed_at > :since AND c.user_id IS DISTINCT FROM :user_id
    ORDER BY c.changed_at DESC, c.id DESC LIMIT 1
    """
)
_FORGET = text("DELETE FROM kit_changes WHERE changed_at < now() - make_interval(hours => :hours)")


@dataclass(frozen=True, slots=True, kw_only=True)
class KitChange:
    """A change: of the `configuration`, `members` or `plants`, and by whom, if that is known."""

    what: str
    changed_at: datetime
    name: str | None


async def say_who_changes(connection: AsyncConnection, user_id: int | None) -> None:
    """Note changes of this transaction as those of this user."""
    await connection.execute(_SAY_WHO, {"user_id": "" if user_id is None else str(user_id)})


async def last_change(
    connection: AsyncConnection, kit_id: int, *, since: datetime, not_by: int | None
) -> KitChange | None:
    """Return the last change of a kit after a moment that this user did not make, or None."""
    parameters = {"kit_id": kit_id, "since": since, "user_id": not_by}
    row = (await connection.execute(_LAST, parameters)).one_or_none()
    return KitChange(what=row.what, changed_at=row.changed_at, name=row.name) if row else None


async def forget_old_changes(connection: AsyncConnection) -> None:
    """Delete changes that no open page can have missed. The caller commits."""
    await connection.execute(_FORGET, {"hours": KEPT_HOURS})
