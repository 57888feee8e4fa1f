"""The intake that writes to Kafka: a message is settled when all in-sync replicas have it (P1).

    offer -> record -> (the library sends it, with retries) -> delivery report -> settle

The library's producer is idempotent and never gives up on a record by itself, so an unavailable Kafka only
stops the settling, and thereby the senders. Records reported as failed are sent again; of a message that is too
large for its topic only the beginning, as a dead letter (P3).

The proof that Kafka has a record is its offset. The library also reports records as delivered when it merely
infers that Kafka must have them because it accepted a later one; but a broker accepts any record as the first
from a producer it does not know in a partition. Such a report has no offset, and the record is sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from hortus.base.intake import KEPT_HEAD_BYTES, MessageSource
from hortus.flow.ingest.messages import QuarantineVerdict, about_head, serial_and_stream
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.ingest.open_account import OpenAccount
from hortus.flow.kafka.connection import BrokerWatch, KafkaConnection
from hortus.flow.kafka.records import OutgoingRecord, dead_letter, record_of
from hortus.flow.kafka.topics import LARGEST_RECORD_BYTES, TopicNames
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.limits import MEBIBYTE

log = logging.getLogger(__name__)

_RECORD_OVERHEAD_BYTES = 512
_POLL_SECONDS = 0.1
_FLUSH_SECONDS = 1.0

# A large medium takes long on a slow line, so the client waits longer for a response than Kafka may take.
_LOST_AFTER_REQUEST_TIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaIntakeLimits:
    """Bounds on the messages on their way to Kafka, and timing.

    waiting_messages, waiting_bytes: beyond either, transports stop reading.
    linger_ms: how long a record waits to be batched: larger requests cost both sides less per record.
    retry_seconds: pause before a record that was reported as failed is sent again.
    request_seconds: how long Kafka may take for one request. One that is not answered in three times that is
        repeated on a new connection.
    requests_in_flight: the number of concurrent requests per broker. With more than one, a later one may be
        written although an earlier one fails, and a kit's readings lose their order.
    """

    waiting_messages: int = 20_000
    waiting_bytes: int = 64 * MEBIBYTE
    linger_ms: int = 5
    retry_seconds: float = 1.0
    request_seconds: float = 10.0
    requests_in_flight: int = 1


@dataclass(slots=True, eq=False)
class _OpenMessage:
    """A message that is not yet confirmed by Kafka."""

    source: MessageSource
    handle: int
    topic: str
    payload: bytes
    received_at_ms: int
    record: OutgoingRecord
    is_cut: bool = False
    producer: Producer | None = None


class _Report(NamedTuple):
    """The library's delivery report for a record."""

    message: _OpenMessage
    producer: Producer
    error: KafkaError | None
    offset: int | None


class KafkaIntake:
    """The intake of one ingester. Use it in `async with`, which ends the background thread."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: TopicNames,
        *,
        limits: KafkaIntakeLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.metrics = IngestMetrics()
        self.brokers = BrokerWatch()
        self._connection = connection
        self._names = names
        self._limits = limits or KafkaIntakeLimits()
        self._clock = clock
        self._open: dict[_OpenMessage, None] = {}
        self._account = OpenAccount(
            max_messages=self._limits.waiting_messages, max_bytes=self._limits.waiting_bytes
        )
        self._to_send: deque[_OpenMessage] = deque()
        self._reports: deque[_Report] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._told_failures: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        self._producer = self._new_producer()
        self._poller = threading.Thread(target=self._poll, name="kafka delivery reports", daemon=True)

    async def __aenter__(self) -> KafkaIntake:
        """Start polling for delivery reports."""
        self._poller.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Discard unsettled messages: they were not acknowledged, so their senders keep them."""
        self._ended.set()
        await asyncio.to_thread(self._poller.join)
        if self._retry is not None:
            self._retry.cancel()
        self._producer.purge()

    # What transports call

    @property
    def saturated(self) -> bool:
        """Whether transports should stop reading."""
        return self._account.is_full

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once when there is room again, immediately if there is room now."""
        self._account.when_relieved(callback)

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        """Accept one message, for the topic of its stream or, if it cannot be decoded, the dead letters."""
        received_at_ms = int(self._clock() * 1000)
        record = record_of(self._names, topic, payload, received_at_ms)
        self._take(_OpenMessage(source, handle, topic, payload, received_at_ms, record))

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        """Accept the head of a message that was too large, as a dead letter."""
        received_at_ms = int(self._clock() * 1000)
        verdict = QuarantineVerdict(Reason.PAYLOAD_TOO_LARGE, about_head(payload_bytes, len(head)))
        record = dead_letter(self._names, topic, head, received_at_ms, verdict, whole_bytes=payload_bytes)
        self._take(_OpenMessage(source, handle, topic, head, received_at_ms, record, is_cut=True))

    def _take(self, message: _OpenMessage) -> None:
        self._open[message] = None
        self._account.add(len(message.payload))
        self._send(message)

    # Stopping

    async def stop(self, timeout_seconds: float) -> bool:
        """Wait until Kafka has all accepted messages or the timeout expires. Return whether it has all of them.

        Transports must have stopped offering.
        """
        complete = await self._account.is_emptied(timeout_seconds)
        if not complete:
            log.warning("stopping with %d messages not in Kafka; their senders keep them", len(self._open))
        return complete

    # Sending

    def _send(self, message: _OpenMessage) -> None:
        record = message.record
        message.producer = self._producer
        try:
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                on_delivery=partial(self._delivered, message, self._producer),
                timestamp=message.received_at_ms,
                headers=record.headers,
            )
        except BufferError:
            self._send_later(message)
        except KafkaException as error:
            self._failed(message, error.args[0])

    def _send_later(self, message: _OpenMessage) -> None:
        message.producer = None
        self._to_send.append(message)
        if self._retry is None:
            self._retry = self._loop.call_later(self._limits.retry_seconds, self._send_again)

    def _send_again(self) -> None:
        self._retry = None
        waiting, self._to_send = self._to_send, deque()
        for message in waiting:
            if message in self._open:  # otherwise a late report has proved that Kafka has it
                self._send(message)

    # Delivery reports

    def _poll(self) -> None:
        """Run the library's callbacks in this dedicated thread, and wake the event loop once per batch."""
        while not self._ended.is_set():
            producer = self._producer
            try:
                producer.poll(_POLL_SECONDS)
            except KafkaException as error:  # concerns the producer as a whole
                self._call_soon(self._in_trouble, producer, error.args[0])
                self._ended.wait(_POLL_SECONDS)
            if self._reports:
                self._call_soon(self._take_reports)

    def _call_soon(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    def _delivered(
        self, message: _OpenMessage, producer: Producer, error: KafkaError | None, record: Message
    ) -> None:
        self._reports.append(_Report(message, producer, error, record.offset()))

    def _take_reports(self) -> None:
        settled: list[_OpenMessage] = []
        failed: list[_Report] = []
        while self._reports:
            report = self._reports.popleft()
            if report.error is None and report.offset is not None:
                settled.append(report.message)
            else:
                failed.append(report)
        if settled:
            self.brokers.answered()
            self._told_failures.clear()
            self._settle(settled)
        for message, producer, error, _ in failed:
            if message not in self._open or message.producer is not producer:
                continue  # it has been, or will be, passed to another producer
            if error is None:
                self._unproven(message)
            else:
                self._failed(message, error)

    def _unproven(self, message: _OpenMessage) -> None:
        self.metrics.failed_attempts += 1
        log.warning(
            "Kafka did not confirm a record for the topic %s; sending it again, nothing is lost",
            message.record.topic,
        )
        self._send_later(message)

    def _in_trouble(self, producer: Producer, error: KafkaError) -> None:
        if _is_fatal(error) and producer is self._producer:
            self._replace_producer()

    def _failed(self, message: _OpenMessage, error: KafkaError) -> None:
        self.metrics.failed_attempts += 1
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE and not message.is_cut:
            self._cut(message)
            return
        if _is_fatal(error):
            if message.producer is self._producer:
                self._replace_producer()
                return
        elif error.code() not in _PURGED | self._told_failures:
            self._told_failures.add(error.code())
            log.error(
                "Kafka does not accept records for the topic %s (%s); they wait and nothing is lost. "
                "See `hortus kafka topics check`.",
                message.record.topic,
                error.str(),
            )
        self._send_later(message)

    def _cut(self, message: _OpenMessage) -> None:
        """Replace the record with a dead letter containing the beginning of the message, which fits any topic.

        A message no longer than that is kept whole: not the message itself but its overhead was too large.
        """
        whole_bytes, head = len(message.payload), message.payload[:KEPT_HEAD_BYTES]
        detail = f"The message is larger than the Kafka topic {message.record.topic} takes."
        is_head = len(head) < whole_bytes
        if is_head:
            detail += f" {about_head(whole_bytes, len(head))}"
        message.record = dead_letter(
            self._names,
            message.topic,
            head,
            message.received_at_ms,
            QuarantineVerdict(Reason.PAYLOAD_TOO_LARGE, detail),
            whole_bytes=whole_bytes if is_head else None,
        )
        message.is_cut = True
        self._send(message)

    def _settle(self, messages: Iterable[_OpenMessage]) -> None:
        by_source: dict[MessageSource, list[int]] = {}
        count = size = 0
        for message in messages:
            if message not in self._open:  # it was sent twice
                continue
            count += 1
            del self._open[message]
            size += len(message.payload)
            by_source.setdefault(message.source, []).append(message.handle)
            self._count(message)
        for source, handles in by_source.items():
            source.settle(handles)
        self.metrics.batches += 1
        self.metrics.messages += count
        self.metrics.last_commit_at = self._clock()
        self._account.remove(count, size)

    def _count(self, message: _OpenMessage) -> None:
        _, stream = serial_and_stream(message.topic)
        outcome = "dead-letter" if message.record.topic == self._names.dead_letter else "delivered"
        self.metrics.outcomes[(outcome, stream)] += 1

    # The library's producer

    def _new_producer(self) -> Producer:
        return Producer(self._connection.configuration("hortus-ingest", self.brokers.error) | self._settings())

    def _settings(self) -> dict[str, Any]:
        return {
            "enable.idempotence": True,
            "acks": "all",
            # Never time out: the sender still has the message, and giving up would only delay it.
            "message.timeout.ms": 0,
            "request.timeout.ms": round(self._limits.request_seconds * 1000),
            # The timeout above applies within Kafka; this one is for requests that are never answered.
            "socket.timeout.ms": round(self._limits.request_seconds * 1000 * _LOST_AFTER_REQUEST_TIMES),
            "linger.ms": self._limits.linger_ms,
            "max.in.flight.requests.per.connection": self._limits.requests_in_flight,
            "compression.type": "lz4",
            "message.max.bytes": LARGEST_RECORD_BYTES + _RECORD_OVERHEAD_BYTES,
            # Our own limits bound the queue; these are set so that they are never reached first.
            "queue.buffering.max.messages": 10 * self._limits.waiting_messages,
            "queue.buffering.max.kbytes": 1024 * 1024,
            "topic.metadata.refresh.interval.ms": 30_000,
            # How long an unknown topic is assumed to be newly created before an error is reported.
            "topic.metadata.propagation.max.ms": round(self._limits.request_seconds * 1000),
        }

    def _replace_producer(self) -> None:
        """Replace the producer after an error that the library cannot recover from by itself.

        Records still held by the old one are sent again. Kafka may already have them; a second copy has no
        effect (P2).
        """
        log.error("reconnecting to Kafka after a fatal error; nothing is lost")
        old, self._producer = self._producer, self._new_producer()
        for message in self._open:
            if message.producer is old:
                self._send_later(message)
        old.purge()
        with contextlib.suppress(KafkaException):  # the same fatal error again
            old.flush(_FLUSH_SECONDS)  # delivers the reports of purged records, which reference the messages

    # What others may look at

    @property
    def open_messages(self) -> int:
        """The number of messages accepted and not settled yet."""
        return len(self._open)

    @property
    def oldest_wait_seconds(self) -> float:
        """How long the oldest message has been waiting for Kafka."""
        oldest = next(iter(self._open), None)
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest.received_at_ms / 1000)

    def trouble(self, seconds: float) -> str:
        """Return what has been wrong for this many seconds, and what to do, as sentences."""
        reason = self.brokers.last_reason
        return (
            f"A message has been waiting for Kafka for {seconds:.0f} s{f' ({reason})' if reason else ''}. "
            "Check that Kafka answers, and its topics with `hortus kafka topics check`."
        )


_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001


def _is_fatal(error: KafkaError) -> bool:
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001  (the library's public name)
