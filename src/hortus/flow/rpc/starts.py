"""Records which kits have started: a kit asks for its configuration at boot and at no other time.

Answers do not wait for this: after a power cut all kits start at once, and their starts are written in
batches, as fast as the database accepts them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import note_success, piece_of_work
from hortus.flow.commands.store import kits_began_anew
from hortus.flow.rpc.fetched import note_fetched

log = logging.getLogger(__name__)

_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class GivenConfiguration:
    """The configuration a kit was given; `id` is None if there was none to give."""

    id: int | None


class StartNotes:
    """Collects starts, at most one per kit, and writes them to the database. Call `run` once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: dict[str, GivenConfiguration | None] = {}
        self._something_waits = asyncio.Event()

    def note(self, serial: str, given: GivenConfiguration | None) -> None:
        """Record that a kit has started, and what it was given; None if it did not get an answer."""
        self._waiting[serial] = given
        self._something_waits.set()

    async def run(self) -> None:
        """Write the collected starts until cancelled."""
        while True:
            await self._something_waits.wait()
            self._something_waits.clear()
            starts, self._waiting = self._waiting, {}
            try:
                with piece_of_work():
                    await self._write(starts)
                note_success()
            except _DATABASE_FAILURES as error:
                log.warning(
                    "the starts of %d kits cannot be recorded now: %s", len(starts), describe_error(error)
                )

    async def _write(self, starts: dict[str, GivenConfiguration | None]) -> None:
        given = {serial: each.id for serial, each in starts.items() if each is not None}
        async with self._engine.connect() as connection:
            await kits_began_anew(connection, list(starts))
            if given:
                await note_fetched(connection, given)
