"""Messages handed to the intake and not yet settled (P1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple, Protocol

from hortus.base.intake import Intake
from hortus.protocol.mqtt.endpoint.broker import Broker
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.gate import GateReason, PublisherGate
from hortus.protocol.mqtt.endpoint.identity import Identity, OnSetAside
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.outbound import MESSAGE_OVERHEAD_BYTES
from hortus.protocol.mqtt.endpoint.sessions import Session
from hortus.protocol.mqtt.packets import Publish

logger = logging.getLogger(__name__)


class PublisherConnection(Protocol):
    """The connection that a message arrived on."""

    session: Session | None

    def on_settled(self, publish: Publish) -> None:
        """Acknowledge the message: it is durable."""

    def break_off(self, doing: str) -> None:
        """Log and count the current exception, which occurred in `doing` something; close. Never raises."""


class _OpenMessage(NamedTuple):
    sender: PublisherConnection | None
    publish: Publish
    size: int
    is_delivered: bool


class Inbox:
    """The source whose messages the intake settles. A message is delivered to subscribers once settled (P7)."""

    def __init__(
        self,
        *,
        intake: Intake,
        set_aside: OnSetAside,
        broker: Broker,
        gate: PublisherGate,
        limits: EndpointLimits,
        counters: EndpointCounters,
    ) -> None:
        self._intake = intake
        self._set_aside = set_aside
        self._broker = broker
        self._gate = gate
        self._max_bytes = limits.max_total_unsettled_bytes
        self._counters = counters
        self._handles = count(1)
        self._open: dict[int, _OpenMessage] = {}
        self._empty = asyncio.Event()
        self.unsettled_bytes = 0

    @property
    def unsettled_messages(self) -> int:
        """The number of messages waiting to be settled."""
        return len(self._open)

    def offer(self, sender: PublisherConnection | None, publish: Publish, *, has_place: bool = False) -> None:
        """Offer a reading or medium to the intake. One counted as an upload is bounded there."""
        size = MESSAGE_OVERHEAD_BYTES + (0 if has_place else len(publish.payload))
        handle = next(self._handles)
        self._open[handle] = _OpenMessage(sender, publish, size, True)
        self.unsettled_bytes += size
        self._counters.messages_offered += 1
        try:
            self._intake.offer(self, handle, publish.topic, publish.payload)
        except Exception:
            self._withdraw(handle)
            raise

    def offer_head(self, sender: PublisherConnection, head: Publish, payload_bytes: int) -> None:
        """Offer the beginning of an oversized message to the intake; it is not delivered to subscribers."""
        handle = self._open_aside(sender, head, has_place=False)
        try:
            self._intake.offer_head(self, handle, head.topic, head.payload, payload_bytes)
        except Exception:
            self._withdraw(handle)
            raise

    def set_aside(
        self,
        sender: PublisherConnection | None,
        identity: Identity,
        publish: Publish,
        reason: str,
        *,
        payload_bytes: int | None = None,
        has_place: bool = False,
    ) -> None:
        """Quarantine a message on a forbidden topic; with `payload_bytes`, the head of an oversized one."""
        handle = self._open_aside(sender, publish, has_place=has_place)
        topic, payload = publish.topic, publish.payload
        size = len(payload) if payload_bytes is None else payload_bytes
        try:
            self._set_aside(identity, topic, payload, size, reason, self, handle)
        except Exception:
            self._withdraw(handle)
            raise

    def _open_aside(self, sender: PublisherConnection | None, publish: Publish, *, has_place: bool) -> int:
        """Register a message that goes to quarantine and to no subscriber; return its handle."""
        size = MESSAGE_OVERHEAD_BYTES + (0 if has_place else len(publish.payload))
        handle = next(self._handles)
        self._open[handle] = _OpenMessage(sender, publish, size, False)
        self.unsettled_bytes += size
        self._counters.messages_set_aside += 1
        return handle

    def _withdraw(self, handle: int) -> None:
        """Forget a message that could not be handed over: nobody will settle it."""
        message = self._open.pop(handle, None)
        if message is not None:
            self.unsettled_bytes -= message.size
            self._after_settling()

    def check_pressure(self) -> None:
        """Pause all publishers if the intake or this inbox is full. Called once per read, not per message."""
        if self.unsettled_bytes >= self._max_bytes:
            self._gate.close(GateReason.TOO_MUCH_UNSETTLED)
        if self._intake.saturated and not self._gate.is_closed_for(GateReason.INTAKE_SATURATED):
            self._gate.close(GateReason.INTAKE_SATURATED)
            self._intake.when_relieved(self._on_relieved)

    def settle(self, handles: Sequence[int]) -> None:
        """Acknowledge and deliver these messages; the acknowledgements of a connection go out in one write."""
        for handle in handles:
            message = self._open.pop(handle, None)
            if message is None:
                continue
            sender, publish, size, is_delivered = message
            self.unsettled_bytes -= size
            self._counters.messages_settled += 1
            # The caller is the intake's worker, which stores the messages of all: nothing may be raised here.
            if sender is not None:
                try:
                    sender.on_settled(publish)
                except Exception:  # noqa: BLE001 - logged by the connection
                    sender.break_off(f"acknowledging a message on topic {publish.topic!r}")
            if is_delivered:
                try:
                    self._broker.route(publish, sender.session if sender is not None else None)
                except Exception:
                    self._counters.internal_errors += 1
                    logger.exception("A stored message on topic %r could not be delivered.", publish.topic)
        self._after_settling()

    async def wait_until_empty(self) -> None:
        """Return when every message is settled."""
        while self._open:
            self._empty.clear()
            await self._empty.wait()

    def _after_settling(self) -> None:
        if self.unsettled_bytes <= self._max_bytes * 3 // 4:
            self._gate.open(GateReason.TOO_MUCH_UNSETTLED)
        if not self._open:
            self._empty.set()

    def _on_relieved(self) -> None:
        self._gate.open(GateReason.INTAKE_SATURATED)
        # The intake may have filled up again between the relief and this call.
        self.check_pressure()
