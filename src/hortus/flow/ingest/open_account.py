"""Tracks accepted but unsettled messages, and the callbacks waiting for room (P6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


class OpenAccount:
    """Counts open messages and their payload bytes against two bounds. Used from one event loop only.

    It never rejects: when full, transports are asked to stop reading; what they have read is still accepted.
    """

    __slots__ = ("_empty", "_max_bytes", "_max_messages", "_relief_callbacks", "messages", "payload_bytes")

    def __init__(self, *, max_messages: int, max_bytes: int) -> None:
        self.messages = 0
        self.payload_bytes = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._empty = asyncio.Event()
        self._empty.set()
        self._relief_callbacks: list[Callable[[], None]] = []

    @property
    def is_full(self) -> bool:
        """Whether either bound is reached."""
        return self.messages >= self._max_messages or self.payload_bytes >= self._max_bytes

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back once when there is room, immediately if there is room now."""
        if self.is_full:
            self._relief_callbacks.append(callback)
        else:
            callback()

    def add(self, payload_bytes: int) -> None:
        """Count an accepted message."""
        if not self.messages:
            self._empty.clear()
        self.messages += 1
        self.payload_bytes += payload_bytes

    def remove(self, messages: int, payload_bytes: int) -> None:
        """Subtract settled messages and their bytes; run the waiting callbacks if there is room again."""
        self.messages -= messages
        self.payload_bytes -= payload_bytes
        if not self.messages:
            self._empty.set()
        if self._relief_callbacks and not self.is_full:
            callbacks, self._relief_callbacks = self._relief_callbacks, []
            for callback in callbacks:
                callback()

    async def is_emptied(self, timeout_seconds: float) -> bool:
        """Wait until nothing is open or the timeout expires; return whether nothing is open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._empty.wait()
        return self._empty.is_set()
