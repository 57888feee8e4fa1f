"""Decode and encode the seven messages of the kit protocol (kit-mqtt 3, docs/protocol/codec.md).

Every `decode_...` returns a value or raises WireError, for any bytes, within the time and memory that `limits`
allows. Every `encode_...` returns bytes that decode to an equal value, or raises WireError. Fields are set in
schema order, because then the bytes are identical to those of existing software.
"""

from __future__ import annotations

from typing import Any

from hortus.protocol.reasons import Reason
from hortus.protocol.wire import limits
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.messages import AggregateMeasurement, Media, RawMeasurement
from hortus.protocol.wire.raw_layout import decode_usual_layout, decode_usual_words
from hortus.protocol.wire.rpc_codec import (
    decode_kit_rpc_request,
    decode_kit_rpc_response,
    decode_server_rpc_request,
    decode_server_rpc_response,
    encode_kit_rpc_request,
    encode_kit_rpc_response,
    encode_server_rpc_request,
    encode_server_rpc_response,
    peek_kit_rpc_response_id,
)
from hortus.protocol.wire.rules import (
    check_aggregate_measurement,
    check_media,
    check_raw_measurement,
)
from hortus.protocol.wire.schema import new_message, open_message, seal, translated

__all__ = [
    "decode_aggregate_measurement",
    "decode_kit_rpc_request",
    "decode_kit_rpc_response",
    "decode_media",
    "decode_raw_measurement",
    "decode_server_rpc_request",
    "decode_server_rpc_response",
    "encode_aggregate_measurement",
    "encode_kit_rpc_request",
    "encode_kit_rpc_response",
    "encode_media",
    "encode_raw_measurement",
    "encode_server_rpc_request",
    "encode_server_rpc_response",
    "peek_kit_rpc_response_id",
]


def decode_raw_measurement(payload: bytes) -> RawMeasurement:
    """Decode a reading. Raises WireError."""
    return decode_usual_layout(payload) or decode_usual_words(payload) or decode_any_layout(payload)


def decode_any_layout(payload: bytes) -> RawMeasurement:
    """Decode a reading in any layout, with the library. Raises WireError."""
    reader = open_message(limits.RAW_MEASUREMENT, payload)
    with translated():
        message = RawMeasurement(
            id=reader.id,
            kit_serial=reader.kitSerial,
            datetime_ms=reader.datetime,
            peripheral=reader.peripheral,
            quantity_type=reader.quantityType,
            value=reader.value,
        )
    check_raw_measurement(message)
    return message


def encode_raw_measurement(message: RawMeasurement) -> bytes:
    """Encode a reading. Raises WireError."""
    check_raw_measurement(message)
    builder = new_message(limits.RAW_MEASUREMENT)
    with translated():
        builder.id = message.id
        builder.kitSerial = message.kit_serial
        builder.datetime = message.datetime_ms
        builder.peripheral = message.peripheral
        builder.quantityType = message.quantity_type
        builder.value = message.value
    return seal(limits.RAW_MEASUREMENT, builder)


def decode_aggregate_measurement(payload: bytes) -> AggregateMeasurement:
    """Decode an aggregate; if a type occurs twice, the last value counts. Raises WireError."""
    reader = open_message(limits.AGGREGATE_MEASUREMENT, payload)
    with translated():
        message = AggregateMeasurement(
            id=reader.id,
            kit_serial=reader.kitSerial,
            datetime_start_ms=reader.datetimeStart,
            datetime_end_ms=reader.datetimeEnd,
            peripheral=reader.peripheral,
            quantity_type=reader.quantityType,
            values=_read_values(reader.values),
        )
    check_aggregate_measurement(message)
    return message


def _read_values(entries: Any) -> tuple[tuple[str, float], ...]:
    if len(entries) > limits.MAXIMUM_AGGREGATE_ENTRIES:
        raise WireError(Reason.AGGREGATE_TOO_MANY_VALUES)
    return tuple({entry.type: entry.value for entry in entries}.items())


def encode_aggregate_measurement(message: AggregateMeasurement) -> bytes:
    """Encode an aggregate. Raises WireError."""
    check_aggregate_measurement(message)
    if len(message.values) > limits.MAXIMUM_AGGREGATE_ENTRIES:
        raise WireError(Reason.AGGREGATE_TOO_MANY_VALUES)
    builder = new_message(limits.AGGREGATE_MEASUREMENT)
    with translated():
        builder.id = message.id
        builder.kitSerial = message.kit_serial
        builder.datetimeStart = message.datetime_start_ms
        builder.datetimeEnd = message.datetime_end_ms
        builder.peripheral = message.peripheral
        builder.quantityType = message.quantity_type
        entries = builder.init("values", len(message.values))
        for entry, (aggregate_type, value) in zip(entries, message.values, strict=True):
            entry.type = aggregate_type
            entry.value = value
    return seal(limits.AGGREGATE_MEASUREMENT, builder)


def decode_media(payload: bytes) -> Media:
    """Decode a media file. Raises WireError."""
    reader = open_message(limits.MEDIA, payload)
    with translated():
        message = Media(
            id=reader.id,
            datetime_ms=reader.datetime,
            peripheral=reader.peripheral,
            name=reader.name,
            type=reader.type,
            data=reader.data,
            metadata=reader.metadata,
        )
    check_media(message)
    return message


def encode_media(message: Media) -> bytes:
    """Encode a media file. Raises WireError, also if its zeros would pack beyond what a decoder accepts."""
    check_media(message)
    builder = new_message(limits.MEDIA)
    with translated():
        builder.id = message.id
        builder.datetime = message.datetime_ms
        builder.peripheral = message.peripheral
        builder.name = message.name
        builder.type = message.type
        builder.data = message.data
        builder.metadata = message.metadata
    return seal(limits.MEDIA, builder)
