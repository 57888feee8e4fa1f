"""What the tests of alerts share: quick limits, times, settled messages, a judge that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from garden import Garden
from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.alerts.judge import AlertJudge, JudgeLimits
from hortus.domain.alerts.message_ends import note_message_end

QUICK = JudgeLimits(gather_seconds=0.01, sweep_seconds=0.2, standby_seconds=0.02)

COLD = "Monty: temperature 10 °C, below 18 °C"
ATTENTION = ("flora@example.org", COLD)


def ago(**duration: float) -> datetime:
    return datetime.now(UTC) - timedelta(**duration)


async def settle(garden: Garden, *, accepted: bool) -> None:
    """Record an outcome for all queued messages, as delivery does."""
    async with garden.engine.begin() as connection:
        rows = await connection.exec_driver_sql(
            "UPDATE messages SET state = $1, finished_at = now() WHERE state = 'waiting' RETURNING id",
            ("accepted" if accepted else "given-up",),
        )
        for message_id in rows.scalars().all():
            await note_message_end(connection, UUID(str(message_id)), accepted)


@asynccontextmanager
async def judging(garden: Garden) -> AsyncIterator[asyncio.Task[None]]:
    connect = connector(DatabaseUrl.parse(garden.url), "hortus alerts")
    task = asyncio.create_task(AlertJudge(connect, garden.engine, garden.access, limits=QUICK).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def opened(garden: Garden) -> bool:
    return await garden.alerts() != []
