"""The path of a board's reading into this installation: find its kit, expand and store it; or keep it.

    look up boards -> known:   one raw reading per quantity -> the pipeline that all readings take
                   -> unknown: kept with its board until a user names it

A reading counts as accepted when the pipeline has settled each of its values, or when the reading is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import OperationalError, describe_error
from hortus.flow.gateway.board_lookup import UNKNOWN_PERIPHERAL, KnownBoard, find_boards
from hortus.flow.gateway.gateways import touch_gateway
from hortus.flow.gateway.readings import ReceivedReading
from hortus.flow.gateway.waiting_readings import (
    boards_with_kept_readings,
    forget_kept,
    keep_readings,
    kept_readings,
    touch_boards,
)
from hortus.flow.ingest.messages import ReadingIntake
from hortus.protocol.wire.messages import RawMeasurement

_DATABASE_FAILURES = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_DATABASE_SECONDS = 10.0
_RELEASE_READINGS = 500
# Sensor ids can be invented, and must not fill the log.
_MOST_TOLD_OF = 1000

log = logging.getLogger(__name__)


class DatabaseAway(OperationalError):
    """The database is unavailable, so the readings were not accepted."""


class BoardIntake:
    """Stores the readings of boards that gateways deliver."""

    def __init__(self, engine: AsyncEngine, intake: ReadingIntake) -> None:
        self._engine = engine
        self._intake = intake
        self._told: set[tuple[int, int]] = set()

    async def take(self, gateway_id: int, readings: Sequence[ReceivedReading], *, claim: bool = True) -> None:
        """Accept readings; return when all of them are durable. Raises DatabaseAway.

        Repeating the call with the same readings has no effect (P2). Boards without a gateway are assigned to
        this one, unless `claim` is false.
        """
        with database_failures_in_words():
            async with asyncio.timeout(_DATABASE_SECONDS), self._engine.begin() as connection:
                sensor_ids = {each.reading.sensor_id for each in readings}
                boards = await find_boards(connection, gateway_id, sensor_ids, claim=claim)
                unknown = [each for each in readings if each.reading.sensor_id not in boards]
                if unknown:
                    # A user may be naming such a board right now; the second transaction sees the first.
                    boards |= await keep_readings(connection, gateway_id, unknown)
                await touch_gateway(connection, gateway_id)
                await touch_boards(connection, readings, boards)
                left_over = await boards_with_kept_readings(connection, gateway_id, boards.keys())
        self._tell_of_unnamed(gateway_id, unknown, boards)
        for sensor_id in left_over:  # the process that named the board was interrupted before this
            await self.release(gateway_id, sensor_id)
        known = [each for each in readings if each.reading.sensor_id in boards]
        await self._store(known, boards)

    def _tell_of_unnamed(
        self, gateway_id: int, unknown: Sequence[ReceivedReading], boards: dict[int, KnownBoard]
    ) -> None:
        """Log once what to do with each board that has no name."""
        for each in unknown:
            sensor_id = each.reading.sensor_id
            key = (gateway_id, sensor_id)
            if sensor_id in boards or key in self._told or len(self._told) >= _MOST_TOLD_OF:
                continue
            self._told.add(key)
            log.warning(
                "A board at %s sends as sensor %d, which has no name here; its readings are kept until you "
                "give it one: `hortus board adopt %d --name NAME`.",
                *(each.address or "an unknown address", sensor_id, sensor_id),
            )

    async def release(self, gateway_id: int, sensor_id: int) -> int:
        """Store the readings kept for a board that has been named; return how many.

        May be interrupted and restarted at any time. Raises DatabaseAway.
        """
        return sum([count async for count in self.releasing(gateway_id, sensor_id)])

    async def releasing(self, gateway_id: int, sensor_id: int) -> AsyncIterator[int]:
        """As `release`; yields the number of each few hundred readings that are stored."""
        while True:
            with database_failures_in_words():
                async with asyncio.timeout(_DATABASE_SECONDS), self._engine.begin() as connection:
                    boards = await find_boards(connection, gateway_id, {sensor_id})
                    kept = await kept_readings(connection, gateway_id, sensor_id, _RELEASE_READINGS)
            if not boards or not kept:
                return
            await self._store(kept, boards)
            with database_failures_in_words():
                async with asyncio.timeout(_DATABASE_SECONDS), self._engine.begin() as connection:
                    await forget_kept(connection, gateway_id, kept)
            yield len(kept)

    async def _store(self, readings: Sequence[ReceivedReading], boards: dict[int, KnownBoard]) -> None:
        """Offer the readings to the normal ingest pipeline, and wait until they are durable."""
        while self._intake.saturated:
            relieved = asyncio.Event()
            self._intake.when_relieved(relieved.set)
            await relieved.wait()
        delivery = _Delivery()
        for reading in readings:
            board = boards[reading.reading.sensor_id]
            for quantity, value in reading.reading.values():
                place = board.places.get(quantity, UNKNOWN_PERIPHERAL)
                raw = RawMeasurement(
                    id=reading.measurement_id(quantity).bytes,
                    datetime_ms=reading.received_at_ms,
                    peripheral=place.peripheral_id,
                    quantity_type=place.quantity_type_id,
                    value=value,
                )
                self._intake.offer_reading(delivery, delivery.open(), board.serial, raw)
        await delivery.settled()


@dataclass(slots=True, eq=False)
class _Delivery:
    """The source of one delivery's messages, tracking which of them are not settled yet."""

    _offered: int = 0
    _open: set[int] = field(default_factory=set)
    _all_settled: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> int:
        """Register another message; return its handle."""
        self._offered += 1
        self._open.add(self._offered)
        return self._offered

    async def settled(self) -> None:
        if self._open:
            await self._all_settled.wait()

    def settle(self, handles: Sequence[int]) -> None:
        self._open.difference_update(handles)
        if not self._open:
            self._all_settled.set()


@contextmanager
def database_failures_in_words() -> Iterator[None]:
    """Translate every database failure into DatabaseAway."""
    try:
        yield
    except TimeoutError as error:
        raise DatabaseAway("The database does not answer in time.") from error
    except _DATABASE_FAILURES as error:
        raise DatabaseAway(f"The database does not take readings now: {describe_error(error)}.") from error
