"""Inbound messages and their decoding: bytes to values, with all checks that need no database. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from hortus.base.intake import MessageSource
from hortus.flow.ingest.medium import ArrivedMedium, read_medium
from hortus.protocol.mqtt.topics import TopicChannel, parse_kit_topic
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.codec import (
    decode_aggregate_measurement,
    decode_raw_measurement,
    encode_raw_measurement,
)
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.messages import AggregateMeasurement, RawMeasurement

DEFAULT_CLOCK_TOLERANCE_MS = 5 * 60 * 1000

EARLIEST_DEVICE_TIME_MS = 1_262_304_000_000
"""2010-01-01T00:00Z. An earlier device time comes from a clock that was never set, not from a late reading."""

_ABOUT_NOW_MS = 24 * 3600 * 1000


class Stream(StrEnum):
    """The kind of a message; the ledger counts each kind separately."""

    RAW = "raw"
    AGGREGATE = "aggregate"
    MEDIA = "media"
    OTHER = "other"


_STREAMS = {
    TopicChannel.MEASUREMENT_RAW: Stream.RAW,
    TopicChannel.MEASUREMENT_AGGREGATE: Stream.AGGREGATE,
    TopicChannel.MEDIA: Stream.MEDIA,
}


@dataclass(slots=True)
class InboundMessage:
    """A message as handed over by a transport. `received_at_ms`: server clock, milliseconds since the epoch.

    `content` is the decoded payload, if the transport had to decode it anyway or if there is no payload:
    readings of boards arrive as values. `whole_bytes` is set if `payload` is only the head of one that was too
    large, and is then the full size; a verdict is set as well. `is_settled`: its source was told its outcome.
    """

    source: MessageSource
    handle: int
    topic: str
    payload: bytes
    received_at_ms: int
    verdict: QuarantineVerdict | None = None
    serial: str | None = None
    content: RawMeasurement | AggregateMeasurement | None = None
    whole_bytes: int | None = None
    is_settled: bool = False

    @property
    def kept_payload(self) -> bytes:
        """The payload to keep in quarantine; for a value without one, the payload a kit would have sent."""
        if self.payload or not isinstance(self.content, RawMeasurement):
            return self.payload
        return encode_raw_measurement(self.content)


@dataclass(frozen=True, slots=True)
class QuarantineVerdict:
    """Why a message is quarantined. `detail` is a more specific sentence than the reason's own explanation.

    `refused_already`: the transport has rejected the message to its sender, so it is counted but not kept.
    """

    reason: Reason
    detail: str
    refused_already: bool = False


class ReadingIntake(Protocol):
    """Accepts readings that are already values, such as those of boards; otherwise like `Intake`."""

    @property
    def saturated(self) -> bool:
        """Whether callers should stop offering for now."""

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once, from the event loop, when more readings may be offered."""

    def offer_reading(self, source: MessageSource, handle: int, serial: str, reading: RawMeasurement) -> None:
        """Accept one reading of the kit with this serial."""


class NobodyWaits:
    """A message source for which settling is a no-op: the senders have already been answered."""

    def settle(self, handles: Sequence[int]) -> None:
        """Do nothing."""


_MEDIA_TOPIC_END = f"/{TopicChannel.MEDIA.value}"


def is_medium(topic: str) -> bool:
    """Return whether this is a media topic of a kit. Nearly free for other topics."""
    return topic.endswith(_MEDIA_TOPIC_END) and serial_and_stream(topic)[1] is Stream.MEDIA


@lru_cache(maxsize=50_000)
def serial_and_stream(topic: str) -> tuple[str, Stream]:
    """Return the kit's serial and the stream of a topic; the serial is empty if the topic names no kit."""
    kit_topic = parse_kit_topic(topic)
    if kit_topic is None:
        return "", Stream.OTHER
    return kit_topic.serial, _STREAMS.get(kit_topic.channel, Stream.OTHER)


def read_message(
    stream: Stream, message: InboundMessage, clock_tolerance_ms: int
) -> RawMeasurement | AggregateMeasurement | ArrivedMedium | QuarantineVerdict:
    """Return the reading or medium in this message, or the verdict why it cannot be stored."""
    if message.verdict is not None:
        return message.verdict
    try:
        if stream is Stream.RAW:
            known = message.content
            raw = known if isinstance(known, RawMeasurement) else decode_raw_measurement(message.payload)
            latest_ms = message.received_at_ms + clock_tolerance_ms
            if EARLIEST_DEVICE_TIME_MS <= raw.datetime_ms <= latest_ms:
                return raw
            return wrong_clock(raw.datetime_ms, message.received_at_ms)
        if stream is Stream.AGGREGATE:
            known = message.content
            if isinstance(known, AggregateMeasurement):
                aggregate = known
            else:
                aggregate = decode_aggregate_measurement(message.payload)
            latest_ms = message.received_at_ms + clock_tolerance_ms
            if (
                aggregate.datetime_start_ms >= EARLIEST_DEVICE_TIME_MS
                and aggregate.datetime_end_ms <= latest_ms
            ):
                return aggregate
            return _wrong_window(aggregate, message.received_at_ms)
        if stream is Stream.MEDIA:
            medium = read_medium(message.payload)
            latest_ms = message.received_at_ms + clock_tolerance_ms
            if EARLIEST_DEVICE_TIME_MS <= medium.datetime_ms <= latest_ms:
                return medium
            return wrong_clock(medium.datetime_ms, message.received_at_ms)
    except WireError as error:
        return QuarantineVerdict(error.reason, str(error))
    return QuarantineVerdict(
        Reason.TOPIC_OUTSIDE_CONTRACT, f"Nothing is stored from the topic {message.topic}."
    )


def about_head(whole_bytes: int, kept_bytes: int) -> str:
    """Return the explanation for a message of which only the head is kept."""
    return (
        f"The message has {whole_bytes:,} bytes. Only the first {kept_bytes:,} of them are kept, "
        "so it cannot be replayed."
    )


def wrong_clock(device_time_ms: int, received_at_ms: int) -> QuarantineVerdict:
    """Return the verdict on a device time that is too far in the future or comes from an unset clock."""
    ahead_ms = device_time_ms - received_at_ms
    if abs(device_time_ms * 1000 - received_at_ms) < _ABOUT_NOW_MS:
        return QuarantineVerdict(
            Reason.TIME_TOO_OLD,
            f"The time {device_time_ms} would be right in seconds; kits send milliseconds since 1970.",
        )
    if ahead_ms > 0:
        return QuarantineVerdict(
            Reason.TIME_IN_FUTURE, f"The kit's clock is {_duration(ahead_ms)} ahead of the server's."
        )
    return QuarantineVerdict(
        Reason.TIME_TOO_OLD,
        f"The kit's clock is {_duration(-ahead_ms)} behind the server's, so it was probably never set.",
    )


def _wrong_window(aggregate: AggregateMeasurement, received_at_ms: int) -> QuarantineVerdict:
    if aggregate.datetime_start_ms < EARLIEST_DEVICE_TIME_MS:
        return wrong_clock(aggregate.datetime_start_ms, received_at_ms)
    return wrong_clock(aggregate.datetime_end_ms, received_at_ms)


def _duration(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    for unit, length in (("year", 31_557_600), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{seconds} s"
