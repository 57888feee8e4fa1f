"""Several processes: two that serve, one that stores, and a database that goes away and returns."""

from __future__ import annotations

import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.http.live import hub as hub_module
from hortus.http.live.jsonrpc import ErrorCode
from ingest_world import World
from live_world import Client, LiveWorld, live_world
from web_process import WebProcess, web_process


@asynccontextmanager
async def client_of(web: WebProcess) -> AsyncIterator[Client]:
    async with connect(f"ws://127.0.0.1:{web.port}/api/ws") as socket:
        yield Client(socket)


async def test_two_processes_tell_what_a_third_stores_and_one_goes_on_without_the_other(
    world: World, tmp_path: Path
) -> None:
    key_file = tmp_path / "token-signer.key"
    key_file.write_text(secrets.token_urlsafe(48))
    await world.connection.execute(
        "UPDATE kits SET privacy_public_dashboard = true WHERE id = $1", world.kit.id
    )
    settings = {"DATABASE_URL": world.url, "TOKEN_SIGNER_KEY": str(key_file)}
    async with (
        web_process(tmp_path / "one.log", **settings) as one,
        web_process(tmp_path / "two.log", **settings) as two,
        client_of(one) as first,
        client_of(two) as second,
    ):
        await first.subscribe(world.kit)
        await second.subscribe(world.kit)
        await world.send(world.raw(value=21.5))
        await first.until(lambda: first.values() == [21.5])
        await second.until(lambda: second.values() == [21.5])

        await one.stop(signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            await first.receive()
        again = world.raw(value=22.5)
        await world.send(again)
        await world.send(again)  # a redelivery has no effect (P2)
        await world.send(world.raw(value=23.5))
        await second.until(lambda: 23.5 in second.values())
        assert second.values() == [21.5, 22.5, 23.5]

        # A process that is stopping asks its clients to reconnect, and does not wait for them.
        assert await two.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            await second.until(lambda: False)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


class Door:
    """Allows or prevents connections of processes to a database."""

    def __init__(self, server: EmbeddedPostgres, live: LiveWorld) -> None:
        self._server = server
        self._database = live.url.database

    async def shut(self) -> None:
        """Close all connections but the test's own and reject new ones, as if the database were away."""
        await self._run(
            f"ALTER DATABASE {self._database} CONNECTION LIMIT 0",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{self._database}' AND application_name <> 'test itself'",
        )

    async def open(self) -> None:
        await self._run(f"ALTER DATABASE {self._database} CONNECTION LIMIT -1")

    async def _run(self, *statements: str) -> None:
        connection = await asyncpg.connect(**self._server.superuser_url.asyncpg_arguments())
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


async def test_while_the_database_is_away_nobody_is_told_a_lie_and_afterwards_nothing_is_missing(
    postgres_server: EmbeddedPostgres, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_RETRY_SECONDS", 0.05)
    async with live_world(migrated_database_url) as live, live.client() as client:
        await live.connection.execute("SET application_name = 'test itself'")
        kit = await live.kit()
        door = Door(postgres_server, live)
        subscription = await client.subscribe(kit)
        await live.store(kit, 1.0)
        await client.until(lambda: client.values() == [1.0])

        await door.shut()
        await client.until(lambda: client.told("interrupted"))
        refused = await client.call("subscribe_raw_measurements", [kit.serial])
        assert refused["error"]["code"] == ErrorCode.UNAVAILABLE
        assert refused["error"]["data"] == {"retryAfterSeconds": 5}
        await live.store(kit, 2.0)  # a writer that connected before
        await live.store(kit, 3.0)
        await live.connection.execute(
            "UPDATE kits SET privacy_public_dashboard = $1 WHERE id = $2", True, kit.id
        )
        await client.nothing_more()
        assert client.values() == [1.0]

        await door.open()
        await client.until(lambda: client.values() == [1.0, 2.0, 3.0])
        methods = [each["method"] for each in client.notifications]
        assert methods.index("resumed") < len(methods) - 2  # before the missing values
        assert client.told("resumed") == [{"subscription": subscription}]
        await client.subscribe(kit)


async def test_who_lost_the_right_meanwhile_is_told_nothing_afterwards(
    postgres_server: EmbeddedPostgres, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_RETRY_SECONDS", 0.05)
    async with live_world(migrated_database_url) as live, live.client() as client:
        await live.connection.execute("SET application_name = 'test itself'")
        kit = await live.kit()
        door = Door(postgres_server, live)
        await client.subscribe(kit)
        await door.shut()
        await client.until(lambda: client.told("interrupted"))
        await live.connection.execute("UPDATE kits SET privacy_public_dashboard = false WHERE id = $1", kit.id)
        await live.store(kit, 1.0)
        await door.open()
        await client.until(lambda: client.told("subscription_ended"))
        await client.nothing_more()
        assert client.values() == []
