"""The history of active configurations: when each was activated, and when the kit fetched and ran it.

Activations themselves are noted by a trigger (hortus.base.database.triggers), whoever activates.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

KEPT_DAYS = 3650
MOST_PER_KIT = 2000

_AWAITED_DAYS = 7
"""How long after a kit has fetched its configuration its readings may show that it runs it."""


async def note_first_fetch(connection: AsyncConnection, given: Mapping[str, int | None]) -> None:
    """Note that kits (by serial) were given these configurations, unless they were since the activation.

    The caller commits.
    """
    parameters = {"serials": list(given), "configuration_ids": list(given.values())}
    await connection.execute(_FETCHED, parameters)


async def note_running(connection: AsyncConnection) -> None:
    """Note which kits run the configuration that was activated last: their newest reading is of it.

    The caller commits.
    """
    await connection.execute(_RUNNING, {"days": _AWAITED_DAYS})


async def forget_old_activations(connection: AsyncConnection) -> None:
    """Delete activations that are too old or too many. The caller commits."""
    await connection.execute(_FORGET, {"days": KEPT_DAYS, "most": MOST_PER_KIT})


_FETCHED = text(
    """
    UPDATE configuration_activations a SET fetched_at = clock_timestamp()
    FROM unnest(CAST(:serials AS text[]), CAST(:configuration_ids AS int[])) AS given (serial, configuration_id)
    JOIN kits k ON k.serial = given.serial
    WHERE a.kit_id = k.id AND a.kit_configuration_id = given.configuration_id
      AND a.until IS NULL AND a.fetched_at IS NULL
    """
)

# By the kit's clock and by ours, as in hortus.domain.kits.running.
_RUNNING = text(
    """
    UPDATE configuration_activations a SET running_at = newest.received_at
    FROM configuration_activations w
    CROSS JOIN LATERAL (
        SELECT m.kit_configuration_id, m.received_at
        FROM raw_measurements m
        WHERE m.kit_id = w.kit_id AND m.datetime > coalesce(w.fetched_at, w.since)
          AND m.received_at > coalesce(w.fetched_at, w.since)
        ORDER BY m.datetime DESC LIMIT 1
    ) newest
    WHERE w.id = a.id AND w.until IS NULL AND w.running_at IS NULL
      AND coalesce(w.fetched_at, w.since) > now() - make_interval(days => :days)
      AND newest.kit_configuration_id = w.kit_configuration_id
    """
)
_FORGET = text(
    """
    DELETE FROM configuration_activations a
    USING (SELECT id, until, row_number() OVER (PARTITION BY kit_id ORDER BY since DESC, id DESC) AS place
           FROM configuration_activations WHERE until IS NOT NULL) old
    WHERE old.id = a.id AND (old.place > :most OR old.until < now() - make_interval(days => :days))
    """
)
