"""A network between a process and its PostgreSQL that can hang, break, or break around a COMMIT."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable

_COMMIT = b"COMMIT;\0"
_INGEST = b"hortus ingest"

_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
_GOODBYE = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


class AtCommit(enum.Enum):
    """What happens to the next COMMIT of an ingester."""

    CUT_BEFORE = "the connection breaks before the server gets it"
    CUT_ANSWER = "the server commits, and the connection breaks before its answer arrives"
    HANG_BEFORE = "the server never gets it, and neither side hears of the other again"
    HANG_ANSWER = "the server commits, and neither side hears of the other again"


class DatabaseProxy:
    """Passes bytes on between a port of its own and the database."""

    def __init__(self, target: Callable[[], int]) -> None:
        """`target` returns the database's port, which is asked for each connection."""
        self.strikes = 0
        self.goodbyes_delivered = 0
        self._marker = _COMMIT
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._at_commit: AtCommit | None = None
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where processes reach the database through this proxy."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """End all connections and stop listening."""
        assert self._server is not None
        self._server.close()
        self.cut()
        while self._pairs:
            await asyncio.sleep(0.01)

    def hang(self) -> None:
        """Take bytes and connections, and deliver nothing."""
        self._flows.clear()

    def go_on(self) -> None:
        """Deliver again, also what was taken meanwhile."""
        self._flows.set()

    def cut(self) -> None:
        """Break all connections now, on both sides."""
        for pair in self._pairs:
            pair.break_both()

    def lose_all(self) -> None:
        """Deliver nothing on today's connections any more, as behind a router that lost its tables."""
        for pair in self._pairs:
            pair.lose()

    def say_goodbye(self) -> None:
        """Tell ingesters that their sessions end, and leave the connections open.

        So it is for a moment whenever a session is ended, and for long if the network then fails.
        """
        for pair in self._pairs:
            self.goodbyes_delivered += pair.say_goodbye()

    def strike_at_next_commit(self, how: AtCommit) -> None:
        """Have this happen, once."""
        self.strike_at_next(_COMMIT, how)

    def strike_at_next(self, statement: bytes, how: AtCommit) -> None:
        """Have this happen, once, at a statement with these bytes instead of a COMMIT."""
        self._marker = statement
        self._at_commit = how

    def is_marked(self, data: bytes) -> bool:
        """Tell whether these bytes hold the statement at which something shall happen."""
        return self._at_commit is not None and self._marker in data

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target())
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(self, (reader, writer), server)
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)

    async def flows(self) -> None:
        """Return when bytes may be delivered."""
        await self._flows.wait()

    def strike_now(self) -> AtCommit | None:
        """Return what shall happen to the COMMIT that has come; the next one passes."""
        how, self._at_commit = self._at_commit, None
        if how is not None:
            self.strikes += 1
        return how


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pair:
    """One connection of a process, and its counterpart to the database."""

    def __init__(self, proxy: DatabaseProxy, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._is_ingest = False
        self._answer_lost: AtCommit | None = None
        self._silent = False

    async def run(self) -> None:
        """Pass on until one side ends, then end the other, unless neither shall hear of the other."""
        ways = {
            asyncio.create_task(self._from_client()),
            asyncio.create_task(self._from_server()),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self._silent:
                # The server's side stays open and silent, as behind a router that lost its tables. The
                # server's own limits have to end it.
                await asyncio.wait(ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.break_both()

    def break_both(self) -> None:
        """End both connections abruptly."""
        self._client[1].transport.abort()
        self._server[1].transport.abort()

    def lose(self) -> None:
        """Let neither side hear of the other again."""
        self._silent = True

    def say_goodbye(self) -> bool:
        """End the session of an ingester as the server would, but not the connection."""
        if not self._is_ingest or self._silent:
            return False
        self._silent = True
        self._client[1].write(_GOODBYE)
        return True

    async def _from_client(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._client[0].read(65536):
                await self._proxy.flows()
                self._is_ingest = self._is_ingest or _INGEST in data
                if self._is_ingest and self._proxy.is_marked(data) and self._struck():
                    continue
                if not self._silent:
                    self._server[1].write(data)
                    await self._server[1].drain()

    def _struck(self) -> bool:
        """Do to this COMMIT what shall be done; return whether it must not be delivered."""
        how = self._proxy.strike_now()
        if how is AtCommit.CUT_BEFORE:
            self.break_both()
        elif how is AtCommit.HANG_BEFORE:
            self._silent = True
        else:
            self._answer_lost = how
        return how in {AtCommit.CUT_BEFORE, AtCommit.HANG_BEFORE}

    async def _from_server(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._server[0].read(65536):
                await self._proxy.flows()
                if self._answer_lost is AtCommit.CUT_ANSWER:
                    self.break_both()
                elif self._answer_lost is AtCommit.HANG_ANSWER:
                    self._silent = True
                elif not self._silent:
                    self._client[1].write(data)
                    await self._client[1].drain()
