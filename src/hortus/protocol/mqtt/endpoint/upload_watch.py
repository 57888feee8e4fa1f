"""A big packet under way over one connection: it waits for a place, and may not take for ever."""

from __future__ import annotations

from collections.abc import Callable

from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.socket_connection import Pause, SocketConnection
from hortus.protocol.mqtt.endpoint.uploads import Uploads

# Below this a packet under way is not worth a place.
_SMALL_PACKET_BYTES = 16 * 1024


class UploadWatch:
    """Pauses its connection while there is no place for the packet that the peer has begun."""

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
        """Tell whether the peer keeps a place for longer than its packet may take."""
        return self._deadline is not None and now > self._deadline

    def observe(self, awaited_bytes: int) -> None:
        """Note the size of the packet that is under way after a read, 0 if there is none."""
        if awaited_bytes <= _SMALL_PACKET_BYTES or self._deadline is not None:
            return
        self._packet_bytes = awaited_bytes
        if self._uploads.ask(self, awaited_bytes, self._begin):
            self._begin()
        else:
            self._link.pause(Pause.UPLOAD)

    def packet_is_complete(self) -> object | None:
        """Return the place of the packet, if it has one; who takes it gives it back to the uploads.

        A big message keeps its place until it is settled: so the memory of all of them has one bound, and
        while they wait for a slow store, small ones pass.
        """
        if self._deadline is None:
            return None
        self._deadline = None
        place = object()
        self._uploads.hand_over(self, place)
        return place

    def end(self) -> None:
        """The connection is gone: give up place or turn."""
        self._deadline = None
        self._uploads.done(self)

    def _begin(self) -> None:
        limits = self._limits
        seconds = limits.upload_grace_seconds + self._packet_bytes / limits.upload_bytes_per_second
        self._deadline = self._clock() + seconds
        self._link.resume(Pause.UPLOAD)
