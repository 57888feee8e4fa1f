"""Waits for commands to finish, in whichever process they are executed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import asyncpg

from hortus.base.database.listening import listen
from hortus.flow.commands.store import COMMANDS_CHANNEL


class CommandWatch:
    """The callers in this process that wait for commands, woken by database notifications."""

    def __init__(self) -> None:
        self._waiting: dict[int, set[asyncio.Event]] = {}

    @contextmanager
    def waiting_for(self, command_id: int) -> Iterator[asyncio.Event]:
        """Yield an event that is set when the command has ended. Enter this before the command is committed."""
        event = asyncio.Event()
        self._waiting.setdefault(command_id, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting[command_id]
            events.discard(event)
            if not events:
                del self._waiting[command_id]

    def announced(self, payload: str) -> None:
        """Handle a notification on the commands channel."""
        what, _, command_id = payload.partition(" ")
        if what == "finished" and command_id.isdigit():
            for event in self._waiting.get(int(command_id), ()):
                event.set()

    def reconnected(self) -> None:
        """Wake all waiting callers to look for themselves: notifications may have been missed."""
        for events in self._waiting.values():
            for event in events:
                event.set()


async def follow_commands(connect: Callable[[], Awaitable[asyncpg.Connection]], watch: CommandWatch) -> None:
    """Pass database notifications to a watch until cancelled."""
    await listen(connect, COMMANDS_CHANNEL, tell=watch.announced, connected=watch.reconnected)
