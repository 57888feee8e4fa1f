"""Upload slots for large packets, so that their total size stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from hortus.protocol.mqtt.endpoint.containment import contained
from hortus.protocol.mqtt.endpoint.counters import EndpointCounters


class Uploads:
    """Grants bytes to packets that are announced but incomplete, first come, first served.

    A slot is granted for the whole packet before the rest of its body is read. So every packet that was begun
    can be completed, and two incomplete ones never wait for each other.
    """

    def __init__(self, max_bytes: int, counters: EndpointCounters) -> None:
        self._max_bytes = max_bytes
        self._counters = counters
        self._granted: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self.granted_bytes = 0

    def ask(self, owner: Hashable, packet_bytes: int, on_granted: Callable[[], None]) -> bool:
        """Return True if reading the packet may continue now; otherwise `on_granted` is called when it may."""
        if owner in self._granted:
            return True
        if owner in self._waiting:
            return False
        if not self._waiting and self._fits(packet_bytes):
            self._grant(owner, packet_bytes)
            return True
        self._waiting[owner] = (packet_bytes, on_granted)
        return False

    def hand_over(self, owner: Hashable, heir: Hashable) -> None:
        """Transfer the slot of `owner` to `heir`, who must release it."""
        self._granted[heir] = self._granted.pop(owner)

    def done(self, owner: Hashable) -> None:
        """Release the slot: the message is settled, or its connection was closed before it was complete."""
        self._waiting.pop(owner, None)
        self.granted_bytes -= self._granted.pop(owner, 0)
        while self._waiting:
            next_owner, (packet_bytes, on_granted) = next(iter(self._waiting.items()))
            if not self._fits(packet_bytes):
                return
            del self._waiting[next_owner]
            self._grant(next_owner, packet_bytes)
            with contained(self._counters, "An upload that was waiting could not be continued."):
                on_granted()

    def _fits(self, packet_bytes: int) -> bool:
        return not self._granted or self.granted_bytes + packet_bytes <= self._max_bytes

    def _grant(self, owner: Hashable, packet_bytes: int) -> None:
        self._granted[owner] = packet_bytes
        self.granted_bytes += packet_bytes
