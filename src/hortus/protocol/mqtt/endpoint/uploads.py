"""Big packets under way: who may send one now, so that all together stay bounded."""

from __future__ import annotations

from collections.abc import Callable, Hashable


class Uploads:
    """Hands out bytes for packets that are announced but not complete, first come, first served.

    A place is given for the whole packet before its body is read on. So every packet that was begun can be
    completed, and two halves never wait for each other.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._granted: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self.granted_bytes = 0

    def ask(self, owner: Hashable, packet_bytes: int, on_granted: Callable[[], None]) -> bool:
        """Return True if the packet may be read on now; otherwise `on_granted` is called when it may."""
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
        """Let the place of `owner` be that of `heir`, who now gives it back."""
        self._granted[heir] = self._granted.pop(owner)

    def done(self, owner: Hashable) -> None:
        """Give the place back: the message is settled, or its connection is gone before it was complete."""
        self._waiting.pop(owner, None)
        self.granted_bytes -= self._granted.pop(owner, 0)
        while self._waiting:
            next_owner, (packet_bytes, on_granted) = next(iter(self._waiting.items()))
            if not self._fits(packet_bytes):
                return
            del self._waiting[next_owner]
            self._grant(next_owner, packet_bytes)
            on_granted()

    def _fits(self, packet_bytes: int) -> bool:
        return not self._granted or self.granted_bytes + packet_bytes <= self._max_bytes

    def _grant(self, owner: Hashable, packet_bytes: int) -> None:
        self._granted[owner] = packet_bytes
        self.granted_bytes += packet_bytes
