"""Pauses reading from all publishers at once (P6)."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from hortus.protocol.mqtt.endpoint.counters import EndpointCounters


class Publisher(Protocol):
    """A connection that publishes readings."""

    def hold(self) -> None:
        """Pause reading."""

    def go_on(self) -> None:
        """Resume reading."""

    def break_off(self, doing: str) -> None:
        """Log and count the current exception, which occurred in `doing` something; close. Never raises."""


class GateReason(Enum):
    """Why reading from publishers is paused."""

    INTAKE_SATURATED = "the intake has enough for now"
    TOO_MUCH_UNSETTLED = "too many bytes wait to be settled"


class PublisherGate:
    """Open unless there is a reason to pause publishers. Subscribers that publish nothing are not affected."""

    def __init__(self, counters: EndpointCounters) -> None:
        self._counters = counters
        self._reasons: set[GateReason] = set()
        self._publishers: set[Publisher] = set()

    def join(self, publisher: Publisher) -> None:
        """Include a connection, from its first reading on."""
        self._publishers.add(publisher)
        if self._reasons:
            publisher.hold()

    def leave(self, publisher: Publisher) -> None:
        """Remove a closed connection."""
        self._publishers.discard(publisher)

    def is_closed_for(self, reason: GateReason) -> bool:
        """Return whether the gate is currently closed for this reason."""
        return reason in self._reasons

    def close(self, reason: GateReason) -> None:
        """Pause all publishers."""
        if not self._reasons:
            self._counters.publishers_held += 1
            for publisher in list(self._publishers):
                try:
                    publisher.hold()
                except Exception:  # noqa: BLE001 - logged there
                    publisher.break_off("pausing reading")
        self._reasons.add(reason)

    def open(self, reason: GateReason) -> None:
        """Remove a reason; publishers resume if it was the last one."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                for publisher in list(self._publishers):
                    try:
                        publisher.go_on()
                    except Exception:  # noqa: BLE001 - logged there
                        publisher.break_off("resuming reading")
