"""How much an installation stores, by kind and month, and when its disk will be full."""

from __future__ import annotations

import calendar
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.partitions import Month

MOST_MONTHS = 24
GROWTH_DAYS = 30
"""The forecast assumes that what was stored in so many days will be stored again in each so many days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMonth:
    """What belongs to a month (UTC) by device time, in bytes."""

    month: Month
    readings: int
    aggregates: int
    media: int

    @property
    def total(self) -> int:
        """All kinds together."""
        return self.readings + self.aggregates + self.media


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disk of the database, in bytes."""

    size: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What is stored, in bytes. `media` is outside of the database, which holds the rest.

    `disk` is None if the database runs where this process cannot see its disk. `months` are newest first;
    earlier ones than the newest 24 are left out.
    """

    database: int
    readings: int
    aggregates: int
    rollups: int
    quarantine: int
    media: int
    pictures: int
    months: Sequence[StoredMonth]
    grown_bytes: int
    disk: Disk | None

    @property
    def other(self) -> int:
        """What the database holds beside the named kinds: kits, plants, messages, its own files."""
        return max(0, self.database - self.readings - self.aggregates - self.rollups - self.quarantine)

    @property
    def full_in_days(self) -> float | None:
        """In how many days the disk is full if it fills as in the last 30 days; None if that is not known."""
        if self.disk is None or self.grown_bytes <= 0:
            return None
        return self.disk.free / (self.grown_bytes / GROWTH_DAYS)


async def read_storage(
    connection: AsyncConnection, now: datetime, database_folder: Path | None = None
) -> Storage:
    """Return what is stored. Reads sizes of tables, and one row per picture of the last two years.

    `database_folder` is where the database lies, if this process runs it.
    """
    sizes: Mapping[str, int] = (await connection.execute(_SIZES)).mappings().one()  # type: ignore[assignment]
    readings = await _by_month(connection, "raw_measurements")
    aggregates = await _by_month(connection, "aggregate_measurements")
    first = now.astimezone(UTC) - timedelta(days=31 * MOST_MONTHS)
    pictures = {
        Month(int(row.year), int(row.month)): int(row.bytes)
        for row in await connection.execute(_MEDIA_BY_MONTH, {"since": first})
    }
    recent = await connection.scalar(_RECENT_MEDIA, {"since": now - timedelta(days=GROWTH_DAYS)})
    months = sorted({*readings, *aggregates, *pictures}, reverse=True)
    return Storage(
        database=sizes["database"],
        readings=sum(readings.values()),
        aggregates=sum(aggregates.values()),
        rollups=sizes["rollups"],
        quarantine=sizes["quarantine"],
        media=sizes["media"],
        pictures=sizes["pictures"],
        months=[
            StoredMonth(
                month=month,
                readings=readings.get(month, 0),
                aggregates=aggregates.get(month, 0),
                media=pictures.get(month, 0),
            )
            for month in months
            if month <= Month.of(now)
        ][:MOST_MONTHS],
        grown_bytes=growth(readings, now) + growth(aggregates, now) + int(recent or 0),
        disk=await _disk(connection, database_folder),
    )


def growth(by_month: Mapping[Month, int], now: datetime) -> int:
    """Return how many bytes the last 30 days take, by the share of them in each month. Pure."""
    moment = now.astimezone(UTC)
    day, days_left, total = moment.day, GROWTH_DAYS, 0.0
    month = Month.of(moment)
    while days_left > 0:
        # The present month has only had so many days; of it everything counts, if it is young enough.
        length = day if month == Month.of(moment) else calendar.monthrange(month.year, month.month)[1]
        share = min(days_left, length)
        total += by_month.get(month, 0) * share / length
        days_left -= share
        month = month.later(-1)
    return round(total)


async def _by_month(connection: AsyncConnection, table: str) -> dict[Month, int]:
    rows = await connection.execute(_PARTITIONS, {"table": table})
    return {Month(int(row.name[-7:-3]), int(row.name[-2:])): int(row.bytes) for row in rows}


async def _disk(connection: AsyncConnection, known: Path | None) -> Disk | None:
    """Return the disk of a database whose folder is known, or reached through a socket of this machine."""
    folder = known or await connection.scalar(_FOLDER)
    if folder is None:
        return None
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Disk(size=usage.total, free=usage.free)


_SIZES = text(
    """
    SELECT pg_database_size(current_database()) AS database,
           pg_total_relation_size('series_hours') + pg_total_relation_size('series_days') AS rollups,
           pg_total_relation_size('quarantine') AS quarantine,
           (SELECT coalesce(sum(size), 0)::bigint FROM media) AS media,
           (SELECT count(*) FROM media) AS pictures
    """
)
_PARTITIONS = text(
    r"""
    SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(:table) AND c.relname ~ '_y\d{4}m\d{2}$'
    """
)
_MEDIA_BY_MONTH = text(
    """
    SELECT extract(year FROM datetime AT TIME ZONE 'UTC') AS year,
           extract(month FROM datetime AT TIME ZONE 'UTC') AS month, sum(size) AS bytes
    FROM media WHERE datetime > :since GROUP BY 1, 2
    """
)
_RECENT_MEDIA = text("SELECT coalesce(sum(size), 0) FROM media WHERE received_at > :since")
# Without an address of the server, the connection is through a socket of this machine.
_FOLDER = text(
    """
    SELECT CASE WHEN inet_server_addr() IS NULL AND pg_has_role('pg_read_all_settings', 'USAGE')
           THEN current_setting('data_directory') END
    """
)
