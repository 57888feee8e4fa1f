"""JSON objects of quarantined messages, with their payload decoded as far as possible."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.flow.ingest.messages import Stream, serial_and_stream
from hortus.flow.quarantine.replay import ReplayResult
from hortus.flow.quarantine.store import QuarantinedMessage
from hortus.http.conventions.replies import TimeText
from hortus.protocol.reasons import explanation_of
from hortus.protocol.wire.codec import (
    decode_aggregate_measurement,
    decode_media,
    decode_raw_measurement,
)
from hortus.protocol.wire.errors import WireError

SHOWN_BYTES = 64 * 1024
"""The part of a payload included in a response; the whole is at its own address."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Quarantined(TypedDict):
    """A quarantined message. `explanation` describes the reason in general, `detail` this case."""

    id: int
    receivedAt: TimeText
    stream: str
    reason: str
    explanation: str
    detail: str
    topic: str
    size: int


class QuarantinedInFull(Quarantined):
    """A quarantined message with its payload (the first 64 KiB, in Base64), and decoded if possible.

    `decoded` is null if the payload cannot be read. Only the beginning of a message that was too large is kept:
    `keptSize` is then less than `size`.
    """

    keptSize: int
    payload: str
    payloadIsWhole: bool
    decoded: dict[str, Any] | None


class Replayed(TypedDict):
    """The outcome of a replay."""

    stored: int
    duplicate: int
    stillQuarantined: int


def quarantined_object(message: QuarantinedMessage) -> Quarantined:
    """Return the message without its payload, as in lists."""
    return {
        "id": message.id,
        "receivedAt": format_time(message.received_at),
        "stream": message.stream,
        "reason": message.reason,
        "explanation": explanation_of(message.reason),
        "detail": message.detail,
        "topic": message.topic,
        "size": message.payload_bytes,
    }


def quarantined_in_full(message: QuarantinedMessage) -> QuarantinedInFull:
    """Return the message with its payload."""
    is_kept_whole = len(message.payload) == message.payload_bytes
    return {
        **quarantined_object(message),
        "keptSize": len(message.payload),
        "payload": base64.b64encode(message.payload[:SHOWN_BYTES]).decode(),
        "payloadIsWhole": is_kept_whole and len(message.payload) <= SHOWN_BYTES,
        "decoded": decoded(message.topic, message.payload) if is_kept_whole else None,
    }


def replayed_object(result: ReplayResult) -> Replayed:
    return {
        "stored": result.stored,
        "duplicate": result.duplicate,
        "stillQuarantined": result.still_quarantined,
    }


def decoded(topic: str, payload: bytes) -> dict[str, Any] | None:
    """Return the decoded payload under the names of the API; None if it cannot be read."""
    _, stream = serial_and_stream(topic)
    try:
        return _READERS[stream](payload) if stream in _READERS else None
    except WireError:
        return None


def _raw(payload: bytes) -> dict[str, Any]:
    reading = decode_raw_measurement(payload)
    return {
        "id": str(UUID(bytes=reading.id)),
        "datetime": _time(reading.datetime_ms),
        "peripheral": reading.peripheral,
        "quantityType": reading.quantity_type,
        "value": reading.value,
    }


def _aggregate(payload: bytes) -> dict[str, Any]:
    aggregate = decode_aggregate_measurement(payload)
    return {
        "id": str(UUID(bytes=aggregate.id)),
        "datetimeStart": _time(aggregate.datetime_start_ms),
        "datetimeEnd": _time(aggregate.datetime_end_ms),
        "peripheral": aggregate.peripheral,
        "quantityType": aggregate.quantity_type,
        "values": dict(aggregate.values),
    }


def _medium(payload: bytes) -> dict[str, Any]:
    medium = decode_media(payload)
    return {
        "id": str(UUID(bytes=medium.id)),
        "datetime": _time(medium.datetime_ms),
        "peripheral": medium.peripheral,
        "name": medium.name,
        "type": medium.type,
        "metadata": medium.metadata,
        "size": len(medium.data),
    }


def _time(milliseconds: int) -> str:
    return format_time(_EPOCH + timedelta(milliseconds=milliseconds))


_READERS = {Stream.RAW: _raw, Stream.AGGREGATE: _aggregate, Stream.MEDIA: _medium}
