"""What a quarantined message says, as far as its bytes can be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hortus.base.times import format_time
from hortus.flow.ingest.messages import Stream, serial_and_stream
from hortus.protocol.wire.codec import (
    decode_aggregate_measurement,
    decode_media,
    decode_raw_measurement,
)
from hortus.protocol.wire.errors import WireError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decoded(topic: str, payload: bytes) -> dict[str, Any] | None:
    """Return the decoded payload under the names of the API, or None if it cannot be read."""
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
