"""Readings of boards that have not been named yet: kept within bounds, and released once the board is named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.flow.gateway.board_lookup import KnownBoard, find_boards
from hortus.flow.gateway.readings import ReceivedReading, SensorReading
from hortus.flow.gateway.tables import WaitingBoardRow, WaitingReadingRow

MOST_KEPT_PER_BOARD = 60_480
"""A week of readings, one every 10 s; beyond this the oldest are dropped and counted."""

MOST_WAITING_BOARDS = 1000
"""Sensor ids can be invented, so beyond this the board silent for longest is dropped with its readings."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A gateway whose clock is ahead must not make a board look alive forever (P8).
_TOUCH_BOARD = """
UPDATE boards SET last_contact_at = least(:moment, now()), last_address = :address
WHERE sensor_id = :sensor_id AND (last_contact_at IS NULL OR last_contact_at < :moment)
"""

# Their readings are deleted with them, but still counted, with the gateway that delivered them (P3).
_DROP_SILENT_BOARDS = """
WITH gone AS (
    DELETE FROM waiting_boards WHERE (gateway_id, sensor_id) IN (
        SELECT gateway_id, sensor_id FROM waiting_boards WHERE gateway_id = :gateway_id
        ORDER BY last_contact_at DESC OFFSET :most
    )
    RETURNING kept + dropped AS readings
)
UPDATE gateways SET dropped_readings = dropped_readings + (SELECT sum(readings) FROM gone)
WHERE id = :gateway_id AND EXISTS (SELECT FROM gone)
"""

_FORGET_EMPTY_BOARD = """
WITH gone AS (
    DELETE FROM waiting_boards w WHERE gateway_id = :gateway_id AND sensor_id = :sensor_id AND NOT EXISTS (
        SELECT FROM waiting_board_readings r WHERE r.gateway_id = w.gateway_id AND r.sensor_id = w.sensor_id
    )
    RETURNING dropped
)
UPDATE gateways SET dropped_readings = dropped_readings + gone.dropped FROM gone WHERE id = :gateway_id
"""


async def keep_readings(
    connection: AsyncConnection, gateway_id: int, readings: Sequence[ReceivedReading]
) -> dict[int, KnownBoard]:
    """Keep readings of unknown boards; return the boards named in the meantime, whose readings are not kept."""
    by_sensor: defaultdict[int, list[ReceivedReading]] = defaultdict(list)
    for reading in readings:
        by_sensor[reading.reading.sensor_id].append(reading)
    for sensor_id in sorted(by_sensor):  # a fixed order, so that two deliveries cannot deadlock
        await _lock_waiting_board(connection, gateway_id, by_sensor[sensor_id])
    # With the locks held, any concurrent adoption of these boards has either committed or waits for us.
    named = await find_boards(connection, gateway_id, by_sensor.keys())
    for sensor_id, of_board in by_sensor.items():
        if sensor_id in named:
            await _forget_empty_board(connection, gateway_id, sensor_id)
        else:
            await _insert(connection, gateway_id, of_board)
            await _drop_oldest(connection, gateway_id, sensor_id)
    await _drop_silent_boards(connection, gateway_id)
    return named


async def kept_readings(
    connection: AsyncConnection, gateway_id: int, sensor_id: int, limit: int
) -> list[ReceivedReading]:
    """Return the oldest kept readings of a board."""
    rows = await connection.execute(
        select(WaitingReadingRow.__table__)
        .where(WaitingReadingRow.gateway_id == gateway_id, WaitingReadingRow.sensor_id == sensor_id)
        .order_by(WaitingReadingRow.received_at, WaitingReadingRow.id)
        .limit(limit)
    )
    return [
        ReceivedReading(
            id=row.id,
            received_at_ms=(row.received_at - _EPOCH) // timedelta(milliseconds=1),
            reading=SensorReading(
                sensor_id=sensor_id, temperature=row.temperature, humidity=row.humidity, light=row.light
            ),
        )
        for row in rows
    ]


async def forget_kept(
    connection: AsyncConnection, gateway_id: int, readings: Sequence[ReceivedReading]
) -> None:
    """Delete kept readings that have been stored, and the board's waiting entry when none is left."""
    sensor_id = readings[0].reading.sensor_id
    board = (WaitingReadingRow.gateway_id == gateway_id) & (WaitingReadingRow.sensor_id == sensor_id)
    deleted = await connection.execute(
        delete(WaitingReadingRow).where(
            board,
            tuple_(WaitingReadingRow.received_at, WaitingReadingRow.id).in_(
                [(_moment(each.received_at_ms), each.id) for each in readings]
            ),
        )
    )
    await connection.execute(
        update(WaitingBoardRow)
        .where(WaitingBoardRow.gateway_id == gateway_id, WaitingBoardRow.sensor_id == sensor_id)
        .values(kept=WaitingBoardRow.kept - deleted.rowcount)
    )
    await _forget_empty_board(connection, gateway_id, sensor_id)


async def boards_with_kept_readings(
    connection: AsyncConnection, gateway_id: int, sensor_ids: Collection[int]
) -> list[int]:
    """Return those of these boards that still have kept readings."""
    rows = await connection.scalars(
        select(WaitingBoardRow.sensor_id).where(
            WaitingBoardRow.gateway_id == gateway_id, WaitingBoardRow.sensor_id.in_(sensor_ids)
        )
    )
    return list(rows.all())


async def touch_boards(
    connection: AsyncConnection, readings: Sequence[ReceivedReading], boards: dict[int, KnownBoard]
) -> None:
    """Record when and from which address known boards were last heard."""
    newest: dict[int, ReceivedReading] = {}
    for reading in readings:
        sensor_id = reading.reading.sensor_id
        if sensor_id in boards and (
            sensor_id not in newest or newest[sensor_id].received_at_ms <= reading.received_at_ms
        ):
            newest[sensor_id] = reading
    if newest:
        await connection.execute(
            text(_TOUCH_BOARD),
            [
                {
                    "sensor_id": sensor_id,
                    "moment": _moment(newest[sensor_id].received_at_ms),
                    "address": newest[sensor_id].address[:64],
                }
                for sensor_id in sorted(newest)
            ],
        )


async def _forget_empty_board(connection: AsyncConnection, gateway_id: int, sensor_id: int) -> None:
    await connection.execute(text(_FORGET_EMPTY_BOARD), {"gateway_id": gateway_id, "sensor_id": sensor_id})


async def _lock_waiting_board(
    connection: AsyncConnection, gateway_id: int, readings: Sequence[ReceivedReading]
) -> None:
    moments = [_moment(reading.received_at_ms) for reading in readings]
    statement = insert(WaitingBoardRow).values(
        gateway_id=gateway_id,
        sensor_id=readings[0].reading.sensor_id,
        first_contact_at=min(moments),
        last_contact_at=max(moments),
        last_address=readings[-1].address[:64],
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["gateway_id", "sensor_id"],
            set_={
                "first_contact_at": func.least(
                    WaitingBoardRow.first_contact_at, statement.excluded.first_contact_at
                ),
                "last_contact_at": func.greatest(
                    WaitingBoardRow.last_contact_at, statement.excluded.last_contact_at
                ),
                "last_address": statement.excluded.last_address,
            },
        )
    )


async def _insert(connection: AsyncConnection, gateway_id: int, readings: Sequence[ReceivedReading]) -> None:
    inserted = await connection.execute(
        insert(WaitingReadingRow)
        .values(
            [
                {
                    "gateway_id": gateway_id,
                    "sensor_id": each.reading.sensor_id,
                    "received_at": _moment(each.received_at_ms),
                    "id": each.id,
                    "temperature": each.reading.temperature,
                    "humidity": each.reading.humidity,
                    "light": each.reading.light,
                }
                for each in readings
            ]
        )
        .on_conflict_do_nothing()
    )
    await connection.execute(
        update(WaitingBoardRow)
        .where(
            WaitingBoardRow.gateway_id == gateway_id,
            WaitingBoardRow.sensor_id == readings[0].reading.sensor_id,
        )
        .values(kept=WaitingBoardRow.kept + inserted.rowcount)
    )


async def _drop_oldest(connection: AsyncConnection, gateway_id: int, sensor_id: int) -> None:
    board = {"gateway_id": gateway_id, "sensor_id": sensor_id}
    excess = await connection.scalar(
        text(
            "UPDATE waiting_boards SET kept = :most, dropped = dropped + kept - :most"
            " WHERE gateway_id = :gateway_id AND sensor_id = :sensor_id AND kept > :most RETURNING dropped"
        ),
        {**board, "most": MOST_KEPT_PER_BOARD},
    )
    if excess is not None:
        await connection.execute(
            text(
                "DELETE FROM waiting_board_readings r USING ("
                "  SELECT received_at, id FROM waiting_board_readings"
                "  WHERE gateway_id = :gateway_id AND sensor_id = :sensor_id"
                "  ORDER BY received_at DESC, id DESC OFFSET :most) AS old"
                " WHERE r.gateway_id = :gateway_id AND r.sensor_id = :sensor_id"
                " AND r.received_at = old.received_at AND r.id = old.id"
            ),
            {**board, "most": MOST_KEPT_PER_BOARD},
        )


async def _drop_silent_boards(connection: AsyncConnection, gateway_id: int) -> None:
    await connection.execute(text(_DROP_SILENT_BOARDS), {"gateway_id": gateway_id, "most": MOST_WAITING_BOARDS})


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
