"""Shared by sink and replay: the settings of the library's consumer, and records offered as messages."""

from __future__ import annotations

import gc
import time
from operator import methodcaller
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, Message, TopicPartition

from hortus.flow.ingest.messages import InboundMessage, QuarantineVerdict
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.records import ArrivedMessage, Headers, message_of
from hortus.flow.kafka.topics import TopicNames
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.limits import MEBIBYTE

# Prefetched records are held in the library's memory: bounded, and small compared to the process's limit.
_FETCHED_AHEAD_KIBIBYTES = 16 * 1024
_FETCH_BYTES = 16 * MEBIBYTE
_SMALL_FETCH_BYTES = 4 * MEBIBYTE

_ANSWER_MS = 10_000
_LARGE_ANSWER_MS = 60_000
_METADATA_MS = 10_000


def reading_settings(*, large: bool) -> dict[str, Any]:
    """Return the library settings for reading with bounded memory and without automatic offset commits.

    `large`: records may have up to 64 MiB, and such a response may take a minute on a slow line. Otherwise a
    broker that does not answer for 10 s is given up.
    """
    return {
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": _FETCHED_AHEAD_KIBIBYTES,
        "fetch.max.bytes": _FETCH_BYTES if large else _SMALL_FETCH_BYTES,
        "fetch.wait.max.ms": 50,
        # How far reading came in a partition that ends with the marks of transactions is only told by its end.
        "enable.partition.eof": True,
        "socket.timeout.ms": _LARGE_ANSWER_MS if large else _ANSWER_MS,
        # A hung broker says nothing of partitions that got another leader, and nobody says that there are more.
        "topic.metadata.refresh.interval.ms": _METADATA_MS,
    }


def offer_record(
    pipeline: IngestPipeline, names: TopicNames, lane: Lane, record: Message, consumer: Consumer
) -> None:
    """Open the record in its lane, and offer it to the pipeline as the message it was made from."""
    offset = record.offset()
    assert offset is not None
    log_start = first_kept(consumer, lane) if lane.lacks_before(offset) else 0
    lane.open(offset, record.leader_epoch(), log_start)
    arrived = _arrived(names, lane, record)
    pipeline.take(
        InboundMessage(
            lane,
            offset,
            arrived.topic,
            arrived.payload,
            arrived.received_at_ms,
            arrived.verdict,
            arrived.serial,
            arrived.content,
            arrived.whole_bytes,
        )
    )


def first_kept(consumer: Consumer, lane: Lane) -> int:
    """Return the lowest offset that Kafka keeps in this partition, as its last response said."""
    watermarks = consumer.get_watermark_offsets(TopicPartition(*lane.place), cached=True)
    return 0 if watermarks is None else max(0, watermarks[0])


def _arrived(names: TopicNames, lane: Lane, record: Message) -> ArrivedMessage:
    kind, written_at_ms = record.timestamp()
    headers, fault = headers_of(record)
    arrived = message_of(
        names.stream_of(lane.topic),
        record.key(),
        record.value(),
        headers,
        0 if kind == TIMESTAMP_NOT_AVAILABLE else written_at_ms,
        now_ms=int(time.time() * 1000),
    )
    if fault is None:
        return arrived
    return arrived._replace(content=None, verdict=QuarantineVerdict(Reason.UNDECODABLE, fault))


# Not `record.headers()`: once Python has optimized that call, it no longer checks whether an error was set.
_headers = methodcaller("headers")


def headers_of(record: Message) -> tuple[Headers, str | None]:
    """Return the headers of a record, or none and a sentence why they cannot be read.

    The library makes a list of headers in which names that are not text are holes, sets an error and returns
    the list all the same. A garbage collection at that moment would clear the error. Looking at such a
    list ends the process.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        headers = _headers(record)
    except (UnicodeDecodeError, SystemError):
        record.set_headers([])  # not even the next call may see that list
        return {}, "The name of a header is not text (UTF-8), so its headers cannot be read."
    finally:
        if collects:
            gc.enable()
    return dict(headers or ()), None
