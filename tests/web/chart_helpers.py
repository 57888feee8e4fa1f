"""Kits with series and readings that went the whole way of ingest, for the tests of charts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from web_helpers import MadeKit

from hortus.base.database.partitions import Month, ensure_partitions, months_ahead
from hortus.domain.kits.store import KitStore, NewKit, NewPeripheral, add_configuration
from hortus.domain.series.store import series_of
from hortus.flow.ingest.batch import ResolvedBatch
from hortus.flow.ingest.store import store_rows

TEMPERATURE, PRESSURE, HUMIDITY = 1, 2, 3
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
"""The present of tests that set the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartKit(MadeKit):
    """A kit with temperature sensors, named in this order, each measured once a minute."""

    names: tuple[str, ...]


async def make_chart_kit(
    engine: AsyncEngine,
    *names: str,
    name: str = "Chillies",
    public: bool = True,
    interval_seconds: int = 60,
    definition: str = "Virtual temperature sensor",
) -> ChartKit:
    wanted = [
        NewPeripheral(
            definition=definition,
            name=each,
            configuration={
                "intervals": {"measurementInterval": interval_seconds, "aggregateInterval": 7 * 86_400}
            },
        )
        for each in names or ("Air",)
    ]
    async with engine.begin() as connection:
        kit = await KitStore().create(connection, NewKit(name=name, public_dashboard=public))
        made = await add_configuration(connection, kit.id, description=None, peripherals=wanted, active=True)
    return ChartKit(
        id=kit.id, serial=kit.serial, peripherals=tuple(made), names=tuple(each.name for each in made)
    )


async def series_id(
    engine: AsyncEngine, kit: ChartKit, name: str = "Air", quantity_type_id: int = TEMPERATURE
) -> int:
    async with engine.begin() as connection:
        return await series_of(connection, kit.id, name, quantity_type_id)


async def measure(
    database_url: str,
    kit: ChartKit,
    readings: Iterable[tuple[datetime, float]],
    *,
    name: str = "Air",
    quantity_type_id: int = TEMPERATURE,
) -> None:
    """Store readings as every path of ingest does, with the note for rollups and the announcement."""
    peripheral = kit.peripherals[kit.names.index(name)].id
    batch = ResolvedBatch()
    months = set(months_ahead(datetime.now(UTC)))
    for at, value in readings:
        months.add(Month.of(at))
        batch.raw.device_time_ms.append(round(at.timestamp() * 1000))
        batch.raw.received_at_ms.append(round(at.timestamp() * 1000))
        batch.raw.value.append(value)
        batch.raw.id.append(secrets.token_bytes(16))
        batch.raw.kit_id.append(kit.id)
        batch.raw.peripheral_id.append(peripheral)
        batch.raw.kit_configuration_id.append(1)
        batch.raw.quantity_type_id.append(quantity_type_id)
    batch.peripheral_ids = {peripheral}
    connection = await asyncpg.connect(database_url)
    try:
        await ensure_partitions(connection, months)
        async with connection.transaction():
            await store_rows(connection, batch)
            await connection.execute("SELECT pg_notify('hortus_stored', $1)", str(kit.id))
    finally:
        await connection.close()


def every_minute(
    start: datetime, minutes: int, value: float = 20.0, without: range = range(0)
) -> list[tuple[datetime, float]]:
    """A value a minute, rising by a tenth, except in these minutes."""
    return [
        (start + timedelta(minutes=i), round(value + i / 10, 1)) for i in range(minutes) if i not in without
    ]


async def heard_at(engine: AsyncEngine, kit: MadeKit, at: datetime) -> None:
    """Let the kit have been heard last at this time."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO kit_last_seen (kit_id, datetime_last_seen) VALUES (:kit, :at)"
                " ON CONFLICT (kit_id) DO UPDATE SET datetime_last_seen = :at"
            ),
            {"kit": kit.id, "at": at},
        )
