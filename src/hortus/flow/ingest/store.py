"""Stores a batch: rows, quarantine and ledger in a single transaction.

Statements take whole columns as arrays, so a batch costs a handful of round trips whatever its size. Rows are
written in key order, so that two writers with the same redelivered readings wait for each other instead of
deadlocking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hortus.flow.ingest.batch import (
    HOUR_MS,
    AggregateColumns,
    LedgerKey,
    MediumToStore,
    RawColumns,
    ResolvedBatch,
    from_milliseconds,
)
from hortus.flow.ingest.messages import Stream
from hortus.flow.ingest.outcome import StoredBatch, add_to_ledger, quarantine
from hortus.flow.ingest.peripherals import lock_peripherals

LIVE_CHANNEL = "hortus_stored"

# Columns of raw readings are sent in PostgreSQL's text format for arrays: joining numbers is several times
# cheaper here than the driver's binary arrays of aware datetimes and UUIDs, and costs the server the same.
# The same statement marks the hours that received readings, to be rolled up again (docs/series.md).
_INSERT_RAW = """
WITH stored AS (
    INSERT INTO raw_measurements
        (datetime, received_at, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
    SELECT timestamptz 'epoch' + device_time_ms * interval '1 ms' AS datetime,
           timestamptz 'epoch' + received_at_ms * interval '1 ms' AS received_at, value, id,
           kit_id, peripheral_id, kit_configuration_id, quantity_type_id
    FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::float8[], $4::text::uuid[],
                $5::text::int[], $6::text::int[], $7::text::int[], $8::text::int[])
         AS t(device_time_ms, received_at_ms, value, id,
              kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
    ORDER BY kit_id, datetime, id
    ON CONFLICT DO NOTHING
    RETURNING kit_id, datetime, received_at
), touched AS (
    INSERT INTO series_touched_hours (kit_id, hour)
    SELECT DISTINCT kit_id, date_bin('1 hour', datetime, 'epoch') FROM stored
)
SELECT kit_id, date_trunc('hour', received_at, 'UTC') AS hour, count(*) AS stored FROM stored GROUP BY 1, 2
"""

_INSERT_AGGREGATE = """
WITH stored AS (
    INSERT INTO aggregate_measurements
        (datetime_start, datetime_end, received_at, id,
         kit_id, peripheral_id, kit_configuration_id, quantity_type_id, values)
    SELECT datetime_start, datetime_end, received_at, id,
           kit_id, peripheral_id, kit_configuration_id, quantity_type_id, values::jsonb
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[], $4::uuid[],
                $5::int[], $6::int[], $7::int[], $8::int[], $9::text[])
         AS t(datetime_start, datetime_end, received_at, id,
              kit_id, peripheral_id, kit_configuration_id, quantity_type_id, values)
    ORDER BY kit_id, datetime_start, id
    ON CONFLICT DO NOTHING
    RETURNING kit_id, received_at
)
SELECT kit_id, date_trunc('hour', received_at, 'UTC') AS hour, count(*) AS stored FROM stored GROUP BY 1, 2
"""

# A redelivery does not restore a medium that has been deleted since (P2).
_INSERT_MEDIUM = """
INSERT INTO media
    (id, peripheral_id, kit_id, kit_configuration_id, datetime, received_at, name, type, metadata, size, sha256)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
WHERE NOT EXISTS (SELECT FROM queue_media_pending_deletion WHERE media_id = $1)
ON CONFLICT DO NOTHING
RETURNING true
"""

_KNOWN_MEDIA = """
SELECT id, kit_id, sha256 FROM media WHERE id = ANY($1::uuid[])
UNION ALL
SELECT media_id, NULL, NULL FROM queue_media_pending_deletion WHERE media_id = ANY($1::uuid[])
"""

_TOUCH_LAST_SEEN = """
INSERT INTO kit_last_seen AS l (kit_id, datetime_last_seen)
SELECT * FROM unnest($1::int[], $2::timestamptz[]) ORDER BY 1
ON CONFLICT (kit_id) DO UPDATE SET datetime_last_seen =
    greatest(l.datetime_last_seen, excluded.datetime_last_seen)
"""

# A kit is there if it sends anything, stored or not. The time may be that of another machine, whose clock must
# not make the kit look alive for ever (P8). Kits that are being deleted are skipped.
_NOTE_HEARD = """
INSERT INTO kit_presence AS p (kit_id, last_contact_at)
SELECT k.id, least(h.heard_at, clock_timestamp())
FROM (SELECT id FROM kits WHERE id = ANY($1::int[]) ORDER BY id FOR KEY SHARE SKIP LOCKED) AS k
JOIN unnest($1::int[], $2::timestamptz[]) AS h (id, heard_at) ON h.id = k.id
ORDER BY k.id
ON CONFLICT (kit_id) DO UPDATE SET last_contact_at = greatest(p.last_contact_at, excluded.last_contact_at)
"""


class MediumIdTaken(Exception):
    """Another kit has stored a medium with this id since the batch was resolved."""


@dataclass(frozen=True, slots=True)
class KnownMedium:
    """A medium that is stored or was deleted; of the latter only the id is left, and `kit_id` is None."""

    kit_id: int | None
    sha256: bytes | None


async def store_batch(
    connection: asyncpg.Connection, batch_id: UUID, batch: ResolvedBatch
) -> StoredBatch | None:
    """Commit the batch atomically and return the counts; None if this batch id was committed before.

    The latter happens when the answer to an earlier COMMIT was lost; retrying is safe and exact. If that
    earlier transaction is still open, this call waits for its end.
    Raises PeripheralsChanged, MediumIdTaken, or what asyncpg raises; nothing has been written then.
    """
    outcome = StoredBatch()
    async with connection.transaction():
        if not await connection.fetchval(
            "INSERT INTO ingest_batches (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true", batch_id
        ):
            return None
        outcome.stored, outcome.duplicate = await store_rows(connection, batch)
        if batch.quarantined:
            await quarantine(connection, batch.quarantined, outcome)
        await _touch_last_seen(connection, batch.last_seen_ms)
        await _note_heard(connection, batch)
        await add_to_ledger(connection, batch, outcome)
        await announce(connection, outcome.stored)
    return outcome


async def store_rows(
    connection: asyncpg.Connection, batch: ResolvedBatch
) -> tuple[Counter[LedgerKey], Counter[LedgerKey]]:
    """Insert the rows of a batch in the caller's transaction; return the counts of new and duplicate rows.

    The objects of its media must already be stored. Raises PeripheralsChanged or MediumIdTaken.
    """
    stored: Counter[LedgerKey] = Counter()
    sent: Counter[LedgerKey] = Counter()
    await lock_peripherals(connection, batch.peripheral_ids, batch.deleted_peripheral_ids)
    if batch.raw.id:
        await _insert(connection, _INSERT_RAW, _raw_arguments(batch.raw), Stream.RAW, stored)
        sent.update(_count_raw(batch.raw))
    if batch.aggregate.id:
        await _insert(connection, _INSERT_AGGREGATE, batch.aggregate.in_order(), Stream.AGGREGATE, stored)
        sent.update(_count_aggregate(batch.aggregate))
    for each in batch.media:
        key = each.kit_id, each.received_at_ms - each.received_at_ms % HOUR_MS, Stream.MEDIA
        sent[key] += 1
        if await _insert_medium(connection, each):
            stored[key] += 1
    return stored, sent - stored


async def known_media(
    connection: asyncpg.Connection, media: Iterable[MediumToStore]
) -> dict[UUID, KnownMedium]:
    """Return those of these media that are stored or were deleted, by id."""
    rows = await connection.fetch(_KNOWN_MEDIA, [each.medium.id for each in media])
    return {row["id"]: KnownMedium(row["kit_id"], row["sha256"]) for row in rows}


async def announce(connection: asyncpg.Connection, stored: Counter[LedgerKey]) -> None:
    """Notify all processes, when the transaction commits, of the kits with new readings (P7)."""
    if stored:
        kit_ids = sorted({kit_id for kit_id, _, _ in stored})
        await connection.execute("SELECT pg_notify($1, $2)", LIVE_CHANNEL, _kit_list(kit_ids))


async def _insert_medium(connection: asyncpg.Connection, to_store: MediumToStore) -> bool:
    """Insert the row of a medium whose object is stored; return whether it was new. Raises MediumIdTaken."""
    medium = to_store.medium
    if await connection.fetchval(
        _INSERT_MEDIUM,
        medium.id,
        medium.peripheral,
        to_store.kit_id,
        to_store.kit_configuration_id,
        from_milliseconds(medium.datetime_ms),
        from_milliseconds(to_store.received_at_ms),
        medium.name,
        medium.type,
        medium.metadata,
        medium.size,
        medium.sha256,
    ):
        return True
    owner = await connection.fetchval("SELECT kit_id FROM media WHERE id = $1", medium.id)
    if owner is not None and owner != to_store.kit_id:
        raise MediumIdTaken
    return False


async def _insert(
    connection: asyncpg.Connection,
    statement: str,
    arguments: tuple[Any, ...],
    stream: Stream,
    stored: Counter[LedgerKey],
) -> None:
    for row in await connection.fetch(statement, *arguments):
        stored[(row["kit_id"], _milliseconds(row["hour"]), stream)] += row["stored"]


def _raw_arguments(columns: RawColumns) -> tuple[str, ...]:
    return (
        _array_text(columns.device_time_ms),
        _array_text(columns.received_at_ms),
        _array_text(columns.value),
        _array_text(map(bytes.hex, columns.id)),
        _array_text(columns.kit_id),
        _array_text(columns.peripheral_id),
        _array_text(columns.kit_configuration_id),
        _array_text(columns.quantity_type_id),
    )


def _array_text(values: Iterable[object]) -> str:
    """Return numbers or hexadecimal UUIDs as a PostgreSQL array literal. Floats keep all their digits."""
    return "{" + ",".join(map(str, values)) + "}"


def _count_raw(columns: RawColumns) -> Counter[LedgerKey]:
    """Count the rows sent to the database, independently of the count of received messages."""
    counts: Counter[LedgerKey] = Counter()
    by_moment = Counter(zip(columns.kit_id, columns.received_at_ms, strict=True))
    for (kit_id, received_at_ms), count in by_moment.items():
        counts[(kit_id, received_at_ms - received_at_ms % HOUR_MS, Stream.RAW)] += count
    return counts


def _count_aggregate(columns: AggregateColumns) -> Counter[LedgerKey]:
    counts: Counter[LedgerKey] = Counter()
    for kit_id, received_at in zip(columns.kit_id, columns.received_at, strict=True):
        received_at_ms = _milliseconds(received_at)
        counts[(kit_id, received_at_ms - received_at_ms % HOUR_MS, Stream.AGGREGATE)] += 1
    return counts


async def _touch_last_seen(connection: asyncpg.Connection, last_seen_ms: dict[int, int]) -> None:
    if last_seen_ms:
        moments = [from_milliseconds(moment) for moment in last_seen_ms.values()]
        await connection.execute(_TOUCH_LAST_SEEN, list(last_seen_ms), moments)


async def _note_heard(connection: asyncpg.Connection, batch: ResolvedBatch) -> None:
    """Note that kits were heard of which no valid measurement says so."""
    heard_ms = {kit_id: at for kit_id, at in batch.heard_ms.items() if kit_id not in batch.last_seen_ms}
    if heard_ms:
        moments = [from_milliseconds(moment) for moment in heard_ms.values()]
        await connection.execute(_NOTE_HEARD, list(heard_ms), moments)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _kit_list(kit_ids: list[int]) -> str:
    # A notification holds 8,000 bytes; beyond that, listeners are asked to refresh everything.
    text = " ".join(map(str, kit_ids))
    return text if len(text) < 7500 else "*"
