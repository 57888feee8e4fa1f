"""Presence as events: when the kit was silent, and when we did not listen, which is nobody's silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hortus.base.language.translation import gettext
from hortus.domain.events.event import EventKind, Source

# A kit is late first and then offline: together that is one silence, which begins when it was last heard.
_SILENCES = """
    SELECT 'silence-' || (extract(epoch FROM min(i.since)) * 1000)::bigint AS key,
        CASE WHEN bool_or(i.state = 'offline') THEN 'silent' ELSE 'late' END AS what,
        least(min(i.since), min(i.last_contact_at)) AS start_at,
        CASE WHEN bool_and(i.until IS NOT NULL) THEN max(i.until) END AS end_at,
        CAST('{}' AS json) AS facts
    FROM (
        SELECT p.*, sum(CASE WHEN p.state = 'online' THEN 1 ELSE 0 END) OVER (ORDER BY p.since) AS stretch
        FROM presence_intervals p
        WHERE p.kit_id = :kit_id AND p.since < :end AND coalesce(p.until, 'infinity') >= :start
    ) i
    WHERE i.state <> 'online'
    GROUP BY i.stretch
"""

# Shorter gaps between two heartbeats are none (hortus.domain.presence.judgement.ALIVE).
_OUTAGES = """
    SELECT 'outage-' || (extract(epoch FROM o.since) * 1000)::bigint AS key, 'outage' AS what,
        o.since AS start_at, o.until AS end_at, CAST('{}' AS json) AS facts
    FROM (
        SELECT since, until FROM listening_outages
        UNION ALL
        SELECT listening_until, NULL FROM presence_listening
        WHERE listening_until < clock_timestamp() - interval '30 seconds'
    ) o
    WHERE o.since < :end AND coalesce(o.until, 'infinity') >= :start
      AND coalesce(o.until, 'infinity') > (SELECT created_at FROM kits WHERE id = :kit_id)
"""


def _silence(what: str, _facts: Mapping[str, Any]) -> str:
    return gettext("The kit was late") if what == "late" else gettext("The kit was silent")


def _outage(_what: str, _facts: Mapping[str, Any]) -> str:
    return gettext("Hortus was not listening")


def _path(_what: str, _facts: Mapping[str, Any], _serial: str) -> str:
    return ""


PRESENCE = Source(kind=EventKind.PRESENCE, statement=_SILENCES, title=_silence, path=_path)
OUTAGES = Source(kind=EventKind.OUTAGES, statement=_OUTAGES, title=_outage, path=_path)
