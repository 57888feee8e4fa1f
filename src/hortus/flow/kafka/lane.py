"""A partition while it is assigned to us: its open records, and the offset below which all are done. Pure."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence


class Lane:
    """The source of the messages of one partition; a handle is the offset of a record.

    Records are settled in any order, since batches overtake each other, but committing an offset in Kafka
    covers all records before it. So `done_up_to` is the first offset that is not settled.

    `start` is the offset at which reading begins: the committed offset, or None if that is unknown.
    """

    def __init__(self, topic: str, partition: int, start: int | None) -> None:
        self.topic = topic
        self.partition = partition
        self.start = start
        self.done_up_to = start
        self.asked_to_commit = start
        self.committed = start
        self.missed = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self._next = start
        self._opened: deque[int] = deque()
        self._settled: set[int] = set()

    def open(self, offset: int) -> bool:
        """Register the record at this offset; return False if it is known and must not be offered again.

        A gap before it means that Kafka deleted records before they were read; they are counted as missed.
        """
        if self._next is not None:
            if offset < self._next:
                return False
            self.missed += offset - self._next
        self._next = offset + 1
        if not self._opened:
            self.done_up_to = offset
            self.idle.clear()
        self._opened.append(offset)
        return True

    # MessageSource, called by the intake

    def settle(self, handles: Sequence[int]) -> None:
        """Mark these records as stored or quarantined."""
        opened, settled = self._opened, self._settled
        settled.update(handles)
        while opened and opened[0] in settled:
            settled.discard(opened.popleft())
        self.done_up_to = opened[0] if opened else self._next
        if not opened:
            self.idle.set()
