"""How many alerts wait for a person, for the header of every page."""

from __future__ import annotations

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

    async def of_person(self, engine: AsyncEngine, user_id: int, now: datetime) -> BoxCounts:
        """Return how many alerts concern a person. Raises DatabaseNotAnswering."""

        async def ask() -> BoxCounts:
            async with snapshot(engine) as connection:
                return await count_boxes(connection, user_id, now)

        return await self._answers.get(user_id, ask)

    def forget(self, user_id: int) -> None:
        """Count anew for a person who has just done something about an alert."""
        self._answers.forget(user_id)
