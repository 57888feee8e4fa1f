"""The path of a medium, separate from that of readings so that 64 MiB do not delay them.

    take -> read -> look up -> object into the store -> row, ledger -> settle

The object first, the row second, the acknowledgement last: a crash in between leaves at most an object without
a row, which the redelivery completes or the sweeper removes (docs/media.md). While the store or the database is
unavailable, the message is not acknowledged, and storing it is retried indefinitely.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg

from hortus.base.database.damage import is_damage
from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import describe_error
from hortus.domain.kits.registry import KitRegistry, existing_peripherals
from hortus.domain.media.objects import MediaObjects, ObjectStoreNotAnswering
from hortus.flow.ingest.batch import (
    Knowledge,
    ReadMessage,
    ResolvedBatch,
    ToQuarantine,
    knowledge_in_memory,
    read_messages,
    resolve,
)
from hortus.flow.ingest.damage_watch import DamageWatch
from hortus.flow.ingest.database_link import (
    FAULT_OF_THE_ROWS,
    UNFORESEEN_IN_ROWS,
    Connect,
    DatabaseLink,
)
from hortus.flow.ingest.media_objects import put_object, verdict_on
from hortus.flow.ingest.messages import DEFAULT_CLOCK_TOLERANCE_MS, InboundMessage, QuarantineVerdict, Stream
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.ingest.open_account import OpenAccount
from hortus.flow.ingest.outcome import StoredBatch
from hortus.flow.ingest.peripherals import PeripheralsChanged
from hortus.flow.ingest.store import (
    MediumIdTaken,
    known_media,
    store_batch,
)
from hortus.protocol.reasons import Reason

log = logging.getLogger(__name__)

_SMALL_BYTES = 64 * 1024
_TELL_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """Bounds on the media in memory, and timeouts."""

    waiting_messages: int = 1000
    """Beyond this many, transports of media stop reading."""

    waiting_bytes: int = 64 * 1024 * 1024
    """Beyond this many bytes they stop as well. A single medium of maximum size reaches it."""

    workers: int = 2
    """Media in progress at once: one is being stored while the next is decoded."""

    attempt_seconds: float = 30.0
    """After this a database that does not answer counts as hanging; 64 MiB in quarantine take long."""

    longest_pause_seconds: float = 10.0
    """Upper bound of the backoff between attempts."""

    clock_tolerance_ms: int = DEFAULT_CLOCK_TOLERANCE_MS
    """How far a kit's clock may be ahead of ours."""


class MediaLane:
    """Stores the media of one process. Call `run` once; it ends when `stop` has drained it."""

    def __init__(
        self,
        connect: Connect,
        registry: KitRegistry,
        objects: MediaObjects,
        *,
        limits: MediaLimits | None = None,
        metrics: IngestMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connect = connect
        self._registry = registry
        self._objects = objects
        self._limits = limits or MediaLimits()
        self._metrics = metrics or IngestMetrics()
        self._clock = clock
        self._waiting: deque[InboundMessage] = deque()
        self._under_way: dict[DatabaseLink, InboundMessage] = {}
        self._open = OpenAccount(
            max_messages=self._limits.waiting_messages, max_bytes=self._limits.waiting_bytes
        )
        self._damage = DamageWatch(connect, self._metrics)
        self._object_failures = 0  # since the last success
        self._told_at = -math.inf
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()

    # What transports and the pipeline call

    @property
    def saturated(self) -> bool:
        """Whether transports of media should stop reading."""
        return self._open.is_full

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once when there is room again, immediately if there is room now."""
        self._open.when_relieved(callback)

    def take(self, message: InboundMessage) -> None:
        """Accept a medium."""
        self._waiting.append(message)
        self._open.add(len(message.payload))
        self._arrived.set()

    # Running and stopping

    async def run(self) -> None:
        """Run until `stop` was called and everything that could be stored is stored."""
        pause_seconds = self._limits.longest_pause_seconds
        links = [DatabaseLink(self._connect, pause_seconds) for _ in range(self._limits.workers)]
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(link)) for link in links]
            await self._drained.wait()
            for link, worker in zip(links, workers, strict=True):
                # The connection first: a worker cancelled inside a transaction would wait for its ROLLBACK.
                link.drop()
                worker.cancel()

    async def stop(self, timeout_seconds: float) -> bool:
        """Finish the accepted media within the timeout. Return whether all of them were settled."""
        complete = await self._open.is_emptied(timeout_seconds)
        if not complete:
            log.warning("stopping with %d media not stored; their senders keep them", self._open.messages)
        self._drained.set()
        return complete

    # The path of a medium

    async def _work(self, link: DatabaseLink) -> None:
        try:
            while not self._drained.is_set():
                while not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
                message = self._waiting.popleft()
                self._under_way[link] = message
                await self._store_until_done(link, await self._read(message))
                del self._under_way[link], message
        finally:
            link.drop()
            # The worker has ended with this medium in hand: the next one stores it.
            if (unsettled := self._under_way.pop(link, None)) is not None:
                self._waiting.appendleft(unsettled)
                self._arrived.set()

    async def _read(self, message: InboundMessage) -> ReadMessage:
        """Decode the message; a large one in a thread, to keep the event loop free."""
        tolerance_ms = self._limits.clock_tolerance_ms
        if len(message.payload) <= _SMALL_BYTES:
            (read,) = read_messages([message], tolerance_ms)
        else:
            (read,) = await asyncio.to_thread(read_messages, [message], tolerance_ms)
        return read

    async def _store_until_done(self, link: DatabaseLink, read: ReadMessage) -> None:
        batch_id = uuid4()
        may_be_stored = False
        # Checked here as well, because a broken connection can mask the cancellation of this task.
        while not self._drained.is_set():
            try:
                stored = await self._store_once(link, batch_id, read)
            except (PeripheralsChanged, MediumIdTaken):
                self._registry.forget_everything()
            except ObjectStoreNotAnswering as error:
                await self._pause(error)
                if self._waiting and not may_be_stored:
                    # The store may be rejecting this object, so move it to the end of the queue where it does
                    # not hold up others (P4). Not if an earlier COMMIT may have succeeded, which can only be
                    # detected with the same batch id (P3).
                    self._waiting.append(read.message)
                    return
            except FAULT_OF_THE_ROWS as error:
                read = await self._refused(link, read, error)
            except CONNECTION_FAILURES as error:
                self._metrics.failed_attempts += 1
                if not is_damage(error):
                    may_be_stored = True
                    await link.failed(error)
                    continue
                await self._damage.noticed(error, sets_aside=False)
                await link.failed(error)
                if self._waiting and not may_be_stored:
                    self._waiting.append(read.message)  # as above: others may not need the damaged page
                    return
            except UNFORESEEN_IN_ROWS as error:
                read = await self._refused(link, read, error)
            except Exception as error:  # noqa: BLE001  (the end of the process would not help: it comes again)
                await link.failed(error)
            else:
                link.succeeded()
                self._object_failures = 0
                self._settle(read.message, stored)
                return

    async def _refused(self, link: DatabaseLink, read: ReadMessage, error: Exception) -> ReadMessage:
        """Return what to store instead of a medium that cannot be stored: the same in quarantine."""
        if isinstance(read.content, QuarantineVerdict):
            await link.failed(error)
            return read
        log.error("a medium on %s cannot be stored: %s", read.message.topic, describe_error(error))
        return _set_aside(read, QuarantineVerdict(Reason.REFUSED_BY_DATABASE, describe_error(error)))

    async def _store_once(self, link: DatabaseLink, batch_id: UUID, read: ReadMessage) -> StoredBatch | None:
        connection = await link.connection()
        with link.at_most(self._limits.attempt_seconds):
            resolved = await self._look_up(connection, read)
            known = await known_media(connection, resolved.media)
        for each in resolved.media:
            verdict = verdict_on(each, known)
            if verdict is not None:
                resolved = _quarantining(resolved, read, each.kit_id, verdict)
                break
            # Outside any transaction, since it may take minutes.
            await put_object(self._objects, each, known)
        with link.at_most(self._limits.attempt_seconds):
            return await store_batch(connection, batch_id, resolved)

    async def _look_up(self, connection: asyncpg.Connection, read: ReadMessage) -> ResolvedBatch:
        knowledge, missing = knowledge_in_memory([read], self._registry)
        if missing:
            knowledge.kits.update(await self._registry.load_kits(connection, missing.serials))
            others = await existing_peripherals(connection, missing.peripheral_ids)
            knowledge = Knowledge(knowledge.kits, knowledge.quantity_types, others)
        return resolve([read], knowledge)

    async def _pause(self, error: ObjectStoreNotAnswering) -> None:
        self._object_failures += 1
        if time.monotonic() - self._told_at > _TELL_SECONDS:
            self._told_at = time.monotonic()
            log.error(
                "%s does not take media now (%s); they wait", self._objects.description, describe_error(error)
            )
        pause_seconds = min(self._limits.longest_pause_seconds, 0.1 * 2.0 ** min(self._object_failures, 10))
        await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)

    def _settle(self, message: InboundMessage, stored: StoredBatch | None) -> None:
        message.source.settle((message.handle,))
        self._metrics.count_batch(1, stored, self._clock())
        self._open.remove(1, len(message.payload))

    # What others may look at

    @property
    def open_messages(self) -> int:
        """The number of media accepted and not settled yet."""
        return self._open.messages

    @property
    def open_bytes(self) -> int:
        """The total size of their payloads in bytes."""
        return self._open.payload_bytes

    @property
    def oldest_wait_seconds(self) -> float:
        """The age of the oldest unsettled medium."""
        # Not simply the first in the queue: one that the store rejected is behind younger ones.
        oldest = [message.received_at_ms for message in (*self._under_way.values(), *self._waiting)]
        return max(0.0, self._clock() - min(oldest) / 1000) if oldest else 0.0


def _set_aside(read: ReadMessage, verdict: QuarantineVerdict) -> ReadMessage:
    return ReadMessage(read.message, read.serial, read.stream, verdict)


def _quarantining(
    resolved: ResolvedBatch, read: ReadMessage, kit_id: int, verdict: QuarantineVerdict
) -> ResolvedBatch:
    """Return the batch of this one message with the message quarantined instead of stored."""
    quarantined = [ToQuarantine(read.message, kit_id, Stream.MEDIA, verdict)]
    return ResolvedBatch(quarantined=quarantined, received=resolved.received)
