"""Kits that publish as a real kit does, at a rate at which faults have something to hit.

From kit-mqtt 1.1: empty client id, clean session, 20 messages in flight; without an answer a
message is sent again with DUP on the same connection; after a reconnect everything unfinished is sent again
in full. Only the pauses are shorter than the real ones, so that a test is not mostly waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from fault_journal import Journal
from fault_packets import (
    CONNACK,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PacketSplitter,
    connect_packet,
    packet_id_of,
    publish_packet,
    pubrel_packet,
)
from fault_readings import Account, Message, MessageMaker

_WINDOW = 20
_TICK_SECONDS = 0.02
# The real kit's queue has no bound. Here a kit makes no more messages while so many wait.
_MOST_WAITING = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KitPauses:
    """The real kit: 20 s, 1 s doubling to 128 s, 60 s. A kit that never repeats has a very long `retry`."""

    retry_seconds: float = 2.0
    first_reconnect_seconds: float = 0.1
    longest_reconnect_seconds: float = 1.0
    keep_alive_seconds: int = 10


@dataclass(slots=True)
class _InFlight:
    message: Message
    awaits: int
    written_at: float = 0.0
    was_written: bool = False


class Kit:
    """One kit and its messages that are not finished."""

    def __init__(self, account: Account, port: int, journal: Journal, pauses: KitPauses) -> None:
        self.account = account
        self.connections = 0
        self._port = port
        self._journal = journal
        self._pauses = pauses
        self._waiting: deque[Message] = deque()
        self._in_flight: dict[int, _InFlight] = {}
        self._last_packet_id = 0
        self._writer: asyncio.StreamWriter | None = None

    @property
    def unfinished(self) -> int:
        """How many messages wait or are in flight."""
        return len(self._waiting) + len(self._in_flight)

    @property
    def connected(self) -> bool:
        """Whether the server has accepted the kit on the present connection."""
        return self._writer is not None

    @property
    def has_room(self) -> bool:
        """Whether more messages may be made."""
        return len(self._waiting) < _MOST_WAITING

    def publish(self, message: Message) -> None:
        """Send a message as soon as connection and window allow."""
        self._waiting.append(message)
        self._fill_window()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        delay_seconds = self._pauses.first_reconnect_seconds
        while True:
            before = self.connections
            with contextlib.suppress(OSError, EOFError):
                await self._connect_and_serve()
            if self.connections > before:
                delay_seconds = self._pauses.first_reconnect_seconds
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(2 * delay_seconds, self._pauses.longest_reconnect_seconds)

    async def _connect_and_serve(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        splitter = PacketSplitter()
        ticking = asyncio.create_task(self._tick(writer))
        try:
            keep_alive_seconds = self._pauses.keep_alive_seconds
            writer.write(connect_packet(self.account.serial, self.account.password, keep_alive_seconds))
            while True:
                # Silence for two keep-alive times means that nobody is there: each ping has an answer.
                async with asyncio.timeout(2.5 * keep_alive_seconds):
                    data = await reader.read(65536)
                if not data:
                    return
                for kind, body in splitter.feed(data):
                    self._take(kind, body, writer)
        finally:
            ticking.cancel()
            self._writer = None
            writer.transport.abort()

    def _take(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == CONNACK:
            if body[1] != 0:
                raise EOFError(f"refused with {body[1]}")
            self.connections += 1
            self._writer = writer
            for packet_id, open_message in self._in_flight.items():
                # The session was clean: QoS 2 begins anew, whatever had been answered before.
                open_message.awaits = PUBACK if open_message.message.qos == 1 else PUBREC
                self._write(packet_id, open_message)
            self._fill_window()
        elif kind in {PUBACK, PUBREC, PUBCOMP}:
            self._take_answer(kind, packet_id_of(body), writer)

    def _take_answer(self, kind: int, packet_id: int, writer: asyncio.StreamWriter) -> None:
        open_message = self._in_flight.get(packet_id)
        if open_message is None or open_message.awaits != kind:
            return
        self._journal.note_taken(open_message.message)
        if kind == PUBREC:
            open_message.awaits = PUBCOMP
            open_message.written_at = time.monotonic()
            writer.write(pubrel_packet(packet_id))
            return
        self._journal.note_finished(open_message.message)
        del self._in_flight[packet_id]
        self._fill_window()

    def _fill_window(self) -> None:
        while self._writer is not None and self._waiting and len(self._in_flight) < _WINDOW:
            message = self._waiting.popleft()
            packet_id = self._free_packet_id()
            open_message = _InFlight(message, PUBACK if message.qos == 1 else PUBREC)
            self._in_flight[packet_id] = open_message
            self._write(packet_id, open_message)

    def _write(self, packet_id: int, open_message: _InFlight) -> None:
        assert self._writer is not None
        message = open_message.message
        self._journal.note_written(message)
        again, open_message.was_written = open_message.was_written, True
        open_message.written_at = time.monotonic()
        self._writer.write(publish_packet(message.topic, message.payload, message.qos, packet_id, again=again))

    async def _tick(self, writer: asyncio.StreamWriter) -> None:
        """Send again what has had no answer, and ask whether the server is there."""
        ping_at = time.monotonic() + self._pauses.keep_alive_seconds
        while True:
            await asyncio.sleep(0.1)
            now = time.monotonic()
            if self._writer is None:
                continue
            if now >= ping_at:
                writer.write(PINGREQ)
                ping_at = now + self._pauses.keep_alive_seconds
            for packet_id, open_message in self._in_flight.items():
                if now - open_message.written_at < self._pauses.retry_seconds:
                    continue
                if open_message.awaits == PUBCOMP:
                    open_message.written_at = now
                    writer.write(pubrel_packet(packet_id))
                else:
                    self._write(packet_id, open_message)

    def _free_packet_id(self) -> int:
        while True:
            self._last_packet_id = self._last_packet_id % 65_535 + 1
            if self._last_packet_id not in self._in_flight:
                return self._last_packet_id


class Load:
    """All kits together, publishing at a steady rate."""

    def __init__(self, kits: Sequence[Kit], maker: MessageMaker, readings_per_second: float) -> None:
        self.kits = kits
        self._maker = maker
        self._readings_per_second = readings_per_second
        self._tasks: list[asyncio.Task[None]] = []
        self._making: asyncio.Task[None] | None = None

    @property
    def unfinished(self) -> int:
        """How many messages of all kits wait or are in flight."""
        return sum(kit.unfinished for kit in self.kits)

    def start(self) -> None:
        """Connect all kits and begin to publish."""
        self._tasks = [asyncio.create_task(kit.run()) for kit in self.kits]
        self._making = asyncio.create_task(self._make())

    async def make_no_more(self) -> None:
        """Let the kits finish what they have; they stay connected."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    async def stop(self) -> None:
        """Disconnect all kits."""
        await self.make_no_more()
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _make(self) -> None:
        due, turn, last = 0.0, 0, time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            due = min(due + (now - last) * self._readings_per_second, 100.0)
            last = now
            for _ in range(int(due)):
                due -= 1
                turn += 1
                kit = self.kits[turn % len(self.kits)]
                if kit.has_room:
                    kit.publish(self._maker.next(kit.account))
