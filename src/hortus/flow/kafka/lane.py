"""A partition while it is assigned to us: its open records, and the offset below which all are done. Pure."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from hortus.flow.kafka.position import Place, Position


class Lane:
    """The source of the messages of one partition; a handle is the offset of a record.

    Records are settled in any order, since batches overtake each other, but committing an offset in Kafka
    covers all records before it. So `done_up_to` is the first offset that is not settled.

    `start` is the position at which reading begins: the committed one, or None if that is unknown. `reads_all`:
    reading begins with the first record, because what is committed is no position in this log. `awaits_proof`:
    nothing has been read yet that shows whether the start is a position in this log.
    """

    def __init__(
        self,
        place: Place,
        start: Position | None = None,
        *,
        topic_id: str | None = None,
        reads_all: bool = False,
    ) -> None:
        self.topic, self.partition = place
        self.start = start
        self.topic_id = topic_id
        self.reads_all = reads_all
        self.done_up_to = None if start is None else start.offset
        self.asked_to_commit = start
        self.committed = start
        self.missed = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self._next = self.done_up_to
        self.awaits_proof = start is not None and start.offset > 0 and start.leader_epoch is not None
        self._opened: deque[int] = deque()
        self._settled: set[int] = set()
        # The epochs of the leaders that wrote our records, each with the offset of its first.
        self._epochs: deque[tuple[int, int | None]] = deque()
        if start is not None:
            self._epochs.append((start.offset, start.leader_epoch))

    @property
    def place(self) -> Place:
        """The topic and the number of the partition."""
        return self.topic, self.partition

    @property
    def position(self) -> Position | None:
        """What may be committed: the position below which all records are done."""
        done_up_to = self.done_up_to  # read once: the event loop advances it concurrently
        if done_up_to is None:
            return None
        return Position(done_up_to, self.topic_id, self._epoch_before(done_up_to))

    def _epoch_before(self, offset: int) -> int | None:
        epochs = tuple(self._epochs)
        before = [epoch for first, epoch in epochs if first < offset]
        return before[-1] if before else epochs[0][1] if epochs else None

    @property
    def next_offset(self) -> int | None:
        """The offset after the last record that was read; None if none was, and the start is unknown."""
        return self._next

    def went_back(self, offset: int) -> bool:
        """Return whether the log must have gone back if this is the next offset in it.

        Within one log, records come in the order of their offsets, and none comes twice.
        """
        return self._next is not None and offset < self._next

    def lacks_before(self, offset: int) -> bool:
        """Return whether there are offsets between the last record and this one."""
        return self._next is not None and offset > self._next

    @property
    def first_to_read(self) -> int | None:
        """The offset to begin to read at: that of the last record that is done, which is proof of the log."""
        if self.start is None:
            return None
        return self.start.offset - 1 if self.awaits_proof else self.start.offset

    def is_proof(self, offset: int) -> bool:
        """Return whether this is the record before the start. `holds` then says what it proves."""
        awaited, self.awaits_proof = self.awaits_proof, False
        return awaited and self.start is not None and offset == self.start.offset - 1

    def holds(self, leader_epoch: int | None) -> bool:
        """Return whether the log up to the start is the one that was read, given the epoch of its last record.

        A leader that lacks records writes others in their place, and in a later epoch.
        """
        return self.start is not None and self.start.leader_epoch == leader_epoch

    def from_its_start(self) -> Lane:
        """Return a lane for the same partition that begins where this one began."""
        return Lane(self.place, self.start, topic_id=self.topic_id, reads_all=self.reads_all)

    def again_from(self, offset: int) -> Lane:
        """Return a lane for the same partition after its log went back to this offset.

        The records still open in the old log are settled in the old lane, and change nothing in this one.
        """
        lane = Lane(self.place, Position(offset), topic_id=self.topic_id)
        lane.missed = self.missed
        lane.asked_to_commit = lane.committed = None
        return lane

    def open(self, offset: int, leader_epoch: int | None = None, log_start: int = 0) -> None:
        """Register the record at this offset; none below it must come afterwards.

        `log_start` is the lowest offset that Kafka keeps. If it is in the gap before the record, then Kafka
        deleted records before they were read, and they are counted as missed. Other offsets in a gap belong to
        the marks of transactions, and to records of transactions that were aborted.
        """
        if self._next is not None:
            self.missed += max(0, min(offset, log_start) - self._next)
        self._next = offset + 1
        if not self._opened:
            self.done_up_to = offset
            self.idle.clear()
        self._opened.append(offset)
        if not self._epochs or leader_epoch != self._epochs[-1][1]:
            self._epochs.append((offset, leader_epoch))
            while len(self._epochs) > 1 and self._epochs[1][0] < self._opened[0]:
                self._epochs.popleft()

    def reached(self, offset: int) -> None:
        """Register that the partition has nothing more to read before this offset, which is its end."""
        self._next = offset
        if not self._opened:
            self.done_up_to = offset

    # MessageSource, called by the intake

    def name_of(self, handle: int) -> str:
        """Return where this record is, for people."""
        return f"record {handle} of partition {self.partition} of the Kafka topic {self.topic}"

    def settle(self, handles: Sequence[int]) -> None:
        """Mark these records as stored or quarantined."""
        opened, settled = self._opened, self._settled
        settled.update(handles)
        while opened and opened[0] in settled:
            settled.discard(opened.popleft())
        self.done_up_to = opened[0] if opened else self._next
        if not opened:
            self.idle.set()
