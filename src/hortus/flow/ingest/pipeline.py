"""The ingest pipeline: accepts messages from transports and stores or quarantines each of them.

    offer -> (wait for a batch) -> read -> look up -> store -> settle

Memory is bounded by asking transports to stop reading (P6). A database that is down or hangs only stops the
settling, and thereby the senders: the same workers retry the batch indefinitely.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import asyncpg

from hortus.base.database.damage import is_damage
from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import describe_error
from hortus.base.intake import MessageSource
from hortus.base.quotas import LATE_MONTHS_PER_HOUR
from hortus.base.supervision import note_success
from hortus.domain.kits.registry import KitRegistry, existing_peripherals
from hortus.flow.ingest.batch import Knowledge, ReadMessage, knowledge_in_memory, read_messages
from hortus.flow.ingest.damage_watch import DamageWatch
from hortus.flow.ingest.database_link import (
    FAULT_OF_THE_ROWS,
    UNFORESEEN_IN_ROWS,
    Connect,
    DatabaseLink,
)
from hortus.flow.ingest.media_lane import MediaLane
from hortus.flow.ingest.messages import (
    DEFAULT_CLOCK_TOLERANCE_MS,
    InboundMessage,
    NobodyWaits,
    QuarantineVerdict,
    about_head,
    is_medium,
    serial_and_stream,
)
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.ingest.months import OpenMonths
from hortus.flow.ingest.open_account import OpenAccount
from hortus.flow.ingest.outcome import StoredBatch
from hortus.flow.ingest.peripherals import PeripheralsChanged
from hortus.flow.ingest.store import store_batch
from hortus.protocol.mqtt.topics import KitTopic, TopicChannel
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.messages import RawMeasurement

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestLimits:
    """Bounds on the messages in memory, and timeouts."""

    batch_messages: int = 2000
    """Larger batches are hardly faster, and delay the acknowledgement of their first message."""

    batch_bytes: int = 8 * 1024 * 1024
    """A batch is closed at this size; a larger message is a batch of its own."""

    linger_seconds: float = 0.01
    """How long the first message of a batch waits for others when there is little traffic."""

    waiting_messages: int = 10_000
    """Beyond this many, transports stop reading."""

    waiting_bytes: int = 64 * 1024 * 1024
    """Beyond this, too."""

    workers: int = 2
    """Batches in progress at once: one is prepared while the database processes the other."""

    attempt_seconds: float = 8.0
    """After this a database that does not answer counts as hanging, and the connection is aborted."""

    longest_pause_seconds: float = 3.0
    """Upper bound of the backoff between attempts, so that recovery is noticed soon."""

    clock_tolerance_ms: int = DEFAULT_CLOCK_TOLERANCE_MS
    """How far a kit's clock may be ahead of ours."""

    late_months_per_hour: int | None = LATE_MONTHS_PER_HOUR
    """How many months late readings of one kit may open within an hour; None for any number."""


_FAULT_OF_THE_SURROUNDINGS = CONNECTION_FAILURES


class IngestPipeline:
    """The intake of all transports of one process. Call `run` once; it ends when `stop` has drained it.

    Media go to their own lane, which runs and stops with the pipeline; without one they are quarantined until
    they can be stored. The pipeline's properties and metrics cover the readings alone.
    """

    def __init__(
        self,
        connect: Connect,
        registry: KitRegistry,
        *,
        limits: IngestLimits | None = None,
        metrics: IngestMetrics | None = None,
        media: MediaLane | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connect = connect
        self._registry = registry
        self._limits = limits or IngestLimits()
        self.metrics = metrics or IngestMetrics()
        self._media = media
        self._clock = clock
        self._waiting: deque[InboundMessage] = deque()
        self._under_way: dict[DatabaseLink, int] = {}
        self._open = OpenAccount(
            max_messages=self._limits.waiting_messages, max_bytes=self._limits.waiting_bytes
        )
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._stopping = False
        self._months = OpenMonths(self._limits.late_months_per_hour)
        self._damage = DamageWatch(connect, self.metrics)

    # What transports call

    @property
    def saturated(self) -> bool:
        """Whether transports should stop reading."""
        return self._open.is_full

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once when there is room again, immediately if there is room now."""
        self._open.when_relieved(callback)

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        """Accept one message."""
        self.take(InboundMessage(source, handle, topic, payload, self._now_ms()))

    def offer_reading(self, source: MessageSource, handle: int, serial: str, reading: RawMeasurement) -> None:
        """Accept one reading that is already a value."""
        topic = str(KitTopic(serial=serial, channel=TopicChannel.MEASUREMENT_RAW))
        self.take(InboundMessage(source, handle, topic, b"", self._now_ms(), content=reading))

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        """Accept the head of a message that was too large."""
        serial, _ = serial_and_stream(topic)
        reason = Reason.PAYLOAD_TOO_LARGE
        self.set_aside(source, handle, topic, head, serial=serial, reason=reason, payload_bytes=payload_bytes)

    def set_aside(
        self,
        source: MessageSource,
        handle: int,
        topic: str,
        payload: bytes,
        *,
        serial: str,
        reason: Reason,
        payload_bytes: int = 0,
    ) -> None:
        """Accept, for quarantine, a message of this kit that the transport already knows to be invalid.

        If `payload_bytes` exceeds the length of `payload`, only the head is present, and this is recorded.
        """
        is_head = payload_bytes > len(payload)
        detail = about_head(payload_bytes, len(payload)) if is_head else reason.explanation
        message = InboundMessage(
            source, handle, topic, payload, self._now_ms(), QuarantineVerdict(reason, detail), serial
        )
        if is_head:
            message.whole_bytes = payload_bytes
        self.take(message)

    def count_refused(self, topic: str, *, serial: str, reason: Reason) -> None:
        """Count in the ledger a message of this kit that a transport has rejected to its sender."""
        verdict = QuarantineVerdict(reason, reason.explanation, refused_already=True)
        self.take(InboundMessage(NobodyWaits(), 0, topic, b"", self._now_ms(), verdict, serial))

    def take(self, message: InboundMessage) -> None:
        """Accept a message that already has an arrival time, such as one from a Kafka record."""
        if is_medium(message.topic) and message.verdict is None:
            if self._media is not None:
                self._media.take(message)
                return
            message.verdict = QuarantineVerdict(
                Reason.MEDIA_STORAGE_PENDING, Reason.MEDIA_STORAGE_PENDING.explanation
            )
        self._waiting.append(message)
        self._open.add(len(message.payload))
        if not self._arrived.is_set():
            self._arrived.set()

    # Running and stopping

    async def run(self) -> None:
        """Run until `stop` was called and everything that could be stored is stored.

        May be run again after it has failed or was cancelled: what was accepted is stored then.
        """
        pause_seconds = self._limits.longest_pause_seconds
        links = [DatabaseLink(self._connect, pause_seconds) for _ in range(self._limits.workers)]
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(link)) for link in links]
            if self._media is not None:
                group.create_task(self._media.run())
            await self._drained.wait()
            for link, worker in zip(links, workers, strict=True):
                # The connection first: a worker cancelled inside a transaction would wait for its ROLLBACK.
                link.drop()
                worker.cancel()

    async def stop(self, timeout_seconds: float) -> bool:
        """Finish the accepted messages within the timeout. Return whether all of them were settled.

        Transports must have stopped offering. An unsettled message was not acknowledged: its sender keeps it.
        """
        self._stopping = True
        self._arrived.set()
        own, media = await asyncio.gather(self._stop(timeout_seconds), self._stop_media(timeout_seconds))
        return own and media

    async def _stop_media(self, timeout_seconds: float) -> bool:
        return self._media is None or await self._media.stop(timeout_seconds)

    async def _stop(self, timeout_seconds: float) -> bool:
        complete = await self._open.is_emptied(timeout_seconds)
        if not complete:
            log.warning("stopping with %d messages not stored; their senders keep them", self._open.messages)
        self._drained.set()
        return complete

    # The path of a batch

    async def _work(self, link: DatabaseLink) -> None:
        messages: list[InboundMessage] = []
        try:
            while not self._drained.is_set():
                messages = await self._next_batch()
                self._under_way[link] = messages[0].received_at_ms
                batch = read_messages(messages, self._limits.clock_tolerance_ms)
                await self._store_until_done(link, batch)
                note_success()
                del self._under_way[link]
        finally:
            link.drop()
            self._put_back(link, messages)

    def _put_back(self, link: DatabaseLink, messages: list[InboundMessage]) -> None:
        """Return to the queue what an ended worker has not settled: the next one stores it."""
        self._under_way.pop(link, None)
        self._waiting.extendleft(message for message in reversed(messages) if not message.is_settled)
        self._arrived.set()

    async def _store_until_done(self, link: DatabaseLink, batch: list[ReadMessage]) -> None:
        """Store the batch however long it takes; messages that the database rejects are quarantined."""
        batch_id = uuid4()
        as_sent = batch
        # Checked here as well, because a broken connection can mask the cancellation of this task.
        while not self._drained.is_set():
            try:
                stored = await self._store_once(link, batch_id, batch)
            except PeripheralsChanged:
                self._registry.forget_everything()
            except FAULT_OF_THE_ROWS as error:
                if _is_missing_partition(error):
                    self._months.forget()
                elif _can_be_isolated(batch):
                    await self._isolate(link, batch, error)
                    return
                else:
                    await link.failed(error)
            except _FAULT_OF_THE_SURROUNDINGS as error:
                self.metrics.failed_attempts += 1
                if not is_damage(error):
                    await link.failed(error)
                    continue
                await self._damage.noticed(error, sets_aside=_can_be_isolated(batch))
                if len(batch) > 1:
                    await self._isolate(link, batch, error)
                    return
                batch = await self._around_damage(link, as_sent[0], error)
            except UNFORESEEN_IN_ROWS as error:
                if _can_be_isolated(batch):
                    await self._isolate(link, batch, error)
                    return
                await link.failed(error)
            except Exception as error:  # noqa: BLE001  (the end of the process would not help: it comes again)
                await link.failed(error)
            else:
                link.succeeded()
                self._settle(batch, stored)
                return

    async def _around_damage(
        self, link: DatabaseLink, as_sent: ReadMessage, error: Exception
    ) -> list[ReadMessage]:
        """Return the form in which to try a message next: for quarantine, or if that failed too, as sent."""
        message = as_sent.message
        if message.verdict is None:
            message.verdict = QuarantineVerdict(Reason.DATABASE_DAMAGED, str(error))
            return [replace(as_sent, content=message.verdict)]
        await link.failed(error)
        if message.verdict.reason is Reason.DATABASE_DAMAGED:
            message.verdict = None
        return [as_sent]

    async def _store_once(
        self, link: DatabaseLink, batch_id: UUID, batch: list[ReadMessage]
    ) -> StoredBatch | None:
        connection = await link.connection()
        with link.at_most(self._limits.attempt_seconds):
            knowledge = await self._look_up(connection, batch)
            resolved = await self._months.resolve(connection, batch, knowledge)
            return await store_batch(connection, batch_id, resolved)

    async def _look_up(self, connection: asyncpg.Connection, batch: list[ReadMessage]) -> Knowledge:
        knowledge, missing = knowledge_in_memory(batch, self._registry)
        if missing:
            if missing.serials:
                knowledge.kits.update(await self._registry.load_kits(connection, missing.serials))
            quantity_types = knowledge.quantity_types
            if missing.quantity_types:
                quantity_types = await self._registry.load_quantity_types(connection)
            others = await existing_peripherals(connection, missing.peripheral_ids)
            knowledge = Knowledge(knowledge.kits, quantity_types, others)
        return knowledge

    async def _isolate(self, link: DatabaseLink, batch: list[ReadMessage], error: Exception) -> None:
        """Bisect a rejected batch until the message that the database rejects is alone (P4)."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._store_until_done(link, batch[:middle])
            await self._store_until_done(link, batch[middle:])
            return
        message = batch[0].message
        log.error("a message on %s cannot be stored: %s", message.topic, describe_error(error))
        message.verdict = QuarantineVerdict(Reason.REFUSED_BY_DATABASE, describe_error(error))
        await self._store_until_done(link, [replace(batch[0], content=message.verdict)])

    def _settle(self, batch: list[ReadMessage], stored: StoredBatch | None) -> None:
        by_source: dict[MessageSource, list[int]] = {}
        size = 0
        for read in batch:
            message = read.message
            message.is_settled = True
            size += len(message.payload)
            by_source.setdefault(message.source, []).append(message.handle)
        for source, handles in by_source.items():
            source.settle(handles)
        self.metrics.count_batch(len(batch), stored, self._clock())
        self._open.remove(len(batch), size)

    # Waiting for messages

    async def _next_batch(self) -> list[InboundMessage]:
        """Return the next messages in order of arrival, once a batch is full or the linger time is over."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            if len(self._waiting) < self._limits.batch_messages and not self._stopping:
                await asyncio.sleep(self._limits.linger_seconds)
            if self._waiting:  # another worker may have taken them in the meantime
                break
        batch: list[InboundMessage] = []
        size = 0
        while self._waiting and len(batch) < self._limits.batch_messages:
            size += len(self._waiting[0].payload)
            if batch and size > self._limits.batch_bytes:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    # What others may look at

    @property
    def media(self) -> MediaLane | None:
        """The lane that media are passed to, if any."""
        return self._media

    @property
    def open_messages(self) -> int:
        """The number of messages accepted and not settled yet."""
        return self._open.messages

    @property
    def oldest_wait_seconds(self) -> float:
        """The age of the oldest unsettled message; the measure of health (P9)."""
        oldest = list(self._under_way.values())
        if self._waiting:
            oldest.append(self._waiting[0].received_at_ms)
        return max(0.0, self._clock() - min(oldest) / 1000) if oldest else 0.0


class MediaIntake:
    """The pipeline as seen by a transport that carries only media: backpressure is that of the media lane."""

    def __init__(self, pipeline: IngestPipeline) -> None:
        self._pipeline = pipeline
        self._pressure = pipeline.media or pipeline

    @property
    def saturated(self) -> bool:
        """Whether the transport should stop reading."""
        return self._pressure.saturated

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once when there is room again, immediately if there is room now."""
        self._pressure.when_relieved(callback)

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        """Accept one message."""
        self._pipeline.offer(source, handle, topic, payload)

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        """Accept the head of a message that was too large."""
        self._pipeline.offer_head(source, handle, topic, head, payload_bytes)


def _can_be_isolated(batch: list[ReadMessage]) -> bool:
    """Return whether there is still something to split or set aside: not a single message for quarantine."""
    return len(batch) > 1 or batch[0].message.verdict is None


def _is_missing_partition(error: Exception) -> bool:
    return isinstance(error, asyncpg.CheckViolationError) and "no partition" in str(error)
