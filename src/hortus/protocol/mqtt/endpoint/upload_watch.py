"""The upload of a large packet over one connection: it waits for a slot and has a deadline."""

from __future__ import annotations

from collections.abc import Callable

from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.socket_connection import Pause, SocketConnection
from hortus.protocol.mqtt.endpoint.uploads import Uploads

# Packets smaller than this need no slot.
_SMALL_PACKET_BYTES = 16 * 1024


class UploadWatch:
    """Pauses its connection while there is no slot for the packet that the peer has begun."""

    def __init__(
        self, link: SocketConnection, uploads: Uploads, *, limits: EndpointLimits, clock: Callable[[], float]
    ) -> None:
        self._link = link
        self._uploads = uploads
        self._limits = limits
        self._clock = clock
        self._packet_bytes = 0
        self._deadline: float | None = None

    def is_overdue(self, now: float) -> bool:
        """Return whether the peer occupies a slot for longer than its packet may take."""
        return self._deadline is not None and now > self._deadline

    def observe(self, awaited_bytes: int) -> None:
        """Record, after a read, the size of the incomplete packet; 0 if there is none."""
        if awaited_bytes <= _SMALL_PACKET_BYTES or self._deadline is not None:
            return
        self._packet_bytes = awaited_bytes
        if self._uploads.ask(self, awaited_bytes, self._begin):
            self._begin()
        else:
            self._link.pause(Pause.UPLOAD)

    def packet_is_complete(self) -> object | None:
        """Return the slot of the packet, if it has one; its new owner must release it to the uploads.

        A large message keeps its slot until it is settled: so the memory of all of them has one bound, and
        while they wait for a slow store, small ones pass.
        """
        if self._deadline is None:
            return None
        self._deadline = None
        place = object()
        self._uploads.hand_over(self, place)
        return place

    def end(self) -> None:
        """Release the slot or the place in the queue: the connection was closed."""
        self._deadline = None
        self._uploads.done(self)

    def _begin(self) -> None:
        limits = self._limits
        seconds = limits.upload_grace_seconds + self._packet_bytes / limits.upload_bytes_per_second
        self._deadline = self._clock() + seconds
        self._link.resume(Pause.UPLOAD)
