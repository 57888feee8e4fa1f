"""The interface over which a transport delivers messages and learns that they are safe (promises P1, P6).

A transport (MQTT client, built-in endpoint, Kafka) knows bytes and topics. It offers each message together with
a handle of its own choosing, and acknowledges to its sender only when the handle comes back. It must stop
reading while the intake is saturated, so that no unbounded queue is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

KEPT_HEAD_BYTES = 4 * 1024
"""How much of the payload of an oversized message is kept: enough to recognize it."""


class MessageSource(Protocol):
    """The side of a transport that is notified when its messages are settled."""

    def settle(self, handles: Sequence[int]) -> None:
        """Acknowledge these messages to their senders: each is durable (stored, duplicate or quarantined).

        Called once per committed batch, so that acknowledgements can be written together. A handle whose
        connection is closed is ignored: the sender will deliver again, which has no effect (P2).
        """


@runtime_checkable
class KeptSource(MessageSource, Protocol):
    """The side of a transport whose messages can be looked up where they came from, such as in Kafka."""

    def name_of(self, handle: int) -> str:
        """Return where this message is kept, as part of a sentence."""


class Intake(Protocol):
    """Accepts messages from transports; never blocks and never drops."""

    @property
    def saturated(self) -> bool:
        """Whether transports should stop reading now (they may still offer what they have already read)."""

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once, from the event loop, when reading may resume."""

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        """Accept one message. `handle` is opaque here and unique among this source's open messages."""

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        """Accept the beginning of a message that is too large to be stored whole.

        `head` holds the first bytes of its payload of `payload_bytes` bytes. The head is quarantined, and
        settled when it is durable.
        """
