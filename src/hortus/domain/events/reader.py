"""Reading the events of a kit from all sources, newest first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Boolean, DateTime, Integer, Row, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from hortus.domain.events.alerts import ALERTS
from hortus.domain.events.commands import COMMANDS
from hortus.domain.events.configurations import CONFIGURATIONS
from hortus.domain.events.event import Event, EventKind, Looker
from hortus.domain.events.presence import OUTAGES, PRESENCE

SOURCES = {source.kind: source for source in (ALERTS, COMMANDS, CONFIGURATIONS, PRESENCE, OUTAGES)}
"""A new kind of events is a file with its source, and a place in here."""

MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPlace:
    """The place of an event in the list: that of the last one of the page before."""

    start: datetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Some events, the newest first, and how many there are in all, of which at most MOST_COUNTED count."""

    events: tuple[Event, ...]
    total: int
    has_more: bool


def kinds_for(looker: Looker) -> frozenset[EventKind]:
    """Return the kinds of events that somebody may see."""
    return frozenset(kind for kind, source in SOURCES.items() if source.is_seen_by(looker))


async def read_events(
    connection: AsyncConnection,
    looker: Looker,
    start: datetime,
    end: datetime,
    *,
    kinds: Collection[EventKind] | None = None,
    before: EventPlace | None = None,
    most: int,
) -> Events:
    """Return events that overlap the time from `start` to `end`, of these kinds that the looker may see."""
    seen = kinds_for(looker)
    wanted = tuple(kind for kind in SOURCES if kind in seen and (kinds is None or kind in kinds))
    if not wanted:
        return Events(events=(), total=0, has_more=False)
    parameters = {
        "kit_id": looker.kit_id,
        "user_id": looker.user_id,
        "is_admin": looker.is_admin,
        "start": start,
        "end": end,
        "before_start": before.start if before else None,
        "before_key": before.key if before else None,
        "most": most + 1,
        "most_counted": MOST_COUNTED,
    }
    rows = (await connection.execute(_statement(wanted), parameters)).all()
    events = tuple(_event(row, looker) for row in rows[:most] if row.key is not None)
    return Events(events=events, total=rows[0].total, has_more=len(rows) > most)


def _event(row: Row[Any], looker: Looker) -> Event:
    source, facts = SOURCES[EventKind(row.kind)], orjson.loads(row.facts)
    return Event(
        key=row.key,
        kind=source.kind,
        what=row.what,
        start=row.start_at,
        end=row.end_at,
        title=source.title(row.what, facts),
        path=source.path(row.what, facts, looker.serial),
    )


# A row without an event tells the total where a page has none.
@lru_cache(maxsize=64)
def _statement(kinds: tuple[EventKind, ...]) -> TextClause:
    union = " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, s.* FROM ({SOURCES[kind].statement}) s"  # noqa: S608  (built from constants)
        for kind in kinds
    )
    statement = f"""
        WITH events AS MATERIALIZED ({union}),
        counted AS (SELECT count(*) AS total FROM (SELECT FROM events LIMIT :most_counted) e),
        page AS (
            SELECT * FROM events e
            WHERE :before_start IS NULL OR e.start_at < :before_start
               OR (e.start_at = :before_start AND e.key COLLATE "C" < :before_key)
            ORDER BY e.start_at DESC, e.key COLLATE "C" DESC LIMIT :most
        )
        SELECT c.total, p.kind, p.key, p.what, p.start_at, p.end_at, CAST(p.facts AS text) AS facts
        FROM counted c LEFT JOIN page p ON true
        ORDER BY p.start_at DESC, p.key COLLATE "C" DESC
    """  # noqa: S608  (built from constants)
    moment = DateTime(timezone=True)
    types: dict[str, TypeEngine[Any]] = {
        "kit_id": Integer(),
        "start": moment,
        "end": moment,
        "before_start": moment,
    }
    if EventKind.ALERTS in kinds:
        types |= {"user_id": Integer(), "is_admin": Boolean()}
    return text(statement).bindparams(*(bindparam(name, type_=type_) for name, type_ in types.items()))
