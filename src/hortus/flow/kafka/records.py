"""Converts messages to Kafka records and back. Pure.

The value of a reading is the packed message with its kit's serial in it, as kit-mqtt 7 specifies, so that
existing readers of these topics continue to work. In addition, the key is the serial, which keeps the readings
of one kit in order, and a header holds the arrival time. Media have no field for a serial: it is in their key.
A message that cannot be decoded becomes a dead letter: the original bytes, with the reason in headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from hortus.flow.ingest.messages import QuarantineVerdict, Stream, serial_and_stream
from hortus.flow.kafka.serial_splice import put_serial, take_serial
from hortus.flow.kafka.topics import TopicNames
from hortus.protocol.mqtt.topics import TopicChannel
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.codec import (
    decode_aggregate_measurement,
    decode_raw_measurement,
    encode_aggregate_measurement,
    encode_raw_measurement,
)
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.messages import AggregateMeasurement, RawMeasurement

RECEIVED_AT = "received_at"
"""The time ingest received the message: milliseconds since the epoch, as decimal digits."""

REASON = "reason"
DETAIL = "detail"
MQTT_TOPIC = "mqtt_topic"

PAYLOAD_BYTES = "payload_bytes"
"""Marks a dead letter that holds only the beginning of a message: its full size in bytes, in decimal digits."""

_CHANNELS = {
    Stream.RAW: TopicChannel.MEASUREMENT_RAW.value,
    Stream.AGGREGATE: TopicChannel.MEASUREMENT_AGGREGATE.value,
    Stream.MEDIA: TopicChannel.MEDIA.value,
}
_REASONS = {str(reason): reason for reason in Reason}
_CLOCKS_APART_MS = 86_400_000
"""How far the clock of a record's writer may be ahead of ours. Nothing arrives later than that."""

_LONGEST_SERIAL = 256
_LONGEST_TEXT = 65_535
"""The length of the longest MQTT topic. What is cut is never the message itself."""

Headers = Mapping[str, str | bytes | None]


class OutgoingRecord(NamedTuple):
    """A record to be written to Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class ArrivedMessage(NamedTuple):
    """The message that a Kafka record was made from. `verdict` is set if it must not be stored.

    `whole_bytes` is set if `payload` is only the beginning of the message, and is then its full size.
    """

    topic: str
    payload: bytes
    received_at_ms: int
    serial: str
    content: RawMeasurement | AggregateMeasurement | None
    verdict: QuarantineVerdict | None
    whole_bytes: int | None = None


def record_of(names: TopicNames, topic: str, payload: bytes, received_at_ms: int) -> OutgoingRecord:
    """Return the record for a message that arrived on this MQTT topic."""
    serial, stream = serial_and_stream(topic)
    try:
        if stream is Stream.RAW:
            kafka_topic, value = names.raw, _raw_value(payload, serial)
        elif stream is Stream.AGGREGATE:
            aggregate = decode_aggregate_measurement(payload)
            value = encode_aggregate_measurement(replace(aggregate, kit_serial=serial))
            kafka_topic = names.aggregate
        elif stream is Stream.MEDIA:
            # Not decoded here: that takes long, and the sink has to do it anyway.
            kafka_topic, value = names.media, payload
        else:
            detail = f"Nothing is stored from the topic {topic}."
            return dead_letter(
                names, topic, payload, received_at_ms, QuarantineVerdict(Reason.TOPIC_OUTSIDE_CONTRACT, detail)
            )
    except WireError as error:
        return dead_letter(names, topic, payload, received_at_ms, QuarantineVerdict(error.reason, str(error)))
    return OutgoingRecord(kafka_topic, serial.encode(), value, [(RECEIVED_AT, b"%d" % received_at_ms)])


def dead_letter(
    names: TopicNames,
    topic: str,
    payload: bytes,
    received_at_ms: int,
    verdict: QuarantineVerdict,
    *,
    whole_bytes: int | None = None,
) -> OutgoingRecord:
    """Return the dead-letter record for a message; `whole_bytes`: its full size if only the head is kept."""
    headers: list[tuple[str, str | bytes | None]] = [
        (RECEIVED_AT, b"%d" % received_at_ms),
        (REASON, str(verdict.reason).encode()),
        (DETAIL, verdict.detail.encode(errors="replace")),
        (MQTT_TOPIC, topic.encode(errors="replace")),
    ]
    if whole_bytes is not None:
        headers.append((PAYLOAD_BYTES, b"%d" % whole_bytes))
    serial, _ = serial_and_stream(topic)
    return OutgoingRecord(names.dead_letter, serial.encode(errors="replace"), payload, headers)


def message_of(
    stream: Stream,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    written_at_ms: int,
    *,
    now_ms: int,
) -> ArrivedMessage:
    """Return the message in a record of one of our topics. Accepts any bytes, including other programs'.

    `stream` is OTHER for the dead-letter topic. `written_at_ms` is Kafka's timestamp of the record, used as
    the arrival time if there is no header for it. Both are what the writer claims; `now_ms` bounds them.
    """
    received_at_ms = _received_at(headers, written_at_ms, now_ms + _CLOCKS_APART_MS)
    payload = value or b""
    if stream is Stream.OTHER:
        return _of_dead_letter(key, payload, headers, received_at_ms)
    content: RawMeasurement | AggregateMeasurement | None = None
    serial = _text(key, _LONGEST_SERIAL)
    if stream is not Stream.MEDIA:
        try:
            written_serial, payload, content = _read_value(stream, payload)
            serial = written_serial or serial
        except WireError:
            pass  # decoded again in the pipeline, which gives the verdict
    topic = f"kit/{serial}/{_CHANNELS[stream]}"
    return ArrivedMessage(topic, payload, received_at_ms, serial, content, None)


def _raw_value(payload: bytes, serial: str) -> bytes:
    spliced = put_serial(payload, serial.encode())
    if spliced is not None:
        return spliced
    return encode_raw_measurement(replace(decode_raw_measurement(payload), kit_serial=serial))


def _read_value(stream: Stream, value: bytes) -> tuple[str, bytes, RawMeasurement | AggregateMeasurement]:
    """Return the serial in a value, the kit's message and its decoded content. Raises WireError."""
    if stream is Stream.AGGREGATE:
        aggregate = decode_aggregate_measurement(value)
        return aggregate.kit_serial, value, aggregate
    taken = take_serial(value)
    if taken is not None:
        serial, payload, raw = taken
        return _text(serial), payload, raw
    raw = decode_raw_measurement(value)
    return raw.kit_serial, value, raw


def _of_dead_letter(key: bytes | None, payload: bytes, headers: Headers, received_at_ms: int) -> ArrivedMessage:
    reason = _REASONS.get(_text(headers.get(REASON)), Reason.UNDECODABLE)
    detail = _text(headers.get(DETAIL)) or reason.explanation
    topic, verdict = _text(headers.get(MQTT_TOPIC)), QuarantineVerdict(reason, detail)
    whole_bytes = _whole_bytes(headers, len(payload))
    return ArrivedMessage(
        topic, payload, received_at_ms, _text(key, _LONGEST_SERIAL), None, verdict, whole_bytes
    )


def _whole_bytes(headers: Headers, kept_bytes: int) -> int | None:
    digits = headers.get(PAYLOAD_BYTES)
    if isinstance(digits, bytes) and digits.isdigit() and len(digits) <= 9 and int(digits) > kept_bytes:
        return int(digits)
    return None


def _received_at(headers: Headers, written_at_ms: int, latest_ms: int) -> int:
    digits = headers.get(RECEIVED_AT)
    if isinstance(digits, bytes) and digits.isdigit() and len(digits) <= 15 and int(digits) <= latest_ms:
        return int(digits)
    return max(written_at_ms, 0) if written_at_ms <= latest_ms else latest_ms - _CLOCKS_APART_MS


def _text(data: str | bytes | None, most_characters: int = _LONGEST_TEXT) -> str:
    # PostgreSQL cannot store U+0000, and a record from another program may contain any bytes.
    text = data.decode(errors="replace") if isinstance(data, bytes) else data or ""
    return text[:most_characters].replace("\x00", "\ufffd")
