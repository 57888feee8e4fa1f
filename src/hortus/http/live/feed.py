"""The state of one topic of one kit: which values are new, which are late, and the latest of each series.

Without I/O: `hortus.http.live.hub` queries the database and passes the rows on.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from hortus.http.live.principals import Claim
from hortus.http.live.topics import Item, Topic

CLOCK_GRACE = timedelta(seconds=5)
"""A value ahead of our clock by less than this is sent at once; others when their time has come (P8)."""

# Limit for topics in which each item is its own series: old ones have to be dropped at some point.
_MOST_SERIES = 1000

_CIRCLE = 2**32
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Subscriber(Protocol):
    """A receiver of the values of one feed."""

    @property
    def claim(self) -> Claim:
        """The subscriber and their kit."""

    def hear(self, item: Item, *, is_late: bool) -> None:
        """Receive a value. A late one is older than one of its series that was sent before."""

    def missed(self, count: int) -> None:
        """Record values that were skipped because there were too many at once."""

    def end(self, reason: str) -> None:
        """End the subscription; the reason is a sentence."""

    def pause(self) -> None:
        """Announce that no values follow for a while, because the database is away."""

    def resume(self) -> None:
        """Announce that values follow again, starting with those stored in the meantime."""


@dataclass(frozen=True, slots=True)
class FeedKey:
    """The identity of a feed. There is one per process, however many subscribers it has."""

    topic: str
    kit_id: int


@dataclass(slots=True, eq=False)
class Feed:
    """One topic of one kit. Its state is empty until `load`."""

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
        return FeedKey(self.topic.name, self.kit_id)

    @property
    def is_needed(self) -> bool:
        """Whether it has a subscriber or is about to get one."""
        return bool(self.subscribers) or self.waiting > 0

    def since(self, now: datetime) -> datetime:
        """Return the time from which on values are sent as new; older ones are history."""
        behind_newest = (
            min(now, self._newest_at) - self.topic.slack if self._newest_at > _LONG_AGO else _LONG_AGO
        )
        return max(now - self.topic.depth, behind_newest, self._floor)

    def load_last(self, last: Iterable[Item]) -> None:
        """Initialize the latest values of the series."""
        for item in last:
            self._last[item.series] = item
            self._newest_at = max(self._newest_at, item.at)

    def load(self, horizon: int, told: Iterable[Item], future: Iterable[Item]) -> None:
        """Initialize: `told` values are not new, and those of the `future` wait for their time."""
        self.horizon = horizon
        self._seen = {(item.at, item.id): item.transaction for item in told}
        for item in future:
            heapq.heappush(self._held_back, (item.at, item.id, item))

    def forget(self) -> None:
        """Reset the state; the next `load` starts over."""
        self.horizon = None
        self._seen.clear()
        self._last.clear()
        self._held_back.clear()
        self._newest_at = self._floor = _LONG_AGO

    def forget_peripherals(self, peripheral_ids: Collection[int]) -> None:
        """Drop the latest and the held back values of these peripherals."""

        def is_kept(series: Hashable) -> bool:
            return not (isinstance(series, tuple) and series[0] in peripheral_ids)

        self._last = {series: item for series, item in self._last.items() if is_kept(series)}
        self._held_back = [entry for entry in self._held_back if is_kept(entry[2].series)]
        heapq.heapify(self._held_back)

    def last_values(self, now: datetime) -> list[Item]:
        """Return the latest value of each series, oldest first, without those that are history."""
        oldest = now - self.topic.depth
        return sorted((item for item in self._last.values() if item.at >= oldest), key=_order)

    def take(self, horizon: int, items: list[Item], found: int, now: datetime) -> list[Item]:
        """Return those of `items` that are to be sent, oldest first.

        They are all at or above the last horizon, or if there were more, the newest of `found`. `horizon` is
        that of this look, from which the next one starts.
        """
        new = sorted(filter(self._is_new, items), key=_order)
        if found > len(items):
            # The older ones are skipped for good, or the next look would find and skip them again.
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
        """Send values, holding back those of the future until their time has come."""
        for item in items:
            if item.at <= now + CLOCK_GRACE:
                self._tell(item)
            elif len(self._held_back) < self.most_held_back:
                heapq.heappush(self._held_back, (item.at, item.id, item))
            else:
                self._miss(1)

    @property
    def next_due(self) -> datetime | None:
        """The time at which the next held back value is due."""
        return self._held_back[0][0] if self._held_back else None

    def tell_due(self, now: datetime) -> None:
        """Send the held back values whose time has come."""
        while self._held_back and self._held_back[0][0] <= now:
            self._tell(heapq.heappop(self._held_back)[2])

    def _is_new(self, item: Item) -> bool:
        if self._seen.get((item.at, item.id)) == item.transaction:
            return False
        # A row may change in columns that are not sent.
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
