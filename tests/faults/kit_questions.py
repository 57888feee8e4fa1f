"""A kit that asks for its configuration once after each connect, as a real one does when it boots."""

from __future__ import annotations

import asyncio
import contextlib

from fault_packets import (
    CONNACK,
    PUBLISH,
    PacketSplitter,
    connect_packet,
    publish_packet,
    subscribe_packet,
)
from fault_readings import Account

from waiting import until

# kit-mqtt 3.4: server-req-getActiveConfiguration, id 0. The answer begins alike.
_QUESTION = bytes.fromhex("1003100200000102")
_PATIENCE_SECONDS = 15.0  # of the real kit, at least
_PAUSE_SECONDS = 0.1


class Questioner:
    """Counts what came of its questions. `attempts` are connections, refused ones included."""

    def __init__(self, account: Account, port: int) -> None:
        self.attempts = 0
        self.answered = 0
        self.unanswered = 0
        self.is_waiting = False
        self._account = account
        self._port = port
        self._may_ask = asyncio.Event()
        self._may_ask.set()

    async def run(self) -> None:
        """Boot again and again, until cancelled."""
        while True:
            await self._may_ask.wait()
            with contextlib.suppress(OSError, EOFError):
                await self._boot()
            self.is_waiting = False
            self.attempts += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    async def tries(self, times: int) -> None:
        """Return after so many more attempts, or while a question is open."""
        before = self.attempts
        await until(lambda: self.is_waiting or self.attempts >= before + times, "the kit to try")

    async def rest(self) -> None:
        """Ask nothing more; return when no question is open."""
        self._may_ask.clear()
        await until(lambda: not self.is_waiting, "the last question")

    def resume(self) -> None:
        self._may_ask.set()

    async def _boot(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        splitter = PacketSplitter()
        topic = f"kit/{self._account.serial}/server-rpc/"
        try:
            writer.write(connect_packet(self._account.serial, self._account.password, 60))
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while True:
                    data = await reader.read(65536)
                    if not data:
                        raise EOFError
                    for kind, body in splitter.feed(data):
                        if kind == CONNACK and body[1] == 0:
                            self.is_waiting = True
                            writer.write(subscribe_packet(topic + "response", 1))
                            writer.write(publish_packet(topic + "request", _QUESTION, 1, 2, again=False))
                        elif kind == PUBLISH:
                            self.answered += 1
                            return
        except TimeoutError:
            self.unanswered += 1
        finally:
            writer.transport.abort()
