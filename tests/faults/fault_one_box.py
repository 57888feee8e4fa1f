"""One box under test: the command `hortus up`, with the PostgreSQL that it brings."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import asyncpg
from fault_accounts import make_accounts
from fault_processes import PostgresProcesses, Process
from fault_readings import Account

from hortus.base.database.url import DatabaseUrl, Host
from programs import answers, free_port
from waiting import until


class OneBox:
    """`hortus up` on a data directory."""

    def __init__(self, directory: Path, accounts: list[Account]) -> None:
        self.accounts = accounts
        self.mqtt_port = free_port()
        self.directory = directory
        self.hortus = Process(
            [
                *(sys.executable, "-m", "hortus", "up", "--data-dir", str(directory), "--gateway-port", "0"),
                *("--http-port", str(free_port()), "--mqtt-port", str(self.mqtt_port)),
            ],
            {},
            directory.with_name(directory.name + ".log"),
        )
        self.postgres = PostgresProcesses(lambda: int(self._postmaster_lines()[0]))

    @classmethod
    async def prepare(cls, directory: Path) -> list[Account]:
        """Make a data directory with kits, as `OneBox` can be started on a copy of."""
        box = cls(directory, [])
        await box.start()
        try:
            accounts = await make_accounts(box.url)
            await box.hortus.ask_to_end()
        finally:
            box.clean_up()
        return accounts

    @classmethod
    def on_copy_of(cls, prepared: Path, directory: Path, accounts: list[Account]) -> OneBox:
        """Return a box, not started, on a copy of a prepared data directory."""
        shutil.copytree(prepared, directory, symlinks=True)
        return cls(directory, accounts)

    async def start(self) -> None:
        """Start everything; return when kits may connect."""
        self.hortus.start()
        await self.wait_until_ready()

    async def wait_until_ready(self) -> None:
        """Return when the endpoint listens."""

        def listens() -> bool:
            self.hortus.check_running()
            return answers(self.mqtt_port)

        await until(listens, "the MQTT endpoint of hortus up")

    async def stop(self) -> None:
        """End everything properly; fails if that does not work."""
        await self.hortus.ask_to_end()

    def clean_up(self) -> None:
        """End everything whatever state it is in."""
        self.postgres.resume()
        self.hortus.clean_up()

    @property
    def url(self) -> DatabaseUrl:
        """The database, as long as it runs."""
        secret = (self.directory / "secrets" / "postgres-owner").read_text().strip()
        host = Host(name="127.0.0.1", port=int(self._postmaster_lines()[3]))
        return DatabaseUrl(hosts=(host,), database="hortus", user="hortus", password=secret)

    async def connect(self) -> asyncpg.Connection:
        """Connect to the database from outside. Raises OSError or asyncpg's errors while it is down."""
        return await asyncpg.connect(**brief(self.url))

    def check_running(self) -> None:
        """Fail if something has ended by itself."""
        self.hortus.check_running()

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self.directory / "postgres/data/postmaster.pid").read_text().splitlines()
        except FileNotFoundError as error:
            raise ConnectionRefusedError("PostgreSQL does not run now") from error


def brief(url: DatabaseUrl) -> dict[str, Any]:
    """Return the arguments of a connection that does not wait long for anything."""
    return {"timeout": 5, "command_timeout": 20, **url.asyncpg_arguments()}
