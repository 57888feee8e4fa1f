"""The dependencies of the API. Everything is passed in, nothing is global."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, cast

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hortus.base.database.url import DatabaseUrl
from hortus.base.quotas import DEFAULT_QUOTAS, LATE_MONTHS_PER_HOUR, Quotas
from hortus.domain.accounts.password_resets import ResetMailer
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.tokens import Tokens
from hortus.domain.kits.store import AccountChanges, KitStore, NoExternalBroker
from hortus.domain.media.objects import MediaObjects
from hortus.domain.media.previews import Previews
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.sealing import Seal
from hortus.domain.plants.state import DEFAULT_FRESHNESS
from hortus.domain.series.catching_up import CatchingUp
from hortus.flow.commands.watch import CommandWatch
from hortus.flow.ingest.messages import DEFAULT_CLOCK_TOLERANCE_MS, ReadingIntake
from hortus.http.access.doors import Doors
from hortus.http.access.limits import RateLimits
from hortus.http.access.rate_limits import Allowances
from hortus.http.access.sessions import Sessions
from hortus.http.access.slots import ExportLimits, SlotLimits, Slots
from hortus.http.server.database_access import (
    ANSWER_SECONDS,
    CHANGE_SECONDS,
    database_failures_translated,
)

# Deleting a kit deletes all of its readings, which may be millions.
_LONG_CHANGE_SECONDS = 600.0

# Others must not wait that long for the same kit: each holds a connection that log-ins need as well.
LOCK_SECONDS = 5.0

# There may be many messages in quarantine, and replaying them competes with new ones.
_REPLAYS = SlotLimits(at_once=2, anonymous_at_once=0, per_person=1)


@asynccontextmanager
async def open_reading_engine(url: DatabaseUrl, connections: int = 8) -> AsyncIterator[AsyncEngine]:
    """Yield an engine for single read-only statements, and close it at the end.

    It saves the overhead of an ordinary engine around each statement: probing the connection, beginning and
    ending a transaction are a round trip each. After a restart of the database, one request fails with 503.
    """
    arguments = url.asyncpg_arguments()
    arguments.pop("dsn")  # the engine gets the URL
    engine = create_async_engine(
        url.sqlalchemy(),
        connect_args={"timeout": ANSWER_SECONDS, **arguments},
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,  # overflow connections are closed on return: one would be opened per request
        pool_reset_on_return=None,
    )
    try:
        yield engine
    finally:
        await engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """What a program must provide to serve the API.

    `connect` opens a bare connection, for long operations (see `hortus.base.database.engine.connector`).
    `reading_engine` (see `open_reading_engine`) makes reads cheaper; without it, `engine` is used. `token_key`
    signs tokens: at least 32 bytes, the same in all processes of an installation. `sign_up_open` lets everyone
    create an account (setting HORTUS_SIGN_UP). `account_changes` records changed kit accounts for an external
    broker. Without `reset_mailer`, only an operator can reset a password. `message_access` defines how people
    can be reached; by default, through the usual services and not by mail. `quotas` limit how much one person
    may have. `clock_tolerance_ms` is how far a kit's clock may be ahead, and `late_months_per_hour` how many
    months a replay may open for one kit. A reading older than `plant_freshness` does not count for a plant's
    condition. `command_watch` should receive the database's notifications about
    commands; otherwise their end is noticed a second later. `media_objects` holds the content of media; without
    it, content cannot be read. `page_sessions` lets users who logged in to the web pages use the live feed.
    `database_folder` is where the database lies, if the program runs it itself.
    Pages of `named_origins` may send credentials (setting HORTUS_CORS_ORIGINS). `intake` stores what was kept
    of boards that get a name; without it, that is stored when they are heard the next time. `doors` says where
    kits and boards connect.
    """

    engine: AsyncEngine
    connect: Callable[[], Awaitable[asyncpg.Connection]]
    reading_engine: AsyncEngine | None = None
    token_key: bytes
    sign_up_open: bool = False
    account_changes: AccountChanges = field(default_factory=NoExternalBroker)
    reset_mailer: ResetMailer | None = None
    message_access: MessageAccess | None = None
    media_objects: MediaObjects | None = None
    page_sessions: Sessions | None = None
    database_folder: Path | None = None
    named_origins: frozenset[str] = frozenset()
    passwords: Passwords = field(default_factory=Passwords)
    allowances: Allowances = field(default_factory=Allowances)
    exports: ExportLimits = field(default_factory=ExportLimits)
    quotas: Quotas = DEFAULT_QUOTAS
    clock_tolerance_ms: int = DEFAULT_CLOCK_TOLERANCE_MS
    late_months_per_hour: int = LATE_MONTHS_PER_HOUR
    plant_freshness: timedelta = DEFAULT_FRESHNESS
    command_watch: CommandWatch = field(default_factory=CommandWatch)
    intake: ReadingIntake | None = None
    doors: Callable[[], Doors] = Doors
    clock: Callable[[], datetime] = _now


class Services:
    """The parts, and the objects built from them once for all requests."""

    def __init__(self, parts: ApiParts) -> None:
        self.parts = parts
        self.clock = parts.clock
        self.passwords = parts.passwords
        self.tokens = Tokens(parts.token_key, parts.clock)
        self.kits = KitStore(parts.account_changes)
        self.limits = RateLimits(parts.allowances)
        self.exports = Slots(parts.exports)
        self.replays = Slots(_REPLAYS)
        self.previews = Previews(parts.media_objects, parts.engine) if parts.media_objects else None
        self.rollups = CatchingUp(parts.connect)
        self.messages = parts.message_access or MessageAccess(seal=Seal(parts.token_key))
        self._reading_engine = parts.reading_engine or parts.engine.execution_options(
            isolation_level="AUTOCOMMIT"
        )

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in autocommit mode. Raises DatabaseNotAnswering.

        Each statement sees everything committed before it.
        """
        with database_failures_translated():
            async with asyncio.timeout(ANSWER_SECONDS), self._reading_engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that is committed at the end. Raises DatabaseNotAnswering.

        Waits only briefly for others who are changing the same rows; then PostgreSQL aborts the statement
        (SQLSTATE 55P03).
        """
        async with self._changing(CHANGE_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def long_change(self) -> AsyncIterator[AsyncConnection]:
        """As `writing`, for changes of many rows, which take as long as they need once the database answers."""
        async with self._changing(_LONG_CHANGE_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def _changing(self, most_seconds: float) -> AsyncIterator[AsyncConnection]:
        with database_failures_translated():
            async with asyncio.timeout(ANSWER_SECONDS) as patience, self.parts.engine.begin() as connection:
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS * 1000:.0f}ms'"))
                patience.reschedule(asyncio.get_running_loop().time() + most_seconds)
                yield connection


async def services_of(request: Request) -> Services:
    """Return the services of the API that received this request.

    A coroutine although it awaits nothing: dependencies that are plain functions each run in a thread.
    """
    return cast("Services", request.app.state.services)


UsedServices = Annotated[Services, Depends(services_of)]
