"""Announcing changes of alerts to other processes, after the commit (P7), for live pages.

The payload on the channel `hortus_alerts` is `<what> <alert id> <kit id>`; what is `opened`, `seen`,
`unseen`, `snoozed`, `unsnoozed` or `over`.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ALERTS_CHANNEL = "hortus_alerts"

_ANNOUNCE = text(
    "SELECT pg_notify(:channel, :what || ' ' || id || ' ' || kit_id) FROM alerts WHERE id = :alert_id"
)


async def announce(connection: AsyncConnection, what: str, alert_id: int | None) -> None:
    """Announce a change of an alert; sent when the transaction commits."""
    await connection.execute(_ANNOUNCE, {"channel": ALERTS_CHANNEL, "what": what, "alert_id": alert_id})
