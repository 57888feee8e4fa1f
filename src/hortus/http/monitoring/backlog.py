"""The backlog of background work, whichever process handles it (P9): how much waits, and how long.

Read from the database, so every process that serves `/metrics` reports the whole installation. Each query is
bounded: it walks an index of the waiting rows and stops counting at a few thousand.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import HortusError
from hortus.base.language.translation import gettext, gettext_noop
from hortus.http.monitoring.backlog_statements import QUESTIONS
from hortus.http.server.database_access import database_failures_translated

MOST_COUNTED = 10_000
"""The maximum counted and looked at; queues may be longer."""

LATE_SECONDS = 600.0
"""Work overdue for longer than this is a fault: nothing processes it, or it never completes."""

_KEEP_SECONDS = 10.0
_ANSWER_SECONDS = 2.0
_FORGET_SECONDS = 300.0

_SENTENCES = {
    "rollups": gettext_noop(
        "Hourly figures are behind. Charts are still right, but slower. Check that `hortus jobs` is running."
    ),
    "messages": gettext_noop(
        "Messages to people are waiting. See `hortus message list`; `hortus jobs` sends them."
    ),
    "kit-commands": gettext_noop(
        "Commands to kits are waiting to be sent. Check that `hortus rpc` is running."
    ),
    "media-deletion": gettext_noop(
        "Pictures are waiting for deletion. See `hortus media check`; `hortus jobs` does it."
    ),
    "thumbnails": gettext_noop(
        "Pictures are waiting for thumbnails. See `hortus media check`; `hortus jobs` makes them."
    ),
}


_TITLES = {
    "rollups": gettext_noop("Hourly figures"),
    "messages": gettext_noop("Messages to people"),
    "kit-commands": gettext_noop("Commands to kits"),
    "media-deletion": gettext_noop("Pictures to delete"),
    "thumbnails": gettext_noop("Thumbnails of pictures"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The state of one queue of background work.

    `failing` counts waiting items that failed at least once; None where nothing can fail. `oldest_seconds` is
    how long the oldest item has waited, `overdue_seconds` how long the first due item has been due: an item to
    be retried later is not overdue until then. For rollups it is how long their number has not decreased: late
    readings touch old hours, so the age of an hour means nothing.
    """

    name: str
    waiting: int
    failing: int | None
    oldest_seconds: float
    overdue_seconds: float

    @property
    def is_late(self) -> bool:
        """Whether the queue is not processed as it should be."""
        return self.overdue_seconds > LATE_SECONDS

    @property
    def title(self) -> str:
        """What waits in this queue."""
        return gettext(_TITLES[self.name])

    def overdue_since(self, now: datetime) -> datetime:
        """Return when the first due item became due; for rollups, since when they have not become fewer."""
        return now - timedelta(seconds=self.overdue_seconds)

    def oldest_since(self, now: datetime) -> datetime:
        """Return when the oldest item began to wait."""
        return now - timedelta(seconds=self.oldest_seconds)

    @property
    def sentence(self) -> str:
        """A sentence about what waits, for a person who can act on it."""
        return gettext(_SENTENCES[self.name])

    def as_json(self) -> dict[str, Any]:
        """Return the figures for /healthz."""
        return {
            "waiting": self.waiting,
            "failing": self.failing,
            "oldestSeconds": round(self.oldest_seconds, 1),
            "overdueSeconds": round(self.overdue_seconds, 1),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """All queues, and what went wrong in the last day.

    That is the number of messages given up, and of series with readings that cannot have been measured.
    """

    queues: Sequence[Queue]
    messages_given_up: int
    implausible_series: int

    @property
    def late(self) -> list[Queue]:
        """The queues that are not processed as they should be."""
        return [queue for queue in self.queues if queue.is_late]


class BacklogReader:
    """Reads the backlog on demand and caches it for some seconds: there are several, frequent readers."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: Backlog | None = None
        self._known_until = 0.0
        self._reading = asyncio.Lock()
        self._rollups = _Progress()

    async def look(self) -> Backlog | None:
        """Return the backlog, or None if the database does not answer in time."""
        async with self._reading:
            if time.monotonic() >= self._known_until:
                self._known = await self._read()
                self._known_until = time.monotonic() + _KEEP_SECONDS
            return self._known

    async def _read(self) -> Backlog | None:
        try:
            with database_failures_translated():
                async with asyncio.timeout(_ANSWER_SECONDS), self._engine.connect() as connection:
                    rows = {
                        name: (await connection.execute(question, {"most": MOST_COUNTED})).one()
                        for name, question in QUESTIONS.items()
                    }
                    given_up = await connection.scalar(_GIVEN_UP, {"most": MOST_COUNTED})
                    implausible = await connection.scalar(_IMPLAUSIBLE, {"most": MOST_COUNTED})
        except HortusError:
            return None
        stuck_seconds = self._rollups.stuck_seconds(rows["rollups"].waiting)
        queues = [_queue(name, row, stuck_seconds) for name, row in rows.items()]
        return Backlog(
            queues=queues,
            messages_given_up=int(given_up or 0),
            implausible_series=int(implausible or 0),
        )


class _Progress:
    """Measures how long a number has not fallen from look to look; starts anew after a long pause."""

    def __init__(self) -> None:
        self._last = 0
        self._looked_at = -math.inf
        self._stuck_since = 0.0

    def stuck_seconds(self, waiting: int) -> float:
        now = time.monotonic()
        if waiting == 0 or waiting < self._last or now - self._looked_at > _FORGET_SECONDS:
            self._stuck_since = now
        self._last, self._looked_at = waiting, now
        return now - self._stuck_since


def _queue(name: str, row: Any, stuck_seconds: float) -> Queue:
    overdue_seconds = stuck_seconds if name == "rollups" else float(row.overdue_seconds or 0.0)
    return Queue(
        name=name,
        waiting=row.waiting,
        failing=row.failing,
        oldest_seconds=max(0.0, float(row.oldest_seconds or 0.0)),
        overdue_seconds=max(0.0, overdue_seconds),
    )


# Messages about alerts that were withdrawn, since they were no longer true, have no body any more; they are no
# failures. Others keep theirs, to be sent again.
_GIVEN_UP = text(
    """
    SELECT count(*) FILTER (WHERE state = 'given-up' AND NOT is_withdrawn) FROM (
        SELECT state, kind IN ('alert', 'alert-over') AND sealed_body IS NULL AS is_withdrawn
        FROM messages WHERE created_at > now() - interval '1 day'
        ORDER BY created_at DESC LIMIT :most
    ) AS newest
    """
)

# Of the hours that are rolled up, the newest ones.
_IMPLAUSIBLE = text(
    """
    SELECT count(DISTINCT (peripheral_id, quantity_type_id)) FROM (
        SELECT peripheral_id, quantity_type_id FROM series_hours
        WHERE implausible > 0 AND hour > now() - interval '25 hours' AND hour <= now()
        ORDER BY hour DESC LIMIT :most
    ) AS newest
    """
)
