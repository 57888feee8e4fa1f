"""Stops the reading of all publishers at once (P6)."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from hortus.protocol.mqtt.endpoint.counters import EndpointCounters


class Publisher(Protocol):
    """A connection that publishes readings."""

    def hold(self) -> None:
        """Stop reading."""

    def go_on(self) -> None:
        """Read again."""


class GateReason(Enum):
    """Why publishers are not read."""

    INTAKE_SATURATED = "the intake has enough for now"
    TOO_MUCH_UNSETTLED = "too many bytes wait to be settled"


class PublisherGate:
    """Open unless there is a reason to hold publishers. Subscribers that publish nothing are not affected."""

    def __init__(self, counters: EndpointCounters) -> None:
        self._counters = counters
        self._reasons: set[GateReason] = set()
        self._publishers: set[Publisher] = set()

    def join(self, publisher: Publisher) -> None:
        """Include a connection from its first reading on."""
        self._publishers.add(publisher)
        if self._reasons:
            publisher.hold()

    def leave(self, publisher: Publisher) -> None:
        """A connection is gone."""
        self._publishers.discard(publisher)

    def is_closed_for(self, reason: GateReason) -> bool:
        """Tell whether this is one of the reasons now."""
        return reason in self._reasons

    def close(self, reason: GateReason) -> None:
        """Hold all publishers."""
        if not self._reasons:
            self._counters.publishers_held += 1
            for publisher in self._publishers:
                publisher.hold()
        self._reasons.add(reason)

    def open(self, reason: GateReason) -> None:
        """Take a reason away; publishers go on if it was the last."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                for publisher in list(self._publishers):
                    publisher.go_on()
