"""Where a transport hands over a message, and how it learns that the message is safe (promises P1, P6).

A transport (MQTT client, built-in endpoint, Kafka) knows bytes and topics. It offers each
message together with a handle of its own choosing, and acknowledges to its sender only when the handle comes
back. It must stop reading while the intake is saturated, so that nobody needs an unbounded queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

KEPT_HEAD_BYTES = 4 * 1024
"""How much is kept of the payload of a message that is too large: enough to see what it was."""


class MessageSource(Protocol):
    """The side of a transport that is told what became of its messages."""

    def settle(self, handles: Sequence[int]) -> None:
        """Acknowledge these messages to their senders: each is durable (stored, duplicate or quarantined).

        Called once per committed batch, so that acknowledgements can be written together. A handle whose
        connection is gone is ignored: the sender will deliver again, which has no effect (P2).
        """


class Intake(Protocol):
    """Takes messages from transports; never blocks and never drops."""

    @property
    def saturated(self) -> bool:
        """Whether a transport should stop reading now (it may still offer what it has already read)."""

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once, from the event loop, when reading may go on."""

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        """Take over one message. `handle` is opaque here and unique among this source's open messages."""

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        """Take over what is left of a message that was too large to be taken in.

        `head` are the first bytes of its payload, which had `payload_bytes`. They are set aside, and settled
        when they are durable.
        """
