"""Database rows for the tests of the pages: kits, people, readings, ledger entries."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import httpx
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.engine import connector
from hortus.base.database.partitions import Month, ensure_partitions, months_ahead
from hortus.base.database.url import DatabaseUrl
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import User, create_user
from hortus.domain.kits.store import CreatedPeripheral, KitStore, NewKit, add_standard_configuration
from hortus.http.app import WebDependencies, create_app
from hortus.http.server.server import bind, serving
from waiting import PATIENCE_SECONDS
from web_services import PARTS, services_on

PASSWORD = "a rose is a rose"
SECRET_KEY = "only for tests"
CHROMIUM = shutil.which("chromium")
PATIENCE_MS = PATIENCE_SECONDS * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKit:
    """A kit with a standard configuration; the first peripheral measures temperature."""

    id: int
    serial: str
    peripherals: tuple[CreatedPeripheral, ...]


async def make_kit(connection: AsyncConnection, name: str | None, *, public: bool = False) -> MadeKit:
    kit = await KitStore().create(connection, NewKit(name=name, public_dashboard=public))
    peripherals = await add_standard_configuration(connection, kit.id)
    return MadeKit(id=kit.id, serial=kit.serial, peripherals=tuple(peripherals))


async def make_user(connection: AsyncConnection, name: str, *, is_admin: bool = False) -> User:
    return await create_user(
        connection,
        Passwords(),
        username=name,
        email_address=f"{name}@example.org",
        password=PASSWORD,
        is_admin=is_admin,
    )


async def make_member(connection: AsyncConnection, user: User, kit: MadeKit) -> None:
    await connection.execute(
        text(
            "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
            "VALUES (:user_id, :kit_id, now(), false, false)"
        ),
        {"user_id": user.id, "kit_id": kit.id},
    )


async def add_readings(
    database_url: str, kit: MadeKit, readings: Sequence[tuple[datetime, float]], *, peripheral: int = 0
) -> None:
    """Store readings of a peripheral's first quantity type, as ingest would: row, last seen, ledger."""
    connection = await connector(DatabaseUrl.parse(database_url), "test")()
    try:
        await ensure_partitions(
            connection, {Month.of(at) for at, _ in readings} | set(months_ahead(datetime.now(UTC)))
        )
        chosen = kit.peripherals[peripheral]
        async with connection.transaction():
            await connection.copy_records_to_table(
                "raw_measurements",
                columns=(
                    "datetime",
                    "value",
                    "id",
                    "kit_id",
                    "peripheral_id",
                    "kit_configuration_id",
                    "quantity_type_id",
                ),
                records=[
                    (at, value, uuid4(), kit.id, chosen.id, 1, chosen.quantity_types[0])
                    for at, value in readings
                ],
            )
            await connection.execute(
                "INSERT INTO kit_last_seen VALUES ($1, now()) "
                "ON CONFLICT (kit_id) DO UPDATE SET datetime_last_seen = now()",
                kit.id,
            )
            await add_to_ledger(connection, kit.id, stored=len(readings))
    finally:
        await connection.close()


async def add_to_ledger(
    connection: asyncpg.Connection,
    kit_id: int,
    *,
    stored: int = 0,
    duplicate: int = 0,
    quarantined: int = 0,
    reason: str = "time-in-future",
    hours_ago: int = 0,
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    await connection.execute(
        """
        INSERT INTO ingest_ledger AS l (kit_id, hour, stream, received, stored, duplicate, quarantined)
        VALUES ($1, $2, 'raw', $3::bigint + $4 + $5, $3, $4, $5)
        ON CONFLICT (kit_id, hour, stream) DO UPDATE SET received = l.received + excluded.received,
          stored = l.stored + excluded.stored, duplicate = l.duplicate + excluded.duplicate,
          quarantined = l.quarantined + excluded.quarantined
        """,
        kit_id, hour, stored, duplicate, quarantined,
    )  # fmt: skip
    if quarantined:
        await connection.execute(
            "INSERT INTO ingest_ledger_reasons VALUES ($1, $2, 'raw', 'quarantined', $3, $4)",
            kit_id, hour, reason, quarantined,
        )  # fmt: skip


@asynccontextmanager
async def ledger_connection(database_url: str):
    connection = await connector(DatabaseUrl.parse(database_url), "test")()
    try:
        yield connection
    finally:
        await connection.close()


def client_of(
    engine: AsyncEngine, *, address: str = "127.0.0.1", scheme: str = "http", **dependencies: object
) -> httpx.AsyncClient:
    """Return a client of a new application, from this address."""
    return client_to(app_of(engine, **dependencies), address=address, scheme=scheme)


def app_of(engine: AsyncEngine, **dependencies: object) -> FastAPI:
    """Return an application with these parts of the API (see ApiParts) and dependencies of the pages."""
    parts = {name: dependencies.pop(name) for name in PARTS & dependencies.keys()}
    services = services_on(engine, **parts)
    services.rollups = dependencies.pop("rollups", services.rollups)
    return create_app(replace(WebDependencies(services=services, secret_key=SECRET_KEY), **dependencies))


def client_to(app: FastAPI, *, address: str = "127.0.0.1", scheme: str = "http") -> httpx.AsyncClient:
    """Return a client of this application, from this address."""
    transport = httpx.ASGITransport(app=app, client=(address, 40_000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://hortus.test")


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/login", data={"username": name, "password": password})


@asynccontextmanager
async def site_of(engine: AsyncEngine, **dependencies: object) -> AsyncIterator[str]:
    listener = bind("127.0.0.1", 0)
    async with serving(app_of(engine, **dependencies), listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def targets_hold_since(connection: AsyncConnection, plant_id: int, since: datetime) -> None:
    """Let the present target ranges of a plant have begun at this time."""
    await connection.execute(
        text("UPDATE plant_target_ranges SET since = :since WHERE plant_id = :plant AND until IS NULL"),
        {"plant": plant_id, "since": since},
    )
