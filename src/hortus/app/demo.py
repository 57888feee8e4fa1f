"""The demonstration: a user, a few kits with a season of history, and virtual kits that continue it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypedDict
from uuid import uuid4

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.app.virtual_kits import layouts, make_virtual_kit
from hortus.base.database.partitions import Month, ensure_partitions
from hortus.base.installation.secret_store import Secrets
from hortus.domain.accounts.passwords import Passwords
from hortus.domain.accounts.store import create_user
from hortus.domain.accounts.tables import UserRow
from hortus.domain.definitions.store import quantity_type_ids_by_key
from hortus.domain.kits.store import KitStore
from hortus.domain.kits.tables import KitMembershipRow, KitRow
from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.state import Range
from hortus.domain.plants.store import create_plant, set_plant_range
from hortus.domain.series.rollups import touch_history
from hortus.simulator.history import AggregateReading, RawReading, season_of_history
from hortus.simulator.layouts import KitLayout
from hortus.simulator.options import KitCredentials

DEMO_USER = "demo"
DEMO_USER_SECRET = "demo-user"  # noqa: S105  (the name of a secret)
_KITS_SECRET = "demo-kits"  # noqa: S105  (the name of a secret)

SEASON = timedelta(days=90)
_STEP_SECONDS = 300
_DETAIL = timedelta(hours=26)
"""At the end of the season, kits have measured as often as live ones do: charts of a day have no gaps."""
_SEED = 4

_RANGES = {
    ("Temperature", "Degrees Celsius"): Range(minimum=15, maximum=30),
    ("Humidity", "Percent"): Range(minimum=40, maximum=85),
}
"""The ranges in which the demonstration's plants thrive."""
_CHUNK_ROWS = 5000

_RAW_COLUMNS = (
    *("datetime", "received_at", "value", "id"),
    *("kit_id", "peripheral_id", "kit_configuration_id", "quantity_type_id"),
)
_AGGREGATE_COLUMNS = (
    *("datetime_start", "datetime_end", "received_at", "id"),
    *("kit_id", "peripheral_id", "kit_configuration_id", "quantity_type_id", "values"),
)


class _DemoKit(TypedDict):
    serial: str
    password: str
    has_history: bool


_NO_KIT = _DemoKit(serial="", password="", has_history=False)


async def prepare_demo(
    engine: AsyncEngine, writing: asyncpg.Connection, secrets: Secrets, kits: int, console: Console
) -> list[KitCredentials]:
    """Return the demo's kits with their history up to now, creating those that do not exist yet."""
    known: dict[str, _DemoKit] = json.loads(secrets.get(_KITS_SECRET) or "{}")
    wanted = list(islice(layouts(), kits))
    async with engine.connect() as connection:
        existing = set((await connection.scalars(select(KitRow.serial))).all())
    known = {key: kit for key, kit in known.items() if kit["serial"] in existing}
    unfinished = [layout for layout in wanted if not known.get(layout.key, _NO_KIT)["has_history"]]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not unfinished) as progress:
        for layout in unfinished:
            if layout.key not in known:
                async with engine.begin() as connection:
                    user_id = await _demo_user(connection, secrets)
                    known[layout.key] = await _make_kit(connection, layout, user_id)
                secrets.replace(_KITS_SECRET, json.dumps(known))
            await _write_history(engine, writing, layout, known[layout.key]["serial"], progress)
            known[layout.key]["has_history"] = True
            secrets.replace(_KITS_SECRET, json.dumps(known))
    return [
        KitCredentials(
            serial=known[layout.key]["serial"],
            password=known[layout.key]["password"],
            climate=layout.climate(_SEED),
        )
        for layout in wanted
    ]


async def _demo_user(connection: AsyncConnection, secrets: Secrets) -> int:
    user_id = await connection.scalar(select(UserRow.id).where(UserRow.username == DEMO_USER))
    if user_id is not None:
        return user_id
    user = await create_user(
        connection,
        Passwords(),
        username=DEMO_USER,
        email_address="demo@hortus.invalid",
        password=secrets.get_or_create(DEMO_USER_SECRET),
        is_admin=True,
    )
    return user.id


async def _make_kit(connection: AsyncConnection, layout: KitLayout, user_id: int) -> _DemoKit:
    kit = await make_virtual_kit(connection, KitStore(), layout)
    await connection.execute(
        insert(KitMembershipRow).values(
            user_id=user_id,
            kit_id=kit.id,
            datetime_linked=datetime.now(UTC),
            access_super=True,
            access_configure=True,
        )
    )
    await _plant_in(connection, layout, kit.id, user_id)
    return _DemoKit(serial=kit.serial, password=kit.password, has_history=False)


async def _plant_in(connection: AsyncConnection, layout: KitLayout, kit_id: int, user_id: int) -> None:
    """Let the kit measure a plant, from the beginning of its history."""
    now = datetime.now(UTC)
    plant_id = await create_plant(connection, user_id, name=layout.name, remark=layout.description)
    await link_plant(connection, plant_id, MeasuringSource(kit_id=kit_id), since=now - SEASON, now=now)
    quantity_types = await quantity_type_ids_by_key(connection)
    for key, each in _RANGES.items():
        await set_plant_range(connection, plant_id, quantity_types[key], each)


async def _write_history(
    engine: AsyncEngine, writing: asyncpg.Connection, layout: KitLayout, serial: str, progress: Progress
) -> None:
    async with engine.connect() as connection:
        quantity_types = await quantity_type_ids_by_key(connection)
    rows = await writing.fetch(
        """
        SELECT p.name, p.id AS peripheral_id, p.kit_configuration_id, p.kit_id
        FROM peripherals p JOIN kits k ON k.id = p.kit_id WHERE k.serial = $1
        """,
        serial,
    )
    peripherals = {
        row["name"]: (row["kit_id"], row["peripheral_id"], row["kit_configuration_id"]) for row in rows
    }
    # Left by an interrupted attempt; the kit itself has not run before its history is complete.
    for table in ("raw_measurements", "aggregate_measurements"):
        await writing.execute(f"DELETE FROM {table} WHERE kit_id = $1", rows[0]["kit_id"])  # noqa: S608
    end = datetime.now(UTC)
    start = end - SEASON
    months = {Month.of(start + timedelta(days=day)) for day in range(SEASON.days + 1)}
    await ensure_partitions(writing, months)
    task = progress.add_task(f"A season of history for {layout.name}", total=SEASON.total_seconds())
    readings = season_of_history(layout, start, end, _STEP_SECONDS, _SEED, detailed_since=end - _DETAIL)
    while chunk := list(islice(readings, _CHUNK_ROWS)):
        raw, aggregate = [], []
        for reading in chunk:
            place = peripherals[reading.peripheral]
            quantity_type_id = quantity_types[reading.physical_quantity, reading.physical_unit]
            if isinstance(reading, RawReading):
                raw.append(_raw_row(reading, place, quantity_type_id))
            else:
                aggregate.append(_aggregate_row(reading, place, quantity_type_id))
        await writing.copy_records_to_table("raw_measurements", records=raw, columns=_RAW_COLUMNS)
        await writing.copy_records_to_table(
            "aggregate_measurements", records=aggregate, columns=_AGGREGATE_COLUMNS
        )
        newest = raw[-1][0] if raw else aggregate[-1][1]
        progress.update(task, completed=(newest - start).total_seconds())
    await touch_history(writing, rows[0]["kit_id"])
    progress.update(task, completed=SEASON.total_seconds())


def _raw_row(reading: RawReading, place: tuple[int, int, int], quantity_type_id: int) -> tuple[Any, ...]:
    kit_id, peripheral_id, configuration_id = place
    return (
        *(reading.datetime, reading.datetime, reading.value, uuid4()),
        *(kit_id, peripheral_id, configuration_id, quantity_type_id),
    )


def _aggregate_row(
    reading: AggregateReading, place: tuple[int, int, int], quantity_type_id: int
) -> tuple[Any, ...]:
    kit_id, peripheral_id, configuration_id = place
    values = {
        "count": float(reading.count),
        "average": reading.average,
        "minimum": reading.minimum,
        "maximum": reading.maximum,
    }
    return (
        *(reading.datetime_start, reading.datetime_end, reading.datetime_end, uuid4()),
        *(kit_id, peripheral_id, configuration_id, quantity_type_id, json.dumps(values)),
    )
