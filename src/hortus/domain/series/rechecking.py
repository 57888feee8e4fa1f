"""Finding the rollups that a change of plausible limits affects (docs/series.md).

A trigger lists the peripherals concerned. For each of them, one transaction notes the hours whose rollups may
have to change as touched, as ingest does for new readings: from then on charts read them anew, and the job
recomputes them in its usual steps. The figures of the rollups show which hours these are; no readings are read.
"""

from __future__ import annotations

import asyncpg

from hortus.base.supervision import note_success
from hortus.domain.plausibility.fragments import limits_where
from hortus.domain.series.kit_lock import TRY_LOCK_KIT

_ANSWER_SECONDS = 120.0


async def recheck(connection: asyncpg.Connection) -> int:
    """Note the affected hours of all listed peripherals; return how many there were.

    Kits that another process is rolling up are left for later: a computation that began before the change may
    still write figures by the earlier limits.
    """
    done = 0
    for row in await connection.fetch(_KITS, timeout=_ANSWER_SECONDS):
        while await _recheck_one(connection, row["kit_id"]):
            done += 1
            note_success()
    return done


async def _recheck_one(connection: asyncpg.Connection, kit_id: int) -> bool:
    """Note the affected hours of one of the kit's peripherals; return whether one was left and the kit free."""
    async with connection.transaction():
        # After a crash, the notes are lost together with the end of the recheck, so neither need be synced.
        await connection.execute("SET LOCAL synchronous_commit = off")
        if not await connection.fetchval(TRY_LOCK_KIT, kit_id, timeout=_ANSWER_SECONDS):
            return False
        peripheral_id = await connection.fetchval(_TAKE, kit_id, timeout=_ANSWER_SECONDS)
        if peripheral_id is None:
            return False
        await connection.execute(_NOTE, peripheral_id, timeout=_ANSWER_SECONDS)
    return True


_KITS = """
SELECT DISTINCT p.kit_id FROM series_rechecks c JOIN peripherals p ON p.id = c.peripheral_id ORDER BY 1
"""

_TAKE = """
DELETE FROM series_rechecks
WHERE peripheral_id = (
    SELECT c.peripheral_id FROM series_rechecks c JOIN peripherals p ON p.id = c.peripheral_id
    WHERE p.kit_id = $1 LIMIT 1
)
RETURNING peripheral_id
"""

# Sealed rollups are of readings whose rows were dropped: they cannot be recomputed.
_NOTE = f"""
WITH {limits_where("p.id = $1")}
INSERT INTO series_touched_hours (kit_id, hour)
SELECT DISTINCT p.kit_id, h.hour
FROM series_hours h
JOIN peripherals p ON p.id = h.peripheral_id
LEFT JOIN limits l ON l.peripheral_id = h.peripheral_id AND l.quantity_type_id = h.quantity_type_id
WHERE h.peripheral_id = $1 AND NOT h.sealed
  AND (h.implausible > 0 OR h.minimum < l.minimum OR h.maximum > l.maximum
       OR l.lone_error_value BETWEEN h.minimum AND h.maximum
       OR EXISTS (SELECT FROM unnest(l.error_values) e WHERE e BETWEEN h.minimum AND h.maximum))
"""  # noqa: S608  (our own constants)
