"""Thinning: keeping only one picture per hour of old pictures, and one per day of older ones.

A camera may send several kinds of pictures at a time (`regular.png`, `ndvi.png`), and each kind is thinned
separately: media of one peripheral whose names are equal except for digits are of one kind. The first of each
hour, or of each day (UTC), is kept, and always the newest of a kind, however old: the last picture of a stopped
camera is not lost. Media of deleted configurations are left alone: what is brought back is as it was.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.supervision import note_success
from hortus.domain.kits.deleted_configurations import not_deleted

log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
_AT_ONCE = 500

# One statement finds and deletes, so that concurrent processes agree; rows that another deletes are skipped.
_THIN = text(
    f"""
    WITH ranked AS (
        SELECT m.id, m.datetime, m.size,
               m.datetime < now() - make_interval(days => :all_days) AS is_old,
               row_number() OVER (
                   PARTITION BY m.peripheral_id, regexp_replace(m.name, '[0-9]+', '', 'g'),
                                date_trunc(CASE WHEN m.datetime < now() - make_interval(days => :hourly_days)
                                                THEN 'day' ELSE 'hour' END, m.datetime, 'UTC')
                   ORDER BY m.datetime, m.id
               ) AS in_its_time,
               row_number() OVER (
                   PARTITION BY m.peripheral_id, regexp_replace(m.name, '[0-9]+', '', 'g')
                   ORDER BY m.datetime DESC, m.id DESC
               ) AS from_the_newest
        FROM media m
        WHERE m.kit_id = :kit_id AND {not_deleted("m.kit_configuration_id", ":kit_id")}
    ), superfluous AS (
        SELECT id, datetime, size FROM ranked WHERE is_old AND in_its_time > 1 AND from_the_newest > 1
    ), gone AS (
        DELETE FROM media m USING (SELECT id FROM superfluous ORDER BY datetime, id LIMIT :most) s
        WHERE m.id = s.id AND NOT :dry_run RETURNING m.id, m.kit_id, m.datetime, m.size
    ), queued AS (
        INSERT INTO queue_media_pending_deletion (media_id, kit_serial, media_datetime, media_size)
        SELECT g.id, k.serial, g.datetime, g.size FROM gone g JOIN kits k ON k.id = g.kit_id
        ON CONFLICT DO NOTHING
    ), counted AS (
        SELECT size FROM superfluous WHERE :dry_run UNION ALL SELECT size FROM gone
    )
    SELECT count(*) AS media, coalesce(sum(size), 0)::bigint AS bytes FROM counted
    """  # noqa: S608  (built from constants)
).bindparams(bindparam("dry_run", type_=Boolean))


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinningPolicy:
    """How many days everything is kept, and up to which age one picture per hour; after that, one per day."""

    all_days: int
    hourly_days: int


@dataclass(slots=True)
class Thinned:
    """How much was deleted by thinning, or would be."""

    media: int = 0
    size_bytes: int = 0

    def add(self, row: Any) -> None:
        """Add the counts that a statement returned."""
        self.media += row.media
        self.size_bytes += row.bytes


async def thin_regularly(engine: AsyncEngine, policy: ThinningPolicy) -> None:
    """Thin the media of all kits every hour until cancelled."""
    while True:
        thinned = await thin(engine, policy)
        if thinned.media:
            log.info("thinned %d media of %d bytes", thinned.media, thinned.size_bytes)
        note_success()
        await asyncio.sleep(EVERY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  (spread, not a secret)


async def thin(
    engine: AsyncEngine, policy: ThinningPolicy, *, kit_id: int | None = None, dry_run: bool = False
) -> Thinned:
    """Delete media that the policy does not keep, of one kit or all kits; with `dry_run`, only count them."""
    total = Thinned()
    async with engine.connect() as connection:
        kit_ids = await connection.scalars(
            text("SELECT id FROM kits WHERE id = :kit_id OR :kit_id IS NULL ORDER BY id").bindparams(
                bindparam("kit_id", kit_id, type_=Integer)
            )
        )
        kits = list(kit_ids)
    for each in kits:
        await _thin_kit(engine, policy, each, total, dry_run=dry_run)
    return total


async def _thin_kit(
    engine: AsyncEngine, policy: ThinningPolicy, kit_id: int, total: Thinned, *, dry_run: bool
) -> None:
    parameters = {
        "all_days": policy.all_days,
        "hourly_days": policy.hourly_days,
        "kit_id": kit_id,
        "most": _AT_ONCE,
        "dry_run": dry_run,
    }
    while True:
        async with engine.begin() as connection:
            thinned = (await connection.execute(_THIN, parameters)).one()
        total.add(thinned)
        if dry_run or thinned.media < _AT_ONCE:
            return
