"""Whether the records waiting in Kafka are being stored, judged from one look at Kafka to the next. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from hortus.flow.kafka.position import Place


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the reading of a partition is: the records waiting, and the offset below which all are done."""

    waiting: int
    done_up_to: int | None

    def waiting_now(self, done_up_to: int | None) -> int:
        """Return how many records wait when this much is done, without asking Kafka again."""
        if done_up_to is None or self.done_up_to is None or done_up_to < self.done_up_to:
            return self.waiting
        return max(0, self.waiting - (done_up_to - self.done_up_to))


def standing(*, start: int, end: int, done_up_to: int | None) -> Standing:
    """Return the standing of a partition with these offsets, of which `done_up_to` was taken first.

    An end that is below what was done before is that of another log, all of which is still to be read.
    """
    is_of_this_log = done_up_to is not None and start <= done_up_to <= end
    waiting = end - done_up_to if is_of_this_log and done_up_to is not None else end - start
    return Standing(max(0, waiting), done_up_to)


class ProgressWatch:
    """Tracks since when there has been no progress although records wait, or nothing was known of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known_at = self._noted_at = clock()
        self._since: dict[Place, float] = {}
        self._standings: Mapping[Place, Standing] = {}

    def note(
        self,
        standings: Mapping[Place, Standing],
        *,
        own: Collection[Place],
        held_back: Collection[str],
        asked_at: float | None,
    ) -> float | None:
        """Return since when something has been standing still, in the time of the clock; None if nothing is.

        `held_back`: the topics of which our own partitions are not read as fast as Kafka allows, because the
        database is the slower part. They take turns, so each may wait long while others are read. It may be the
        same with partitions of other sinks, of which we do not know.
        `asked_at`: when Kafka was asked for what it then answered completely; None if it did not.
        """
        now = self._noted_at = self._clock()
        if asked_at is not None:
            self._known_at = asked_at
        moved = {place for place, each in standings.items() if self._has_moved(place, each)}
        moving = {(topic, (topic, number) in own) for topic, number in moved}
        since = {}
        for place, each in standings.items():
            if not each.waiting:
                continue
            topic, is_own = place[0], place in own
            takes_turns = topic in held_back or not is_own
            moves = place in moved or (takes_turns and (topic, is_own) in moving)
            since[place] = now if moves else self._since.get(place, now)
        self._since, self._standings = since, dict(standings)
        ages = list(since.values())
        if asked_at is None:
            ages.append(self._known_at)
        return min(ages, default=None)

    def stands_still(self, place: Place) -> bool:
        """Return whether records waited in this partition at the last two looks, and none was done between."""
        return self._since.get(place, math.inf) < self._noted_at

    def _has_moved(self, place: Place, now: Standing) -> bool:
        before = self._standings.get(place)
        return before is not None and before.done_up_to != now.done_up_to
