"""Delivers to this installation itself, through the normal ingest pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.flow.gateway.board_intake import BoardIntake, DatabaseAway, database_failures_in_words
from hortus.flow.gateway.errors import TargetTrouble
from hortus.flow.gateway.gateways import local_gateway
from hortus.flow.gateway.spool_file import SpooledReading
from hortus.flow.gateway.targets import Refusal
from hortus.flow.ingest.messages import ReadingIntake


class LocalTarget:
    """The target that stores readings in the database of this installation."""

    name = "this installation"

    def __init__(self, engine: AsyncEngine, intake: ReadingIntake) -> None:
        self._engine = engine
        self._boards = BoardIntake(engine, intake)
        self._gateway_id: int | None = None

    async def deliver(self, readings: Sequence[SpooledReading]) -> list[Refusal]:
        """Return when each reading is stored, or kept for an unnamed board. Raises TargetTrouble."""
        try:
            await self._boards.take(await self._own_gateway(), [reading.received for reading in readings])
        except DatabaseAway as error:
            raise TargetTrouble(str(error), whole_target=True) from error
        return []

    async def _own_gateway(self) -> int:
        if self._gateway_id is None:
            with database_failures_in_words():
                async with self._engine.begin() as connection:
                    self._gateway_id = await local_gateway(connection)
        return self._gateway_id
