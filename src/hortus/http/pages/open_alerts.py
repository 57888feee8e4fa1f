"""How many alerts wait for a person, for the header of every page."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.alerts.inbox import BoxCounts, count_boxes
from hortus.http.server.answers import SharedAnswers
from hortus.http.server.database_access import snapshot

_KEEP_SECONDS = 2.0
_KEPT_ANSWERS = 1000


class OpenAlerts:
    """Counts open alerts, for each person at most once in two seconds."""

    def __init__(self) -> None:
        self._answers = SharedAnswers[BoxCounts](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)
        self._changes: OrderedDict[int, int] = OrderedDict()

    async def of_person(self, engine: AsyncEngine, user_id: int, now: datetime) -> BoxCounts:
        """Return how many alerts concern a person. Raises DatabaseNotAnswering."""

        async def ask() -> BoxCounts:
            async with snapshot(engine) as connection:
                return await count_boxes(connection, user_id, now)

        return await self._answers.get(user_id, ask)

    def note_change(self, user_id: int) -> None:
        """Count anew for a person who has just done something about an alert."""
        self._answers.forget(user_id)
        self._changes[user_id] = self.changes_of(user_id) + 1
        self._changes.move_to_end(user_id)
        if len(self._changes) > _KEPT_ANSWERS:
            self._changes.popitem(last=False)

    def changes_of(self, user_id: int | None) -> int:
        """Return a number that changes whenever this person does something: a part of the keys of answers."""
        return 0 if user_id is None else self._changes.get(user_id, 0)
