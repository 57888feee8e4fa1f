"""`hortus up` inside the test's own process, and a look at each thing that it does for people."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from fault_one_box import OneBox
from PIL import Image
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from hortus.app.up import UpOptions, run_up
from hortus.base.database.engine import open_engine
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import create_user
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit, add_standard_configuration
from hortus.flow.gateway.boards import register_board
from hortus.flow.gateway.settings import GatewaySettings
from hortus.protocol.mqtt.client import BrokerAddress, MqttClient
from hortus.protocol.wire.codec import encode_media, encode_raw_measurement
from hortus.protocol.wire.messages import Media, RawMeasurement
from hortus.simulator.kit import VirtualKit
from hortus.simulator.options import KitCredentials, SimulatorOptions
from ingest_world import now_ms
from mail_server import MailServer, mail_server
from programs import free_port
from waiting import PATIENCE_SECONDS, until

_PASSWORD = "a password of flora's"
_BOARD = 7
_HOUR_MS = 3_600_000

_SET_UP_PLANT = """
WITH joined AS (
    INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure)
    SELECT $1, id, now(), true, true FROM kits
), plant AS (
    INSERT INTO plants (owner_id, name, species_id)
    SELECT $1, 'Monty', id FROM species WHERE key = 'monstera' RETURNING id
), linked AS (
    INSERT INTO plant_links (plant_id, kit_id, linked_from)
    SELECT plant.id, kits.id, now() - interval '1 hour' FROM plant, kits WHERE kits.serial = $2
)
INSERT INTO plant_alert_settings (plant_id, hold_seconds) SELECT id, 0 FROM plant
"""


@dataclass(kw_only=True)
class WholeBox:
    """Flora's box: a kit that answers, a board that measures her plant, and a mail server."""

    database: asyncpg.Connection
    mails: MailServer
    options: UpOptions
    http: httpx.AsyncClient
    kit: CreatedKit
    shed: CreatedKit
    peripheral: int
    publisher: MqttClient
    token: str
    live: ClientConnection
    stack: AsyncExitStack
    virtual_kit: VirtualKit
    _values: Any = field(default_factory=lambda: itertools.count(100))

    async def health(self) -> dict[str, Any]:
        return dict((await self.http.get("/healthz")).json())

    async def see_everything_work(self) -> None:
        """Return when each function was seen to work, with new data."""
        await self.see_a_reading_stored_and_told()
        await self.see_an_alert_and_its_mail()
        await self.see_a_command_answered()
        await self.see_a_past_hour_rolled_up()
        await self.see_a_thumbnail()
        await self.see_presence_change()
        await self.see_a_new_password_cut_the_old_connection()

    async def see_a_reading_stored_and_told(self) -> None:
        """See a value on the live feed; a client whose connection ended with the web server connects again."""
        value = 0.0

        async def told() -> bool:
            nonlocal value
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    value = await self.publish_reading()
                    while f'"value":{value}' not in str(await self.live.recv()).replace(" ", ""):
                        pass
            except ConnectionClosed:
                self.live = await until(self._subscribed_again)
                return False
            return True

        await until(told, "a value on the live feed")
        assert await self._count("SELECT count(*) FROM raw_measurements WHERE value = $1", value) == 1

    async def _subscribed_again(self) -> ClientConnection | None:
        with suppress(OSError, InvalidHandshake):
            return await _subscribed(self.stack, self.options, self.kit, self.token)
        return None

    async def see_an_alert_and_its_mail(self) -> None:
        before = len(self.mails.mails)
        reading = {"id": _BOARD, "temperature": 22.5, "humidity": 5, "light": 900}
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as board:
            address = f"http://127.0.0.1:{self.options.gateway_port}/sensor-data"
            assert (await board.post(address, json=reading)).status_code == 200
        await until(lambda: self._count("SELECT count(*) FROM alerts WHERE over_at IS NULL"), "an alert")
        await until(lambda: len(self.mails.mails) > before, "a mail about it")

    async def see_a_command_answered(self) -> None:
        async def answered() -> bool:
            reply = await self.http.get(f"/api/kit-rpc/{self.kit.serial}/uptime")
            return reply.status_code == 200

        await until(answered, "the kit's answer to a command")

    async def see_a_past_hour_rolled_up(self) -> None:
        value = await self.publish_reading(datetime_ms=now_ms() - 3 * _HOUR_MS)
        statement = "SELECT count(*) FROM series_hours WHERE maximum = $1"
        await until(lambda: self._count(statement, value), "a rollup")

    async def see_a_thumbnail(self) -> None:
        picture = BytesIO()
        Image.new("RGB", (640, 480), "green").save(picture, "PNG")
        medium_id = uuid.uuid4()
        medium = Media(
            id=medium_id.bytes,
            datetime_ms=now_ms(),
            peripheral=self.peripheral,
            name="regular.png",
            type="image/png",
            data=picture.getvalue(),
            metadata="null",
        )
        await self._publish("media", encode_media(medium))
        statement = "SELECT count(*) FROM media WHERE id = $1 AND thumbnail = 'made'"
        await until(lambda: self._count(statement, medium_id), "a thumbnail")

    async def see_presence_change(self) -> None:
        statement = "SELECT count(*) FROM kit_presence WHERE kit_id = $1 AND is_connected = $2"
        async with AsyncExitStack() as stack:
            await _client(stack, self.options, self.shed)
            await until(lambda: self._count(statement, self.shed.id, True), "the kit to be known as connected")
        await until(lambda: self._count(statement, self.shed.id, False), "the kit to be known as gone")

    async def see_a_new_password_cut_the_old_connection(self) -> None:
        connections = self.publisher.reconnects
        await self.database.execute("UPDATE kits SET password_hash = 'none' WHERE id = $1", self.kit.id)
        await until(lambda: self.publisher.reconnects > connections or not self.publisher.connected)

    async def publish_reading(self, **changes: Any) -> float:
        """Publish a reading with a value of its own, and return the value once it is acknowledged."""
        value = float(next(self._values))
        fields = {
            "id": uuid.uuid4().bytes,
            "datetime_ms": now_ms(),
            "peripheral": self.peripheral,
            "quantity_type": 1,
            "value": value,
        }
        reading = RawMeasurement(**(fields | changes))
        await self._publish("measurement/raw", encode_raw_measurement(reading))
        return value

    async def _publish(self, channel: str, payload: bytes) -> None:
        await until(lambda: self.publisher.connected)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.publisher.publish(f"kit/{self.kit.serial}/{channel}", payload, qos=1)

    async def _count(self, statement: str, *arguments: Any) -> int:
        return int(await self.database.fetchval(statement, *arguments))


@asynccontextmanager
async def whole_box(directory: Path) -> AsyncIterator[WholeBox]:
    """Start everything; yield when all of it has worked once."""
    options = UpOptions(
        data_dir=directory / "data",
        host="127.0.0.1",
        http_port=free_port(),
        mqtt_port=free_port(),
        gateway_port=free_port(),
        demo_kits=0,
    )
    async with AsyncExitStack() as stack:
        mails = await stack.enter_async_context(mail_server(directory))
        settings = GatewaySettings(**mails.settings())  # type: ignore[arg-type]
        console = Console(file=StringIO())
        stack.push_async_callback(_cancelled, asyncio.create_task(run_up(settings, options, console)))
        await until((options.data_dir / "run.json").exists, "hortus up is ready")
        url = OneBox(options.data_dir, []).url
        database = await asyncpg.connect(**url.asyncpg_arguments())
        stack.push_async_callback(database.close)
        async with open_engine(url) as engine, engine.begin() as connection:
            flora = await create_user(
                connection, Passwords(), username="flora", email_address="flora@example.org", password=_PASSWORD
            )
            kit = await KitStore().create(connection, NewKit(name="Roof"))
            thermometer, *_ = await add_standard_configuration(connection, kit.id)
            board = await register_board(connection, name="Window sill", sensor_id=_BOARD)
            shed = await KitStore().create(connection, NewKit(name="Shed"))
        await database.execute(_SET_UP_PLANT, flora.id, board.serial)
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{options.http_port}", timeout=PATIENCE_SECONDS)
        )
        tokens = (await http.post("/api/me/auth", json={"username": "flora", "password": _PASSWORD})).json()
        http.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
        box = WholeBox(
            database=database,
            mails=mails,
            options=options,
            http=http,
            kit=kit,
            shed=shed,
            peripheral=thermometer.id,
            publisher=await _client(stack, options, kit),
            token=tokens["accessToken"],
            live=await _subscribed(stack, options, kit, tokens["accessToken"]),
            stack=stack,
            virtual_kit=await _virtual_kit(stack, options, kit),
        )
        yield box


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _client(stack: AsyncExitStack, options: UpOptions, kit: CreatedKit) -> MqttClient:
    """Connect a client with the kit's account, which sends when the test says so."""
    address = BrokerAddress(
        host="127.0.0.1", port=options.mqtt_port, username=kit.serial, password=kit.password
    )
    client = MqttClient(address, client_id=f"client of {kit.serial}")
    stack.push_async_callback(_cancelled, asyncio.create_task(client.run()))
    await until(lambda: client.connected)
    return client


async def _subscribed(
    stack: AsyncExitStack, options: UpOptions, kit: CreatedKit, token: str
) -> ClientConnection:
    address = f"ws://127.0.0.1:{options.http_port}/api/ws"
    headers = {"Authorization": f"Bearer {token}"}
    socket = await stack.enter_async_context(connect(address, additional_headers=headers))
    request = {"method": "subscribe_raw_measurements", "params": {"kit_serial": kit.serial}}
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, **request}))
    assert "result" in json.loads(await socket.recv())
    return socket


async def _virtual_kit(stack: AsyncExitStack, options: UpOptions, kit: CreatedKit) -> VirtualKit:
    virtual = VirtualKit(
        KitCredentials(serial=kit.serial, password=kit.password), SimulatorOptions(port=options.mqtt_port)
    )
    stack.push_async_callback(_cancelled, asyncio.create_task(virtual.run()))
    await until(lambda: virtual.measuring, "the kit has booted")
    return virtual
