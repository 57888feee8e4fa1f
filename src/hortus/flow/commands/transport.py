"""The ways on which a command gets to a kit."""

from __future__ import annotations

from typing import Protocol

from hortus.base.errors import OperationalError
from hortus.protocol.mqtt.topics import KitTopic


class NotSent(OperationalError):
    """The message has certainly not left this process."""


class KitTransport(Protocol):
    """Publishes to kits at QoS 1, never retained, and never again after the message has expired."""

    @property
    def connected(self) -> bool:
        """Whether anything can be sent now."""

    async def send(self, topic: KitTopic, payload: bytes, *, expiry_seconds: int) -> bool:
        """Publish to a kit; return False if it is certain that the kit is not there.

        Raises NotSent if the message has certainly not left this process, or another OperationalError if that
        is not certain.
        """
