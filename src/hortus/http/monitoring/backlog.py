"""What waits for background work, whichever process is to do it (P9): how much, and for how long.

Read from the database, so each process that serves `/metrics` tells the same of the whole installation. Each
question is bounded: it walks an index of what waits, and stops counting at some thousands.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import HortusError
from hortus.http.monitoring.backlog_statements import QUESTIONS
from hortus.http.server.database_access import database_failures_translated

MOST_COUNTED = 10_000
"""Of a longer queue, so many are counted and looked at."""

LATE_SECONDS = 600.0
"""What is due for longer is a fault: nobody does this work, or it does not come to its end."""

_KEEP_SECONDS = 10.0
_ANSWER_SECONDS = 2.0
_FORGET_SECONDS = 300.0

_SENTENCES = {
    "rollups": "Readings wait to be summed up. See whether `hortus jobs` runs.",
    "messages": "Messages to people wait to be sent. See `hortus message list`; `hortus jobs` sends them.",
    "kit-commands": "Commands to kits wait to be sent. See whether `hortus rpc` runs.",
    "media-deletion": "Pictures wait to be deleted. See `hortus media check`; `hortus jobs` deletes them.",
    "thumbnails": "Pictures wait for thumbnails. See `hortus media check`; `hortus jobs` makes them.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How one kind of background work stands.

    `failing` of those that wait were tried in vain; None where nothing can fail. `oldest_seconds` is since when
    the oldest waits, `overdue_seconds` since when the one waits that was to be done first: what is tried again
    later is not overdue until then. Of rollups it is for how long they have not become fewer: late readings
    touch old hours, so the age of an hour does not tell.
    """

    name: str
    waiting: int
    failing: int | None
    oldest_seconds: float
    overdue_seconds: float

    @property
    def is_late(self) -> bool:
        """Whether this work is not done as it should be."""
        return self.overdue_seconds > LATE_SECONDS

    @property
    def sentence(self) -> str:
        """What waits, for a person who can do something about it."""
        return _SENTENCES[self.name]

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
    """All queues, and how many messages of the last day were given up."""

    queues: Sequence[Queue]
    messages_given_up: int

    @property
    def late(self) -> list[Queue]:
        """The queues that are not worked on as they should be."""
        return [queue for queue in self.queues if queue.is_late]


class BacklogReader:
    """Reads the backlog when asked, and remembers it for some seconds: several ask, and often."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: Backlog | None = None
        self._known_until = 0.0
        self._reading = asyncio.Lock()
        self._rollups = _Progress()

    async def look(self) -> Backlog | None:
        """Return the backlog; None if the database does not tell it in time."""
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
        except HortusError:
            return None
        stuck_seconds = self._rollups.stuck_seconds(rows["rollups"].waiting)
        queues = [_queue(name, row, stuck_seconds) for name, row in rows.items()]
        return Backlog(queues=queues, messages_given_up=int(given_up or 0))


class _Progress:
    """For how long a number has not fallen, from one look to the next; after a long time without, anew."""

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


_GIVEN_UP = text(
    """
    SELECT count(*) FILTER (WHERE state = 'given-up') FROM (
        SELECT state FROM messages WHERE created_at > now() - interval '1 day'
        ORDER BY created_at DESC LIMIT :most
    ) AS newest
    """
)
