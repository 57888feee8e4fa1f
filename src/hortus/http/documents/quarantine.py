"""JSON objects of quarantined messages, with their payload decoded as far as possible."""

from __future__ import annotations

import base64
from typing import Any

from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.flow.quarantine.decoding import decoded
from hortus.flow.quarantine.replay import ReplayResult
from hortus.flow.quarantine.store import QuarantinedMessage
from hortus.http.conventions.replies import TimeText
from hortus.protocol.reasons import explanation_of

SHOWN_BYTES = 64 * 1024
"""The part of a payload included in a response; the whole is at its own address."""


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
