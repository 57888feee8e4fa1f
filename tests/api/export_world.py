"""A kit with stored measurements, for tests of downloads."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import orjson
from api_client import Installation, Person
from sqlalchemy import text

from hortus.domain.kits.store import CreatedKit, add_standard_configuration

START = datetime(2026, 1, 30, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A stored reading."""

    time: datetime
    id: UUID
    peripheral: int
    quantity_type: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredKit:
    """A kit with a configuration of three peripherals."""

    kit: CreatedKit
    owner: Person
    configuration: int
    peripherals: tuple[int, ...]

    @property
    def path(self) -> str:
        return f"/kits/{self.kit.serial}"


async def measured_kit(api: Installation) -> MeasuredKit:
    kit = await api.kit()
    async with api.engine.begin() as connection:
        created = await add_standard_configuration(connection, kit.id)
    configuration = await api.scalar("SELECT id FROM kit_configurations WHERE kit_id = :kit", kit=kit.id)
    return MeasuredKit(
        kit=kit,
        owner=await api.member(kit, access_super=True),
        configuration=configuration,
        peripherals=tuple(each.id for each in created),
    )


async def add_readings(
    api: Installation, source: MeasuredKit, count: int, *, seconds_apart: float = 1.0, start: datetime = START
) -> list[Reading]:
    """Store this number of readings, in random order and from all peripherals, and return them in order."""
    randomness = random.Random(count)
    readings = [
        Reading(
            time=start + timedelta(seconds=round(number * seconds_apart, 3)),
            id=UUID(int=randomness.getrandbits(128)),
            peripheral=source.peripherals[number % len(source.peripherals)],
            quantity_type=1 + number % 2,
            value=randomness.uniform(-10, 40),
        )
        for number in range(count)
    ]
    await store_readings(api, source, randomness.sample(readings, count))
    return sorted(readings, key=lambda reading: (reading.time, reading.id))


async def store_readings(
    api: Installation, source: MeasuredKit, readings: Sequence[Reading], received_at: datetime | None = None
) -> None:
    async with api.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO raw_measurements (datetime, received_at, value, id, kit_id, peripheral_id, "
                "kit_configuration_id, quantity_type_id) SELECT t, :received, v, i, :kit, p, :configuration, q "
                "FROM unnest(CAST(:times AS timestamptz[]), CAST(:values AS float8[]), CAST(:ids AS uuid[]), "
                "CAST(:peripherals AS int[]), CAST(:types AS int[])) AS r (t, v, i, p, q)"
            ),
            {
                "received": received_at or datetime.now(UTC),
                "kit": source.kit.id,
                "configuration": source.configuration,
                "times": [each.time for each in readings],
                "values": [each.value for each in readings],
                "ids": [each.id for each in readings],
                "peripherals": [each.peripheral for each in readings],
                "types": [each.quantity_type for each in readings],
            },
        )


async def add_aggregate(
    api: Installation,
    source: MeasuredKit,
    start: datetime,
    values: dict[str, Any],
    *,
    minutes: int = 30,
    peripheral: int = 0,
) -> UUID:
    identifier = uuid4()
    await api.run(
        "INSERT INTO aggregate_measurements (datetime_start, datetime_end, id, kit_id, peripheral_id, "
        "kit_configuration_id, quantity_type_id, values) VALUES (:start, :end, :id, :kit, :peripheral, "
        ":configuration, 1, CAST(CAST(:values AS text) AS jsonb))",
        start=start,
        end=start + timedelta(minutes=minutes),
        id=identifier,
        kit=source.kit.id,
        peripheral=source.peripherals[peripheral],
        configuration=source.configuration,
        values=orjson.dumps(values).decode(),
    )
    return identifier


def micros(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def unzip(content: bytes) -> dict[str, bytes]:
    """Return the files of a zip, each checked against its checksum. Raises BadZipFile if it is incomplete."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
