"""Runs the virtual kits that people make on a page, inside `hortus up`, for as long as they exist.

Each is a client of the built-in endpoint like any other kit. It gets a new password when it starts to run, so
that none is kept anywhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import note_success, piece_of_work
from hortus.domain.kits.store import KitNotFound, KitStore
from hortus.domain.kits.virtual import password_hashes_of_virtual_kits
from hortus.simulator.kit import VirtualKit
from hortus.simulator.options import KitCredentials, SimulatorOptions

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""How often it looks without being told; changes are announced."""

_RESTART_SECONDS = 5.0
_ANNOUNCEMENT_SECONDS = 2.0


class VirtualKitRunner:
    """Starts and stops virtual kits as they come and go. `address` returns host and port of the endpoint."""

    def __init__(self, engine: AsyncEngine, address: Callable[[], tuple[str, int]]) -> None:
        self._engine = engine
        self._address = address
        self._store = KitStore()
        self._running: dict[str, _RunningKit] = {}
        self._changed = asyncio.Event()
        self._awaited: dict[str, asyncio.Event] = {}

    def changed(self, what: str, name: str) -> None:
        """Handle an announcement of the database, after the endpoint has handled it."""
        if what in {"kit-configuration", "kit-deleted", "kit-password", "reconnected"}:
            self._changed.set()
        if what == "kit-password" and name in self._awaited:
            self._awaited[name].set()

    async def run(self) -> None:
        """Run the kits until cancelled. Call this once the endpoint listens."""
        host, port = self._address()
        options = SimulatorOptions(host=host, port=port)
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._follow_changes(tasks, options)
        finally:
            self._running.clear()

    async def _follow_changes(self, tasks: asyncio.TaskGroup, options: SimulatorOptions) -> None:
        while True:
            self._changed.clear()
            with piece_of_work():
                await self._follow(tasks, options)
            note_success()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()

    async def _follow(self, tasks: asyncio.TaskGroup, options: SimulatorOptions) -> None:
        async with self._engine.connect() as connection:
            wanted = await password_hashes_of_virtual_kits(connection)
        for serial in [serial for serial in self._running if serial not in wanted]:
            await self._stop(serial)
        for serial, password_hash in wanted.items():
            running = self._running.get(serial)
            # Somebody may have given the kit another password, which is not known here.
            if running is not None and running.password_hash == password_hash and not running.task.done():
                continue
            if running is not None:
                await self._stop(serial)
            found = await self._new_password(serial)
            if found is not None:
                password, new_hash = found
                credentials = KitCredentials(serial=serial, password=password)
                self._running[serial] = _RunningKit(
                    task=tasks.create_task(_keep_running(credentials, options), name=f"virtual kit {serial}"),
                    password_hash=new_hash,
                )
                log.info("virtual kit %s runs", serial)

    async def _new_password(self, serial: str) -> tuple[str, str] | None:
        """Give a kit a new password; return it and its hash, or None if the kit was deleted meanwhile."""
        announced = self._awaited[serial] = asyncio.Event()
        try:
            async with self._engine.begin() as connection:
                password = await self._store.set_password(connection, serial)
                password_hash = (await password_hashes_of_virtual_kits(connection)).get(serial)
            # With a new password the endpoint closes a kit's connections; none must be opened before.
            with suppress(TimeoutError):
                async with asyncio.timeout(_ANNOUNCEMENT_SECONDS):
                    await announced.wait()
        except KitNotFound:
            return None
        finally:
            del self._awaited[serial]
        return None if password_hash is None else (password, password_hash)

    async def _stop(self, serial: str) -> None:
        kit = self._running.pop(serial)
        kit.task.cancel()
        await asyncio.gather(kit.task, return_exceptions=True)
        log.info("virtual kit %s stopped", serial)


async def _keep_running(credentials: KitCredentials, options: SimulatorOptions) -> None:
    """Run one kit, and again if it fails: a fault of one must not stop the others."""
    while True:
        try:
            await VirtualKit(credentials, options).run()
        except Exception as error:
            log.exception("virtual kit %s failed: %s", credentials.serial, describe_error(error))
        await asyncio.sleep(_RESTART_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunningKit:
    task: asyncio.Task[None]
    password_hash: str
