"""Records which kits have started: a kit asks for its configuration at boot and at no other time.

A kit that gets no answer and remembers no configuration stops there: it stays connected and runs nothing. It
never asks for the quantity types then, so both questions are recorded, answered or not.

Answers do not wait for this: after a power cut all kits start at once, and their starts are written in
batches, as fast as the database accepts them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import note_success, piece_of_work
from hortus.flow.commands.store import kits_began_anew
from hortus.flow.rpc.fetched import note_asked, note_fetched

log = logging.getLogger(__name__)

_AGAIN_AFTER_SECONDS = 1.0
_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class GivenConfiguration:
    """The configuration a kit was given; `id` is None if there was none to give."""

    id: int | None


@dataclass(slots=True)
class Questions:
    """When kits last asked, by serial."""

    configuration: dict[str, datetime] = field(default_factory=dict)
    quantity_types: dict[str, datetime] = field(default_factory=dict)

    def keep_earlier(self, earlier: Questions) -> None:
        """Add questions that were not recorded; later ones of the same kits count."""
        self.configuration = earlier.configuration | self.configuration
        self.quantity_types = earlier.quantity_types | self.quantity_types


class StartNotes:
    """Collects starts, at most one per kit, and writes them to the database. Call `run` once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: dict[str, GivenConfiguration | None] = {}
        self._asked = Questions()
        self._something_waits = asyncio.Event()

    def note(self, serial: str, given: GivenConfiguration | None) -> None:
        """Record that a kit has started, and what it was given; None if it did not get an answer."""
        self._waiting[serial] = given
        self._something_waits.set()

    def configuration_asked(self, serial: str) -> None:
        """Record that a kit asks for its configuration, whether or not it gets an answer."""
        self._asked.configuration[serial] = datetime.now(UTC)
        self._something_waits.set()

    def quantity_types_asked(self, serial: str) -> None:
        """Record that a kit asks for the quantity types: it has a configuration to run."""
        self._asked.quantity_types[serial] = datetime.now(UTC)
        self._something_waits.set()

    async def run(self) -> None:
        """Write the collected starts and questions until cancelled."""
        while True:
            await self._something_waits.wait()
            self._something_waits.clear()
            starts, self._waiting = self._waiting, {}
            asked, self._asked = self._asked, Questions()
            try:
                with piece_of_work():
                    await self._write(starts, asked)
                note_success()
            except _DATABASE_FAILURES as error:
                log.warning(
                    "the starts of %d kits cannot be recorded now: %s", len(starts), describe_error(error)
                )
                # Starts are not kept: commands sent since would be taken for those of before.
                self._asked.keep_earlier(asked)
                self._something_waits.set()
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)

    async def _write(self, starts: dict[str, GivenConfiguration | None], asked: Questions) -> None:
        given = {serial: each.id for serial, each in starts.items() if each is not None}
        async with self._engine.connect() as connection:
            if starts:
                await kits_began_anew(connection, list(starts))
            if given:
                await note_fetched(connection, given)
            await note_asked(connection, asked.configuration, asked.quantity_types)
