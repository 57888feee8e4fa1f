"""Many boxes under test: Mosquitto as shipped, two ingesters, and PostgreSQL behind a network that can fail."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
from fault_accounts import make_accounts
from fault_one_box import brief
from fault_processes import PostgresProcesses, Process
from fault_proxy import DatabaseProxy
from fault_readings import Account

from hortus.base.database.engine import open_engine
from hortus.base.database.url import Host
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.domain.definitions.store import load_definitions
from hortus.flow.migrations.migrate import upgrade
from mosquitto_process import Mosquitto
from waiting import until

INGESTERS = ("ingest-1", "ingest-2")

# What an ingester logs when the broker has granted its subscriptions.
_SUBSCRIBED = "connected to the broker"


def _postgres(directory: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(directory, owner_password="owner", superuser_password="superuser")


class ManyBoxes:
    """Everything of the many-box topology on one machine. `waits_for`: before the broker lets kits in."""

    def __init__(self, folder: Path, accounts: list[Account], waits_for: str) -> None:
        self.accounts = accounts
        self.server = _postgres(folder / "postgres")
        self.postgres = PostgresProcesses(self._postmaster)
        self.proxy = DatabaseProxy(lambda: self.server.url.hosts[0].port)
        (folder / "mosquitto").mkdir()
        self.mosquitto = Mosquitto(folder / "mosquitto", waits_for=waits_for)
        self.mosquitto.seed([(account.serial, account.password) for account in accounts])
        self.ingesters: dict[str, Process] = {}
        self._folder = folder

    @classmethod
    async def prepare(cls, directory: Path) -> list[Account]:
        """Make a PostgreSQL with schema and kits, as `on_copy_of` wants it."""
        server = _postgres(directory)
        url = await server.start()
        try:
            async with open_engine(url) as engine:
                await upgrade(engine)
                async with engine.begin() as connection:
                    await load_definitions(connection)
            return await make_accounts(url)
        finally:
            await server.stop()

    @classmethod
    def on_copy_of(
        cls, prepared: Path, folder: Path, accounts: list[Account], waits_for: str = "readings media"
    ) -> ManyBoxes:
        """Return boxes, not started, whose database is a copy of the prepared one."""
        folder.mkdir()
        shutil.copytree(prepared, folder / "postgres", symlinks=True)
        return cls(folder, accounts, waits_for)

    @property
    def mqtt_port(self) -> int:
        """Where kits connect."""
        return self.mosquitto.port

    async def start(self) -> None:
        """Start everything; return when the broker keeps messages for the ingesters, whatever happens."""
        await self.start_database()
        self.mosquitto.start()
        for name in INGESTERS:
            self.ingesters[name] = self.process(name, "ingest", "--to", "database")
            self.ingesters[name].start()
        for ingester in self.ingesters.values():
            await self._wait_until_subscribed(ingester)
        await self.save_broker()

    async def start_database(self) -> None:
        """Start PostgreSQL and the network to it."""
        await self.server.start()
        await self.proxy.start()

    async def save_broker(self) -> None:
        """Have the broker write its state, as it does by itself every few seconds."""
        state = self.mosquitto.folder / "mosquitto.db"
        before = state.stat().st_mtime_ns if state.exists() else 0
        self.mosquitto.send_signal(signal.SIGUSR1)
        await until(lambda: state.exists() and state.stat().st_mtime_ns > before, "the broker's state on disk")

    async def stop(self) -> None:
        """End everything properly; fails if that does not work."""
        for ingester in self.ingesters.values():
            await ingester.ask_to_end()

    async def clean_up(self) -> None:
        """End everything whatever state it is in."""
        self.postgres.resume()
        for ingester in self.ingesters.values():
            ingester.clean_up()
        with contextlib.suppress(AssertionError):  # it does not run
            self.mosquitto.send_signal(signal.SIGCONT)
        self.mosquitto.stop()
        self.proxy.go_on()
        await self.proxy.stop()
        await self.server.stop(patience_seconds=1)

    async def connect(self) -> asyncpg.Connection:
        """Connect to the database from outside, past the proxy."""
        return await asyncpg.connect(**brief(self.server.url))

    def check_running(self) -> None:
        """Fail if something has ended by itself."""
        for ingester in self.ingesters.values():
            ingester.check_running()

    async def start_ingester(self, name: str) -> None:
        """Start an ingester again; return when it is at work, so that it can be asked to end properly."""
        before = self.subscriptions_of(name)
        self.ingesters[name].start()
        await self.subscribed_again(name, before)

    def subscriptions_of(self, name: str) -> int:
        """Return how many times an ingester has connected and subscribed."""
        return self.ingesters[name].output().count(_SUBSCRIBED)

    async def subscribed_again(self, name: str, before: int) -> None:
        """Return when an ingester has subscribed more than `before` times."""
        await self._wait_until_subscribed(self.ingesters[name], before)

    def connections_to_broker(self) -> int:
        """Return how many times any ingester has connected and subscribed."""
        return sum(self.subscriptions_of(name) for name in self.ingesters)

    def process(self, client_id: str, *command: str) -> Process:
        """Return a process of Hortus between broker and database, not started."""
        url = replace(self.server.url, hosts=(Host(name="127.0.0.1", port=self.proxy.port),))
        broker = self.mosquitto.address()
        environment = {
            "DATABASE_URL": url.libpq(),
            "MQTT_HOST": broker.host,
            "MQTT_PORT": str(broker.port),
            "MQTT_USERNAME": broker.username or "",
            "MQTT_PASSWORD": broker.password or "",
            "HORTUS_MQTT_CLIENT_ID": client_id,
        }
        arguments = [sys.executable, "-m", "hortus", *command]
        return Process(arguments, environment, self._folder / f"{client_id}.log")

    async def _wait_until_subscribed(self, ingester: Process, times_before: int = 0) -> None:
        def subscribed() -> bool:
            ingester.check_running()
            return ingester.output().count(_SUBSCRIBED) > times_before

        await until(subscribed, "the ingester's subscription")

    def _postmaster(self) -> int:
        process_id = self.server.process_id
        assert process_id is not None
        return process_id
