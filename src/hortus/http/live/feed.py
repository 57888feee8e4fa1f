"""What is known of one topic of one kit: which values are new, which are late, and the last of each series.

Without I/O: `hortus.http.live.hub` asks the database and hands the rows over.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from hortus.http.live.principals import Claim
from hortus.http.live.topics import Item, Topic

CLOCK_GRACE = timedelta(seconds=5)
"""A value that is ahead of our clock by less is told at once; others when their time has come (P8)."""

# Where each thing is a series of its own, what is history has to go some time.
_MOST_SERIES = 1000

_CIRCLE = 2**32
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Subscriber(Protocol):
    """Who hears of the values of one feed."""

    @property
    def claim(self) -> Claim:
        """Who hears which kit."""

    def hear(self, item: Item, *, is_late: bool) -> None:
        """Take a value; a late one is older than another of its series that was told before."""

    def missed(self, count: int) -> None:
        """Take note of values that were not told because there were too many at once."""

    def end(self, reason: str) -> None:
        """Take note that nothing is told any more; the reason is a sentence."""

    def pause(self) -> None:
        """Take note that nothing is told for a while, because the database is away."""

    def resume(self) -> None:
        """Take note that what was stored meanwhile is told now."""


@dataclass(frozen=True, slots=True)
class FeedKey:
    """Which feed: there is one per process, however many hear it."""

    topic: str
    kit_id: int


@dataclass(slots=True, eq=False)
class Feed:
    """One topic of one kit. It knows nothing until `load`."""

    topic: Topic
    kit_id: int
    serial: str
    most_held_back: int
    subscribers: dict[Subscriber, None] = field(default_factory=dict)
    waiting: int = 0
    horizon: int | None = None
    _seen: dict[tuple[datetime, UUID | int], int] = field(default_factory=dict)
    _last: dict[Hashable, Item] = field(default_factory=dict)
    _newest_at: datetime = _LONG_AGO
    _floor: datetime = _LONG_AGO
    _held_back: list[tuple[datetime, UUID | int, Item]] = field(default_factory=list)

    @property
    def key(self) -> FeedKey:
        """Which feed this is."""
        return FeedKey(self.topic.name, self.kit_id)

    @property
    def is_needed(self) -> bool:
        """Whether somebody hears it, or is about to."""
        return bool(self.subscribers) or self.waiting > 0

    def since(self, now: datetime) -> datetime:
        """Return from which time on a value is told as new; what is older is history."""
        behind_newest = (
            min(now, self._newest_at) - self.topic.slack if self._newest_at > _LONG_AGO else _LONG_AGO
        )
        return max(now - self.topic.depth, behind_newest, self._floor)

    def load_last(self, last: Iterable[Item]) -> None:
        """Begin with the last values of the series."""
        for item in last:
            self._last[item.series] = item
            self._newest_at = max(self._newest_at, item.at)

    def load(self, horizon: int, told: Iterable[Item], future: Iterable[Item]) -> None:
        """Begin: values that were `told` are not new, and those of the `future` wait for their time."""
        self.horizon = horizon
        self._seen = {(item.at, item.id): item.transaction for item in told}
        for item in future:
            heapq.heappush(self._held_back, (item.at, item.id, item))

    def forget(self) -> None:
        """Know nothing again; the next `load` begins anew."""
        self.horizon = None
        self._seen.clear()
        self._last.clear()
        self._held_back.clear()
        self._newest_at = self._floor = _LONG_AGO

    def last_values(self, now: datetime) -> list[Item]:
        """Return the last value of each series, oldest first, without those that are history."""
        oldest = now - self.topic.depth
        return sorted((item for item in self._last.values() if item.at >= oldest), key=_order)

    def take(self, horizon: int, items: list[Item], found: int, now: datetime) -> list[Item]:
        """Return what is to be told of `items`, oldest first.

        They are all at or above the last horizon, or if there were more, the newest of `found`. `horizon` is
        that of this look, to be asked for at the next one.
        """
        new = sorted(filter(self._is_new, items), key=_order)
        if found > len(items):
            # The older ones are left out for good, or they would be missed again at the next look.
            self._floor = max(self._floor, min(item.at for item in items))
            self._miss(found - len(items))
        self._seen.update({(item.at, item.id): item.transaction for item in new})
        oldest = self.since(now)
        self._seen = {
            key: transaction
            for key, transaction in self._seen.items()
            if (transaction - horizon) % _CIRCLE < _CIRCLE // 2 and key[0] >= oldest
        }
        self.horizon = horizon
        if len(self._last) > _MOST_SERIES:
            history = now - self.topic.depth
            self._last = {series: item for series, item in self._last.items() if item.at >= history}
        return new

    def tell(self, items: Iterable[Item], now: datetime) -> None:
        """Tell values, and hold those of the future back until their time has come."""
        for item in items:
            if item.at <= now + CLOCK_GRACE:
                self._tell(item)
            elif len(self._held_back) < self.most_held_back:
                heapq.heappush(self._held_back, (item.at, item.id, item))
            else:
                self._miss(1)

    @property
    def next_due(self) -> datetime | None:
        """When the time of the next value comes that is held back."""
        return self._held_back[0][0] if self._held_back else None

    def tell_due(self, now: datetime) -> None:
        """Tell the values whose time has come."""
        while self._held_back and self._held_back[0][0] <= now:
            self._tell(heapq.heappop(self._held_back)[2])

    def _is_new(self, item: Item) -> bool:
        if self._seen.get((item.at, item.id)) == item.transaction:
            return False
        # A row may change in what is not told of it.
        last = self._last.get(item.series)
        return last is None or (last.at, last.id, last.result) != (item.at, item.id, item.result)

    def _tell(self, item: Item) -> None:
        last = self._last.get(item.series)
        is_late = last is not None and item.at < last.at
        if not is_late:
            self._last[item.series] = item
        self._newest_at = max(self._newest_at, item.at)
        for subscriber in self.subscribers:
            subscriber.hear(item, is_late=is_late)

    def _miss(self, count: int) -> None:
        for subscriber in self.subscribers:
            subscriber.missed(count)


def _order(item: Item) -> tuple[datetime, UUID | int]:
    return (item.at, item.id)
