"""What the tests of boards share: readings, registering, adopting, and what is stored."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway_harness import look

from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.boards import (
    adopt_board,
    register_board,
)
from hortus.flow.gateway.gateways import (
    local_gateway,
)
from hortus.flow.gateway.readings import ReceivedReading, SensorReading
from ingest_world import World

BOARD_VALUES = """
SELECT q.physical_quantity, r.value, r.datetime, r.received_at
FROM raw_measurements r JOIN kits k ON k.id = r.kit_id JOIN quantity_types q ON q.id = r.quantity_type_id
WHERE k.serial = $1 ORDER BY r.datetime, q.id
"""


def received(sensor_id: int, *, age_ms: int = 0, **values: float) -> ReceivedReading:
    return ReceivedReading(
        id=uuid.uuid4(),
        received_at_ms=int(datetime.now(UTC).timestamp() * 1000) - age_ms,
        reading=SensorReading(sensor_id=sensor_id, **(values or {"temperature": 21.5})),
        address="192.168.1.9",
    )


async def register(world: World, **arguments: Any) -> str:
    async with world.engine.begin() as connection:
        return (await register_board(connection, **arguments)).serial


async def local(world: World) -> int:
    async with world.engine.begin() as connection:
        return await local_gateway(connection)


async def take(world: World, gateway_id: int, readings: Sequence[ReceivedReading]) -> None:
    await BoardIntake(world.engine, world.pipeline).take(gateway_id, readings)


async def adopt(world: World, sensor_id: int, **arguments: Any) -> tuple[str, int]:
    async with world.engine.begin() as connection:
        board = await adopt_board(connection, sensor_id, **arguments)
        gateway_id = await connection.exec_driver_sql(
            f"SELECT gateway_id FROM boards WHERE sensor_id = {sensor_id}"
        )
    released = await BoardIntake(world.engine, world.pipeline).release(gateway_id.scalar_one(), sensor_id)
    return board.serial, released


async def values(world: World, serial: str) -> list[tuple[str, float]]:
    return [(row[0], row[1]) for row in await world.connection.fetch(BOARD_VALUES, serial)]


def spool_is_empty(directory: Path) -> bool:
    file = look(directory)
    try:
        return file.depth().waiting == 0
    finally:
        file.close()
