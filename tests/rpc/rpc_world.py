"""The harness of the RPC tests: kits, users and everything between them, in one process on real services."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.routing import Mount

from hortus.app.kit_rpc import ANSWER_TOPICS, REQUEST_TOPICS, EndpointTransport, KitRpc
from hortus.app.supervision import process_supervisor
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.intake import MessageSource
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.tokens import Tokens
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit, NewPeripheral, add_configuration
from hortus.domain.mqtt_accounts.authenticator import EndpointAuthenticator
from hortus.domain.presence.keeper import PresenceKeeper
from hortus.flow.commands.watch import CommandWatch, follow_commands
from hortus.http.access.services import ApiParts, open_reading_engine
from hortus.http.api.app import create_api
from hortus.http.server.server import bind, serving
from hortus.protocol.mqtt.endpoint import EndpointLimits, Identity, Listener, MqttEndpoint
from hortus.simulator.kit import VirtualKit
from hortus.simulator.kit_connection import LinkSettings
from hortus.simulator.options import BootTimes, KitCredentials, SimulatorOptions
from hortus.simulator.rpc_faults import RpcFaultPlan, parse_rpc_faults
from waiting import until

TOKEN_KEY = b"a key of the tests that signs tokens"

INTERVALS = {"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}}
PERIPHERALS = (
    NewPeripheral(definition="Virtual barometer", name="Climate", configuration=INTERVALS),
    NewPeripheral(definition="Virtual heater", name="Heater", configuration=None),
    NewPeripheral(definition="AstroPlant LED panel", name="Lamp", configuration={
        "gpioAddressBlue": 21, "gpioAddressRed": 20, "gpioAddressFarRed": 18}),
    NewPeripheral(definition="Virtual random camera", name="Camera", configuration={
        "schedule": [{"time": "12:00:00", "command": "uniform"}]}),
)  # fmt: skip

_numbers = itertools.count(1)


class SettlingIntake:
    """Acknowledges readings and discards them, as they do not matter here."""

    saturated = False

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    def when_relieved(self, callback: Callable[[], None]) -> None:
        raise AssertionError("never saturated")

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        self.messages.append((topic, payload))
        source.settle([handle])

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        source.settle([handle])

    def set_aside(
        self,
        identity: Identity,
        topic: str,
        payload: bytes,
        payload_bytes: int,
        reason: str,
        source: MessageSource,
        handle: int,
    ) -> None:
        source.settle([handle])


@dataclass(slots=True, kw_only=True)
class RpcWorld:
    """An installation in one process, and an administrator."""

    url: DatabaseUrl
    engine: AsyncEngine
    endpoint: MqttEndpoint
    intake: SettlingIntake
    rpc: KitRpc
    client: httpx.AsyncClient
    headers: dict[str, str]
    stack: AsyncExitStack
    kits: list[CreatedKit] = field(default_factory=list)

    @property
    def mqtt_port(self) -> int:
        return self.endpoint.addresses[0][1]

    async def make_kit(self, *, peripherals: tuple[NewPeripheral, ...] = PERIPHERALS) -> CreatedKit:
        async with self.engine.begin() as connection:
            kit = await KitStore().create(connection, NewKit(name="Basil"))
            await add_configuration(connection, kit.id, description=None, peripherals=peripherals, active=True)
        self.kits.append(kit)
        return kit

    async def start(self, kit: CreatedKit, rpc_faults: str = "", **options: Any) -> VirtualKit:
        """Run a virtual kit until the world ends; return it when it has booted."""
        return await self.stack.enter_async_context(
            running_kit(kit, self.mqtt_port, rpc_faults=parse_rpc_faults(rpc_faults), **options)
        )

    async def get(self, path: str, **arguments: Any) -> httpx.Response:
        return await self.client.get(path, headers=self.headers, **arguments)

    async def post(self, path: str, body: Any, **arguments: Any) -> httpx.Response:
        return await self.client.post(path, json=body, headers=self.headers, **arguments)

    async def command(self, kit: CreatedKit, peripheral: str, command: Any) -> httpx.Response:
        return await self.post(
            f"/kit-rpc/{kit.serial}/peripheral-command", {"peripheral": peripheral, "command": command}
        )

    async def ledger(self, kit: CreatedKit) -> list[dict[str, Any]]:
        """The kit's commands, oldest first."""
        response = await self.get(f"/kits/{kit.serial}/commands")
        assert response.status_code == 200, response.text
        return list(reversed(response.json()))

    async def run_sql(self, statement: str, **parameters: Any) -> Any:
        async with self.engine.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else None

    async def person(self, *, is_admin: bool = False) -> tuple[int, dict[str, str]]:
        return await make_person(self.engine, is_admin=is_admin)


async def make_person(engine: AsyncEngine, *, is_admin: bool = False) -> tuple[int, dict[str, str]]:
    """Return the id of a new user and the headers with which they send requests."""
    username = f"person-{next(_numbers)}"
    async with engine.begin() as connection:
        user_id = await connection.scalar(
            insert(UserRow)
            .values(
                username=username,
                display_name=username,
                password_hash="none",
                email_address=f"{username}@example.org",
                gravatar_alternative=username,
                is_admin=is_admin,
            )
            .returning(UserRow.id)
        )
    assert user_id is not None
    token = Tokens(TOKEN_KEY, lambda: datetime.now(UTC)).access(user_id)
    return user_id, {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def serving_api(url: DatabaseUrl) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the API on a free port, as a process of its own would; yield a client with its base URL."""
    async with (
        open_engine(url) as engine,
        open_reading_engine(url) as reading_engine,
        AsyncExitStack() as stack,
    ):
        watch = CommandWatch()
        await stack.enter_async_context(running(follow_commands(connector(url, "test commands"), watch)))
        parts = ApiParts(
            engine=engine,
            reading_engine=reading_engine,
            connect=connector(url, "test api"),
            token_key=TOKEN_KEY,
            command_watch=watch,
        )
        listener = bind("127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        await stack.enter_async_context(serving(Starlette(routes=[Mount("/api", create_api(parts))]), listener))
        yield await stack.enter_async_context(httpx.AsyncClient(base_url=base_url, timeout=120, verify=False))


@asynccontextmanager
async def running(*coroutines: Any) -> AsyncIterator[None]:
    """Run these concurrently with the test, and cancel them at its end. A failure fails the test."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def running_kit(
    kit: CreatedKit, port: int, *, rpc_faults: RpcFaultPlan | None = None, **options: Any
) -> AsyncIterator[VirtualKit]:
    """Run a virtual kit; yields when it has its configuration and measures."""
    settings = SimulatorOptions(
        port=port,
        rpc_faults=rpc_faults or RpcFaultPlan(),
        link=LinkSettings(first_reconnect_seconds=0.05),
        boot=BootTimes(answer_timeout_seconds=60.0, ask_again_seconds=0.2),
        camera_seconds=0.05,
    )
    virtual = VirtualKit(KitCredentials(serial=kit.serial, password=kit.password), replace(settings, **options))
    async with running(virtual.run()):
        await until(lambda: virtual.measuring, "the kit has booted")
        yield virtual


@asynccontextmanager
async def rpc_world(database_url: str, *, kit_seconds: int = 30) -> AsyncIterator[RpcWorld]:
    """Run an installation with the built-in endpoint. `kit_seconds` is the time kits have to answer."""
    url = DatabaseUrl.parse(database_url)
    intake = SettlingIntake()
    async with open_engine(url) as engine, AsyncExitStack() as stack:
        presence = PresenceKeeper(engine)
        endpoint = MqttEndpoint(
            authenticator=EndpointAuthenticator(engine, server_password="server password"),
            intake=intake,
            set_aside=intake.set_aside,
            listeners=[Listener(host="127.0.0.1", port=0)],
            limits=EndpointLimits(
                stop_timeout_seconds=0.2, close_timeout_seconds=1.0, sharing_grace_seconds=0.0
            ),
            on_presence=presence.connection_changed,
            on_shared=presence.account_shared,
        )
        transport = EndpointTransport(endpoint)
        rpc = KitRpc(
            engine,
            connector(url, "test rpc"),
            transport,
            transport.publish,
            presence,
            kit_seconds=kit_seconds,
        )
        endpoint.subscribe_local(REQUEST_TOPICS, rpc.responder.request_arrived)
        endpoint.subscribe_local(ANSWER_TOPICS, rpc.answers.answer_arrived)
        await endpoint.start()
        stack.push_async_callback(endpoint.stop)
        rpc.start(await stack.enter_async_context(process_supervisor()))
        client = await stack.enter_async_context(serving_api(url))
        _, headers = await make_person(engine, is_admin=True)
        world = RpcWorld(
            url=url,
            engine=engine,
            endpoint=endpoint,
            intake=intake,
            rpc=rpc,
            client=client,
            headers=headers,
            stack=stack,
        )
        await until(lambda: _can_send(world), "commands can be sent")
        yield world


async def _can_send(world: RpcWorld) -> bool:
    return bool(await world.run_sql("SELECT sending_until FROM kit_command_sending"))
