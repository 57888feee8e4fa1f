"""A person with a kit and a plant on a database, readings for it, and what became of alerts and messages."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.partitions import ensure_partitions, months_ahead
from hortus.base.database.url import DatabaseUrl
from hortus.domain.accounts.tables import UserRow
from hortus.domain.alerts.judge import judge_kits
from hortus.domain.kits.store import (
    CreatedKit,
    CreatedPeripheral,
    KitStore,
    NewKit,
    add_standard_configuration,
)
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.mail_account import MailAccount, Security
from hortus.domain.messages.sealing import Seal

KEY = b"the key of an installation, for tests"
SEAL = Seal(KEY)
MAIL = MailAccount(host="127.0.0.1", port=1, security=Security.NONE, sender="hortus@garden.example")
TEMPERATURE = 1

_EMPTY = "; ".join(
    f"DELETE FROM {table}" for table in ("raw_measurements", "plants", "kits", "users", "presence_listening")
)


@dataclass(kw_only=True)
class Garden:
    """Flora's kit measures her plant Monty, right between 18 and 27 °C; alerts count at once."""

    url: str
    engine: AsyncEngine
    connection: asyncpg.Connection
    access: MessageAccess
    kit: CreatedKit
    thermometer: CreatedPeripheral
    flora: int
    plant: int

    async def value(self, statement: str, **parameters: Any) -> Any:
        async with self.engine.begin() as connection:
            return await connection.scalar(text(statement), parameters)

    async def run(self, statement: str, **parameters: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def person(self, name: str) -> int:
        async with self.engine.begin() as connection:
            return await add_person(connection, name)

    async def join(self, person: int, *, kit_id: int | None = None, access_super: bool = False) -> None:
        await self.run(
            "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
            "VALUES (:person, :kit, now(), :super, :super)",
            person=person,
            kit=kit_id or self.kit.id,
            super=access_super,
        )

    async def measure(
        self, celsius: float, *, at: datetime | None = None, thermometer: CreatedPeripheral | None = None
    ) -> None:
        await store_reading(
            self.connection, (thermometer or self.thermometer).id, TEMPERATURE, celsius, at or datetime.now(UTC)
        )

    async def judge(self, now: datetime | None = None) -> None:
        await judge_kits(self.connection, self.engine, self.access, {self.kit.id}, now or datetime.now(UTC))

    async def alerts(self) -> list[tuple[str, bool]]:
        """The conditions of all alerts, the oldest first, and whether each is open."""
        rows = await self.connection.fetch("SELECT condition, over_at FROM alerts ORDER BY id")
        return [(row["condition"], row["over_at"] is None) for row in rows]

    async def messages(self) -> list[tuple[str, str]]:
        """To whom messages are and about what, in the order of their making."""
        rows = await self.connection.fetch(
            "SELECT recipient, subject FROM messages ORDER BY created_at, recipient"
        )
        return [(row["recipient"], row["subject"]) for row in rows]

    async def bodies(self) -> list[str]:
        rows = await self.connection.fetch(
            "SELECT sealed_body FROM messages WHERE sealed_body IS NOT NULL ORDER BY created_at"
        )
        return [SEAL.open(row["sealed_body"]) for row in rows]


async def add_person(connection: AsyncConnection, name: str) -> int:
    statement = insert(UserRow).values(
        username=name,
        display_name=name,
        password_hash="none",
        email_address=f"{name}@example.org",
        gravatar_alternative=name,
    )
    return int(await connection.scalar(statement.returning(UserRow.id)) or 0)


async def store_reading(
    connection: asyncpg.Connection, peripheral_id: int, quantity_type_id: int, value: float, at: datetime
) -> None:
    """Store a reading and announce it, as the path of a reading does."""
    async with connection.transaction():
        kit_id = await connection.fetchval(
            "INSERT INTO raw_measurements "
            "(datetime, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id) "
            "SELECT $1, $2, $3, kit_id, id, kit_configuration_id, $4 FROM peripherals WHERE id = $5 "
            "RETURNING kit_id",
            at,
            value,
            uuid.uuid4(),
            quantity_type_id,
            peripheral_id,
        )
        await connection.execute(
            "INSERT INTO kit_last_seen VALUES ($1, now()) "
            "ON CONFLICT (kit_id) DO UPDATE SET datetime_last_seen = now()",
            kit_id,
        )
        await connection.execute("SELECT pg_notify('hortus_stored', $1)", str(kit_id))


@asynccontextmanager
async def open_garden(database_url: str, **access: Any) -> AsyncIterator[Garden]:
    """Make the garden on a database with schema and definitions; whatever else was there is gone."""
    url = DatabaseUrl.parse(database_url)
    connection = await asyncpg.connect(**url.asyncpg_arguments())
    try:
        await connection.execute(_EMPTY)
        await ensure_partitions(connection, months_ahead(datetime.now(UTC)))
        async with open_engine(url) as engine:
            async with engine.begin() as transaction:
                kit = await KitStore().create(transaction, NewKit(name="Roof"))
                thermometer, *_ = await add_standard_configuration(transaction, kit.id)
                flora = await add_person(transaction, "flora")
            garden = Garden(
                url=database_url,
                engine=engine,
                connection=connection,
                access=MessageAccess(**({"seal": SEAL, "mail": MAIL} | access)),
                kit=kit,
                thermometer=thermometer,
                flora=flora,
                plant=0,
            )
            await garden.join(garden.flora, access_super=True)
            garden.plant = await garden.value(
                "INSERT INTO plants (owner_id, name) VALUES (:owner, 'Monty') RETURNING id", owner=garden.flora
            )
            await garden.run("INSERT INTO plant_ranges VALUES (:plant, 1, 18, 27)", plant=garden.plant)
            await garden.run(
                "INSERT INTO plant_links (plant_id, kit_id, linked_from) VALUES (:plant, :kit, :since)",
                plant=garden.plant,
                kit=kit.id,
                since=datetime.now(UTC) - timedelta(days=10),
            )
            await garden.run(
                "INSERT INTO plant_alert_settings (plant_id, hold_seconds) VALUES (:plant, 0)",
                plant=garden.plant,
            )
            yield garden
    finally:
        await connection.close()
