"""An endpoint on a free port, an intake that settles on the test's command, and a packet-level client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from hortus.base.intake import MessageSource
from hortus.protocol.mqtt.endpoint import (
    EndpointLimits,
    Identity,
    IdentityKind,
    Listener,
    LogIn,
    MqttEndpoint,
)
from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    Connack,
    Connect,
    Packet,
    PacketReader,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    encode,
)
from waiting import PATIENCE_SECONDS

KIT = "k-one"
OTHER_KIT = "k-two"
PASSWORD = b"kit password"
SERVER = "hortus-server"
SERVER_PASSWORD = b"server password"
READER = "dashboard"
READ_FILTERS = ("kit/+/measurement/#", "garden/+")
RAW = f"kit/{KIT}/measurement/raw"


class FakeIntake:
    """Stores offered messages; settles at once or on the test's command."""

    def __init__(self, *, settles_at_once: bool = True) -> None:
        self.settles_at_once = settles_at_once
        self.saturated = False
        self.offered: list[tuple[MessageSource, int, str, bytes]] = []
        self.heads: list[tuple[str, bytes, int]] = []
        self.open: list[tuple[MessageSource, int]] = []
        self.waiting: list[Callable[[], None]] = []

    def when_relieved(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def relieve(self) -> None:
        self.saturated = False
        callbacks, self.waiting = self.waiting, []
        for callback in callbacks:
            callback()

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        self.offered.append((source, handle, topic, payload))
        self._take(source, handle)

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        self.heads.append((topic, head, payload_bytes))
        self._take(source, handle)

    def _take(self, source: MessageSource, handle: int) -> None:
        if self.settles_at_once:
            source.settle([handle])
        else:
            self.open.append((source, handle))

    def settle_all(self) -> None:
        taken, self.open = self.open, []
        for source in {source for source, _ in taken}:
            source.settle([handle for each, handle in taken if each is source])

    @property
    def messages(self) -> list[tuple[str, bytes]]:
        return [(topic, payload) for _, _, topic, payload in self.offered]


class FakeQuarantine:
    """Stores quarantined messages and settles them at once."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, bytes, str]] = []
        self.sizes: list[int] = []

    def __call__(
        self,
        identity: Identity,
        topic: str,
        payload: bytes,
        payload_bytes: int,
        reason: str,
        source: MessageSource,
        handle: int,
    ) -> None:
        self.kept.append((identity.name, topic, payload, reason))
        self.sizes.append(payload_bytes)
        source.settle([handle])


class FakeAccounts:
    """Two kits, a server account and a reader. `delay` is awaited before each answer."""

    def __init__(self) -> None:
        self.delay: asyncio.Event | None = None
        self.fails = False
        self.asked = 0
        self.accounts = {
            (KIT, PASSWORD): Identity(kind=IdentityKind.KIT, name=KIT),
            (OTHER_KIT, PASSWORD): Identity(kind=IdentityKind.KIT, name=OTHER_KIT),
            (SERVER, SERVER_PASSWORD): Identity(kind=IdentityKind.SERVER, name=SERVER),
            (READER, PASSWORD): Identity(kind=IdentityKind.READER, name=READER, read_filters=READ_FILTERS),
        }

    async def authenticate(self, username: str, password: bytes) -> Identity | None:
        self.asked += 1
        if self.delay is not None:
            await self.delay.wait()
        if self.fails:
            raise ConnectionError("the database is away")
        return self.accounts.get((username, password))


class Setup:
    """An endpoint and its surroundings."""

    def __init__(self, *, intake: FakeIntake | None = None, **limits: Any) -> None:
        self.intake = intake or FakeIntake()
        self.quarantine = FakeQuarantine()
        self.accounts = FakeAccounts()
        self.presence: list[tuple[str, bool]] = []
        self.refused: list[tuple[str, str, str]] = []
        self.own_words: list[tuple[str, str]] = []
        self.shared: list[str] = []
        self.log_ins: list[LogIn] = []
        self.clients: list[PacketClient] = []
        self.endpoint = MqttEndpoint(
            authenticator=self.accounts,
            intake=self.intake,
            set_aside=self.quarantine,
            listeners=[Listener(host="127.0.0.1", port=0)],
            limits=EndpointLimits(**({"stop_timeout_seconds": 0.1, "close_timeout_seconds": 1.0} | limits)),
            on_presence=lambda serial, connected: self.presence.append((serial, connected)),
            on_refused=lambda who, topic, reason: self.refused.append((who.name, topic, reason)),
            on_own_word=lambda serial, word: self.own_words.append((serial, word)),
            on_shared=self.shared.append,
            on_log_in=self.log_ins.append,
        )

    @property
    def port(self) -> int:
        return self.endpoint.addresses[0][1]

    @property
    def counters(self) -> Any:
        return self.endpoint.counters


@contextlib.asynccontextmanager
async def running(*, intake: FakeIntake | None = None, **limits: Any) -> AsyncIterator[Setup]:
    """Run an endpoint for the duration of a test. Errors that the event loop would merely log fail the test."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    setup = Setup(intake=intake, **limits)
    await setup.endpoint.start()
    try:
        yield setup
    finally:
        for client in setup.clients:
            await client.close()
        await setup.endpoint.stop()
    assert not failures, failures


class PacketClient:
    """A client under full control of the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, level: int) -> None:
        self._reader = reader
        self._writer = writer
        self._packets = PacketReader(1 << 28, level)
        self._received: list[Packet] = []
        self.level = level

    @classmethod
    async def open(cls, setup: Setup, level: int = MQTT_3_1_1, *, address: str = "127.0.0.1") -> PacketClient:
        reader, writer = await asyncio.open_connection("127.0.0.1", setup.port, local_addr=(address, 0))
        client = cls(reader, writer, level)
        setup.clients.append(client)
        return client

    @classmethod
    async def connected(
        cls,
        setup: Setup,
        username: str = KIT,
        *,
        level: int = MQTT_3_1_1,
        client_id: str = "",
        **fields: Any,
    ) -> PacketClient:
        client = await cls.open(setup, level)
        answer = await client.connect(username, client_id=client_id, **fields)
        assert answer.reason_code == 0, answer
        return client

    async def connect(
        self, username: str | None = KIT, *, password: bytes | None = None, client_id: str = "", **fields: Any
    ) -> Connack:
        if password is None and username is not None:
            password = SERVER_PASSWORD if username == SERVER else PASSWORD
        connect = Connect(
            client_id=client_id, protocol_level=self.level, username=username, password=password, **fields
        )
        await self.send(connect)
        answer = await self.next()
        assert isinstance(answer, Connack)
        return answer

    async def send(self, *packets: Packet) -> None:
        await self.send_bytes(b"".join(encode(packet, self.level) for packet in packets))

    async def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def send_without_waiting(self, data: bytes) -> None:
        self._writer.write(data)

    async def next(self) -> Packet:
        """Return the next packet; fails if the connection closes first."""
        packet = await self.next_or_end()
        assert packet is not None, "the endpoint closed the connection"
        return packet

    async def next_or_end(self) -> Packet | None:
        """Return the next packet, or None when the endpoint has closed the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._received:
                try:
                    data = await self._reader.read(65536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._received += self._packets.feed(data)
        return self._received.pop(0)

    async def is_closed(self) -> bool:
        """Read until the endpoint closes the connection."""
        while await self.next_or_end() is not None:
            pass
        return True

    async def subscribe(self, *filters: str, qos: int = 2, **options: Any) -> Sequence[int]:
        wanted = tuple(Subscription(topic_filter=each, qos=qos, **options) for each in filters)
        await self.send(Subscribe(packet_id=1, subscriptions=wanted))
        answer = await self.next()
        assert isinstance(answer, Suback)
        return answer.reason_codes

    async def next_message(self) -> Publish:
        packet = await self.next()
        assert isinstance(packet, Publish), packet
        return packet

    async def close(self) -> None:
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def pause_reading(self) -> None:
        """Stop reading from the endpoint, like a subscriber that hangs."""
        transport: Any = self._writer.transport
        transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again after `pause_reading`."""
        transport: Any = self._writer.transport
        transport.resume_reading()
