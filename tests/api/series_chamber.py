"""A kit with sensors and stored readings, for tests of what the API answers about readings."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from api_client import Installation, Person

from hortus.base.database.partitions import Month, ensure_partitions
from hortus.domain.kits.store import CreatedKit, CreatedPeripheral, NewPeripheral, add_configuration
from hortus.domain.series.rollups import roll_up
from hortus.flow.ingest.batch import ResolvedBatch
from hortus.flow.ingest.store import store_rows

TEMPERATURE, PRESSURE, HUMIDITY = 1, 2, 3
EVERY_HOUR = {"intervals": {"measurementInterval": 3600, "aggregateInterval": 7200}}
"""An interval so long that even a slow test does not see its readings age."""
LONG_AGO = datetime(2026, 1, 10, tzinfo=UTC)


@dataclass(slots=True)
class Chamber:
    """A kit, and its owner who queries its measurements."""

    api: Installation
    kit: CreatedKit
    owner: Person
    peripherals: dict[str, CreatedPeripheral] = field(default_factory=dict)
    configurations: dict[str, int] = field(default_factory=dict)

    async def measured(
        self, readings: list[tuple[datetime, float]], name: str = "Air", quantity_type: int = TEMPERATURE
    ) -> None:
        """Store readings as every path of ingest does."""
        batch = ResolvedBatch()
        peripheral = self.peripherals[name]
        for at, value in readings:
            batch.raw.device_time_ms.append(round(at.timestamp() * 1000))
            batch.raw.received_at_ms.append(round(at.timestamp() * 1000))
            batch.raw.value.append(value)
            batch.raw.id.append(secrets.token_bytes(16))
            batch.raw.kit_id.append(self.kit.id)
            batch.raw.peripheral_id.append(peripheral.id)
            batch.raw.kit_configuration_id.append(self.configurations[name])
            batch.raw.quantity_type_id.append(quantity_type)
        batch.peripheral_ids = {peripheral.id}
        connection = await self.connect()
        async with connection.transaction():
            await store_rows(connection, batch)
        await connection.close()

    async def rolled_up(self) -> None:
        connection = await self.connect()
        await roll_up(connection, datetime.now(UTC) + timedelta(days=2))
        await connection.close()

    async def configured(
        self,
        names: list[str],
        configuration: Any = EVERY_HOUR,
        definition: str = "Virtual temperature sensor",
    ) -> None:
        """Give the kit an active configuration with temperature sensors of these names."""
        wanted = [
            NewPeripheral(definition=definition, name=name, configuration=configuration) for name in names
        ]
        async with self.api.engine.begin() as connection:
            made = await add_configuration(
                connection, self.kit.id, description=None, peripherals=wanted, active=True
            )
        configuration_id = await self.api.scalar(
            "SELECT kit_configuration_id FROM peripherals WHERE id = :id", id=made[0].id
        )
        self.peripherals |= {peripheral.name: peripheral for peripheral in made}
        self.configurations |= dict.fromkeys(names, configuration_id)

    async def series(self) -> list[dict[str, Any]]:
        response = await self.api.client.get(f"/kits/{self.kit.serial}/series", headers=self.owner.headers)
        assert response.status_code == 200, response.text
        listed: list[dict[str, Any]] = response.json()
        return listed

    async def chart(self, series_id: int | None = None, **query: Any) -> dict[str, Any]:
        """Return the chart of this series, or of the only one."""
        if series_id is None:
            (only,) = await self.series()
            series_id = only["id"]
        response = await self.api.client.get(
            f"/kits/{self.kit.serial}/series/{series_id}",
            params={name.rstrip("_"): value for name, value in query.items()},
            headers=self.owner.headers,
        )
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self.api.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        )


async def make_chamber(api: Installation) -> Chamber:
    """Return a new kit with one temperature sensor, `Air`, and its owner; and the partitions it needs."""
    kit = await api.kit()
    made = Chamber(api, kit, await api.member(kit))
    await made.configured(["Air"])
    connection = await made.connect()
    now = Month.of(datetime.now(UTC))
    await ensure_partitions(connection, [now.later(-1), now.later(1)])
    await connection.close()
    return made
