"""Opens partitions for late readings, as many months as one kit may open within an hour.

A clock that jumps names any month since 2010, and each one would become a partition of every measurement table
for good. What was opened for a kit is recorded, so the bound holds over all processes and restarts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

import asyncpg

from hortus.base.database.partitions import Month, ensure_partitions, existing_months, lock_partitions

log = logging.getLogger(__name__)

_OPENED_OF_LATE = """
SELECT kit_id, count(*) AS months FROM opened_months
WHERE kit_id = ANY($1::int[]) AND opened_at > clock_timestamp() - interval '1 hour' GROUP BY kit_id
"""

_RECORD = """
INSERT INTO opened_months (month, kit_id, opened_at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (month) DO UPDATE SET kit_id = excluded.kit_id, opened_at = excluded.opened_at
"""


async def open_late_months(
    connection: asyncpg.Connection, wanted: Mapping[Month, Iterable[int]], most_per_hour: int | None
) -> set[Month]:
    """Create the partitions of these months; return those months that must stay closed for now.

    `wanted` has the ids of the kits with readings in each month. One of them that has opened fewer than
    `most_per_hour` months within the last hour opens it, for all. None stands for an operator, who may open any
    number, on nobody's account.
    """
    if most_per_hour is None:
        await ensure_partitions(connection, wanted)
        return set()
    missing = set(wanted) - await existing_months(connection, wanted)
    kit_ids = {kit_id for month in missing for kit_id in wanted[month]}
    opened = await _opened_of_late(connection, kit_ids)
    if all(opened[kit_id] >= most_per_hour for kit_id in kit_ids):
        return missing  # the usual case while a clock jumps, at the cost of two short queries
    async with connection.transaction():
        await lock_partitions(connection)
        missing -= await existing_months(connection, missing)
        opened = await _opened_of_late(connection, kit_ids)
        # The newest first: of a mixture, those are most likely right.
        for month in sorted(missing, reverse=True):
            kit_id = next((each for each in sorted(wanted[month]) if opened[each] < most_per_hour), None)
            if kit_id is None:
                continue
            await ensure_partitions(connection, [month])
            await connection.execute(_RECORD, date(month.year, month.month, 1), kit_id)
            opened[kit_id] += 1
            missing.discard(month)
            log.info("opened %04d-%02d for late readings of kit %d", month.year, month.month, kit_id)
    return missing


async def _opened_of_late(connection: asyncpg.Connection, kit_ids: Iterable[int]) -> Counter[int]:
    rows = await connection.fetch(_OPENED_OF_LATE, list(kit_ids))
    return Counter({row["kit_id"]: row["months"] for row in rows})
