"""The outgoing queue of one connection, in bounded memory.

Replies are queued in order and never dropped. Values are dropped if a reader is slow: then only the newest of
each series is kept, and the reader is told how many were skipped.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Hashable
from enum import StrEnum
from typing import Protocol

from hortus.http.live.jsonrpc import notification
from hortus.http.live.topics import Item


class Skipped(StrEnum):
    """Why a value was not sent."""

    SLOW = "slow"  # the reader is slow, and a newer value of the series replaced it
    LATE = "late"  # a newer value of the series was sent before
    MANY = "many"  # too many arrived at once


class Addressed(Protocol):
    """The part of a subscription that its messages need."""

    id: int
    prefix: str
    takes_notices: bool


class FeedOutbox:
    """The queued messages of one connection. One task takes, others put."""

    def __init__(self, *, most_values: int, most_replies: int) -> None:
        self._most_values = most_values
        self._conflate_at = most_values
        self._most_replies = most_replies
        self._waiting: deque[str | tuple[Addressed, Item]] = deque()
        self._values = 0
        self._replies = 0
        self._skipped: Counter[tuple[Addressed, Skipped]] = Counter()
        self._filled = asyncio.Event()
        self._replies_left = asyncio.Event()
        self._is_closed = False

    def close(self) -> None:
        """Close the queue: nothing will be taken any more."""
        self._is_closed = True
        self._replies_left.set()

    async def room_for_reply(self) -> None:
        """Wait until few enough replies are queued to read another request, or the queue is closed."""
        while self._replies >= self._most_replies and not self._is_closed:
            self._replies_left.clear()
            await self._replies_left.wait()

    def put(self, message: str) -> None:
        """Add a reply, or a notification of a rare kind."""
        self._waiting.append(message)
        self._replies += 1
        self._filled.set()

    def put_value(self, subscription: Addressed, item: Item) -> None:
        """Add a value."""
        self._waiting.append((subscription, item))
        self._values += 1
        if self._values > self._conflate_at:
            self._conflate()
        self._filled.set()

    def skip(self, subscription: Addressed, reason: Skipped, count: int = 1) -> None:
        """Add to the number of values reported as skipped to this subscriber, if it takes such notices."""
        if not subscription.takes_notices:
            return
        self._skipped[subscription, reason] += count
        self._filled.set()

    def drop(self, subscription: Addressed) -> None:
        """Remove everything of a subscription that has ended."""
        self._waiting = deque(
            entry for entry in self._waiting if isinstance(entry, str) or entry[0] is not subscription
        )
        self._values = sum(not isinstance(entry, str) for entry in self._waiting)
        for key in [key for key in self._skipped if key[0] is subscription]:
            del self._skipped[key]

    async def take(self) -> str:
        """Return the next message, waiting for one."""
        while True:
            # Sent before the next value, or a reader that is always slow would never get it; but after replies,
            # one of which may be the reply to the subscription itself.
            if self._skipped and not (self._waiting and isinstance(self._waiting[0], str)):
                return self._skip_notice()
            if self._waiting:
                entry = self._waiting.popleft()
                if isinstance(entry, str):
                    self._replies -= 1
                    self._replies_left.set()
                    return entry
                self._values -= 1
                return f"{entry[0].prefix}{entry[1].result}}}}}"
            self._filled.clear()
            await self._filled.wait()

    def _skip_notice(self) -> str:
        (subscription, reason), count = self._skipped.popitem()
        return notification("skipped", {"subscription": subscription.id, "count": count, "reason": reason})

    def _conflate(self) -> None:
        """Keep the newest value of each series of each subscription."""
        kept: set[tuple[int, Hashable]] = set()
        remaining: deque[str | tuple[Addressed, Item]] = deque()
        # From the newest to the oldest; a late value is older than the one before it.
        newest: dict[tuple[int, Hashable], Item] = {}
        for entry in self._waiting:
            if not isinstance(entry, str):
                key = (entry[0].id, entry[1].series)
                if key not in newest or entry[1].at >= newest[key].at:
                    newest[key] = entry[1]
        for entry in self._waiting:
            if isinstance(entry, str):
                remaining.append(entry)
                continue
            key = (entry[0].id, entry[1].series)
            if newest[key] is entry[1] and key not in kept:
                kept.add(key)
                remaining.append(entry)
            else:
                self.skip(entry[0], Skipped.SLOW)
        self._waiting = remaining
        self._values = len(kept)
        # With as many series as the limit, every further value would cause another scan of all of them.
        self._conflate_at = max(self._most_values, 2 * len(kept))
