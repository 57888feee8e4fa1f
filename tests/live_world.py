"""A served API with a live feed, the pipeline that stores readings, and clients that hear them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from websockets.asyncio.client import ClientConnection, connect

from hortus.base.database.engine import connector, open_engine
from hortus.base.database.partitions import ensure_partitions, months_ahead
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.store import (
    CreatedKit,
    CreatedPeripheral,
    KitStore,
    NewKit,
    add_standard_configuration,
)
from hortus.flow.ingest.store import LIVE_CHANNEL
from hortus.http.access.services import ApiParts
from hortus.http.access.sessions import Sessions
from hortus.http.api.app import create_api
from hortus.http.app import WebDependencies, create_app
from hortus.http.live.access import AccessToKits
from hortus.http.live.admission import LiveLimits
from hortus.http.live.hub import LiveHub
from hortus.http.server.server import bind, serving
from waiting import PATIENCE_SECONDS

TOKEN_KEY = b"a key of the tests that signs tokens"
SESSION_KEY = "a key of the tests that signs sessions"


class Clock:
    """The present, unless a test moves it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKit:
    """A kit with the peripherals of a standard configuration."""

    id: int
    serial: str
    peripherals: tuple[CreatedPeripheral, ...]

    @property
    def peripheral(self) -> int:
        return self.peripherals[0].id


@dataclass(slots=True)
class Client:
    """One connection; what arrives is sorted into replies and notifications."""

    socket: ClientConnection
    replies: dict[Any, dict[str, Any]] = field(default_factory=dict)
    notifications: list[dict[str, Any]] = field(default_factory=list)
    order: list[dict[str, Any]] = field(default_factory=list)
    told_or_skipped: int = 0
    newest: float | None = None
    _ids: Any = field(default_factory=itertools.count)

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        assert message["jsonrpc"] == "2.0"
        self.order.append(message)
        if "method" in message:
            self.notifications.append(message)
            self._count(message["params"])
        else:
            self.replies[message["id"]] = message
        return message

    def _count(self, params: dict[str, Any]) -> None:
        if "result" in params:
            self.told_or_skipped += 1
            self.newest = params["result"].get("value")
        else:
            self.told_or_skipped += params.get("count", 0)

    async def raw(self, text: str | bytes) -> dict[str, Any]:
        """Send a frame and return the next message that is no notification."""
        await self.socket.send(text)
        while "method" in (message := await self.receive()):
            pass
        return message

    async def call(self, method: str, params: Any) -> dict[str, Any]:
        request_id = next(self._ids)
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        return await self.raw(json.dumps(request))

    async def subscribe(self, kit: LiveKit | CreatedKit, topic: str | None = None) -> int:
        """Subscribe as the front-end does, or to a topic; return the subscription's number."""
        if topic is None:
            reply = await self.call("subscribe_raw_measurements", {"kit_serial": kit.serial})
        else:
            reply = await self.call("subscribe", {"topic": topic, "kit_serial": kit.serial})
        assert "result" in reply, reply
        return int(reply["result"])

    async def until(self, condition: Callable[[], Any]) -> None:
        """Receive until the condition holds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await self.receive()

    def values(self, subscription: int | None = None) -> list[float]:
        return [each["value"] for each in self.results(subscription)]

    def results(self, subscription: int | None = None) -> list[dict[str, Any]]:
        return [
            each["params"]["result"]
            for each in self.notifications
            if "result" in each["params"]
            and (subscription is None or each["params"]["subscription"] == subscription)
        ]

    def told(self, method: str) -> list[dict[str, Any]]:
        return [each["params"] for each in self.notifications if each["method"] == method]

    async def nothing_more(self) -> None:
        """Wait for a reply, by which everything that was told before has arrived."""
        await self.call("unsubscribe", [0])


@dataclass(slots=True, kw_only=True)
class LiveWorld:
    """One process of the API, with direct access to the database."""

    url: DatabaseUrl
    hub: LiveHub
    parts: ApiParts
    clock: Clock
    connection: asyncpg.Connection
    port: int

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/ws"

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        async with connect(self.socket_url, **options) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def client_at(self, path: str) -> AsyncIterator[Client]:
        async with connect(f"ws://127.0.0.1:{self.port}{path}") as socket:
            yield Client(socket)

    async def kit(self, *, public: bool = True) -> LiveKit:
        return await make_live_kit(self.parts, public=public)

    async def store(
        self,
        kit: LiveKit,
        value: float,
        *,
        at: datetime | None = None,
        series: int = 0,
        connection: asyncpg.Connection | None = None,
    ) -> UUID:
        """Commit a reading as ingest does: the row, and the announcement in the same transaction."""
        using = connection or self.connection
        async with using.transaction():
            return await insert_reading(using, kit, value, at=at, series=series)


async def make_live_kit(parts: ApiParts, *, public: bool) -> LiveKit:
    async with parts.engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name="Basil", public_dashboard=public))
        peripherals = await add_standard_configuration(connection, kit.id)
    return LiveKit(id=kit.id, serial=kit.serial, peripherals=tuple(peripherals))


async def insert_reading(
    connection: asyncpg.Connection, kit: LiveKit, value: float, *, at: datetime | None = None, series: int = 0
) -> UUID:
    """Insert a reading and announce it, in the caller's transaction."""
    reading_id = uuid4()
    peripheral = kit.peripherals[series]
    await connection.execute(
        "INSERT INTO raw_measurements (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, "
        "quantity_type_id) VALUES ($1, $2, $3, $4, $5, 1, $6)",
        at or datetime.now(UTC),
        value,
        reading_id,
        kit.id,
        peripheral.id,
        peripheral.quantity_types[0],
    )
    await connection.execute("SELECT pg_notify($1, $2)", LIVE_CHANNEL, str(kit.id))
    return reading_id


@asynccontextmanager
async def live_world(
    database_url: str, limits: LiveLimits | None = None, **changes: Any
) -> AsyncIterator[LiveWorld]:
    """Serve the API with a live feed on a migrated database."""
    url, clock = DatabaseUrl.parse(database_url), Clock()
    async with open_engine(url) as engine:
        hub = LiveHub(
            connector(url, "test live"), AccessToKits(engine, clock).check, clock=clock, limits=limits
        )
        parts = ApiParts(
            engine=engine,
            connect=connector(url, "test api"),
            token_key=TOKEN_KEY,
            clock=clock,
            page_sessions=Sessions(SESSION_KEY, engine),
            **changes,
        )
        api = create_api(parts, hub)
        app = create_app(
            WebDependencies(services=api.state.services, secret_key=SESSION_KEY, api=api, live=hub)
        )
        listener = bind("127.0.0.1", 0)
        connection = await asyncpg.connect(database_url)
        await ensure_partitions(connection, months_ahead(datetime.now(UTC)))
        running = asyncio.create_task(hub.run())
        try:
            async with serving(app, listener):
                yield LiveWorld(
                    url=url,
                    hub=hub,
                    parts=parts,
                    clock=clock,
                    connection=connection,
                    port=listener.getsockname()[1],
                )
        finally:
            await connection.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
