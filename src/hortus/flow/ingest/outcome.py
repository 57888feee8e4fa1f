"""What became of the messages of a batch: those in quarantine, and the ledger that counts all of them (P3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import asyncpg

from hortus.base.intake import KeptSource
from hortus.flow.ingest.batch import LedgerKey, ResolvedBatch, ToQuarantine, from_milliseconds
from hortus.flow.ingest.messages import Stream
from hortus.protocol.reasons import Reason

# A kit that sends only invalid messages must not fill the disk. MQTT 3.1.1 cannot reject a message, and one
# that is never acknowledged blocks the kit's valid ones; so the newest are kept and the oldest are deleted.
QUARANTINE_MESSAGES_PER_KIT = 10_000
QUARANTINE_BYTES_PER_KIT = 256 * 1024 * 1024

# Valid readings that have no place now are kept whatever their number: they would take as much space in theirs.
# Those of a deleted configuration are until it is removed for good (hortus.flow.deleted_configurations). Media
# are not among them: their place would be the object store.
_COUNTS_TOWARDS_LIMITS = (
    f"reason NOT IN ('{Reason.DATABASE_DAMAGED}', '{Reason.TOO_MANY_MONTHS}') "
    f"AND (reason <> '{Reason.DELETED_CONFIGURATION}' OR stream = '{Stream.MEDIA}')"
)

_INSERT_QUARANTINE = """
INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes)
SELECT received_at, kit_id, stream, reason, detail, topic, payload,
       coalesce(whole_bytes, octet_length(payload))
FROM unnest($1::timestamptz[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[],
            $8::int[])
     AS t(received_at, kit_id, stream, reason, detail, topic, payload, whole_bytes)
"""

# The bytes kept count, not the size of the message: of one that was too large only the head is stored.
_QUARANTINE_USE = f"""
SELECT kit_id, count(*) AS messages, coalesce(sum(octet_length(payload)), 0) AS bytes
FROM quarantine WHERE kit_id = ANY($1::int[]) AND {_COUNTS_TOWARDS_LIMITS} GROUP BY kit_id
"""  # noqa: S608  (a constant)

_PURGE_OLDEST = f"""
WITH newest AS (
    SELECT id, row_number() OVER w AS messages, sum(octet_length(payload)) OVER w AS bytes
    FROM quarantine WHERE kit_id = $1 AND {_COUNTS_TOWARDS_LIMITS} WINDOW w AS (ORDER BY id DESC)
), gone AS (
    DELETE FROM quarantine q USING newest n
    WHERE q.id = n.id AND (n.messages > $2 OR n.bytes > $3) RETURNING q.stream
)
SELECT stream, count(*) AS messages FROM gone GROUP BY stream
"""  # noqa: S608  (a constant)

ADD_TO_LEDGER = """
INSERT INTO ingest_ledger AS l (kit_id, hour, stream, received, stored, duplicate, quarantined, refused)
SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::text[],
                     $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
ORDER BY 1, 2, 3
ON CONFLICT (kit_id, hour, stream) DO UPDATE SET
    received = l.received + excluded.received,
    stored = l.stored + excluded.stored,
    duplicate = l.duplicate + excluded.duplicate,
    quarantined = l.quarantined + excluded.quarantined,
    refused = l.refused + excluded.refused
"""

ADD_TO_LEDGER_REASONS = """
INSERT INTO ingest_ledger_reasons AS l (kit_id, hour, stream, outcome, reason, count)
SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[])
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (kit_id, hour, stream, outcome, reason) DO UPDATE SET count = l.count + excluded.count
"""


@dataclass(slots=True)
class StoredBatch:
    """The outcome of a committed batch: counts by ledger key.

    `purged` counts older messages deleted to make room in quarantine; they were counted on arrival.
    """

    stored: Counter[LedgerKey] = field(default_factory=Counter)
    duplicate: Counter[LedgerKey] = field(default_factory=Counter)
    quarantined: Counter[LedgerKey] = field(default_factory=Counter)
    refused: Counter[LedgerKey] = field(default_factory=Counter)
    purged: Counter[LedgerKey] = field(default_factory=Counter)


async def quarantine(
    connection: asyncpg.Connection, quarantined: list[ToQuarantine], outcome: StoredBatch
) -> None:
    kept = [entry for entry in quarantined if not entry.verdict.refused_already]
    outcome.quarantined.update(entry.ledger_key for entry in kept)
    outcome.refused.update(entry.ledger_key for entry in quarantined if entry.verdict.refused_already)
    if not kept:
        return
    await connection.execute(
        _INSERT_QUARANTINE,
        [from_milliseconds(entry.message.received_at_ms) for entry in kept],
        [entry.kit_id for entry in kept],
        [str(entry.stream) for entry in kept],
        [str(entry.verdict.reason) for entry in kept],
        [_storable(_detail(entry)) for entry in kept],
        [_storable(entry.message.topic) for entry in kept],
        [entry.message.kept_payload for entry in kept],
        [entry.message.whole_bytes for entry in kept],
    )
    await _make_room(connection, kept, outcome)


def _detail(entry: ToQuarantine) -> str:
    """Return the detail of the verdict, with the place where the message is kept, if it is anywhere."""
    source = entry.message.source
    if not isinstance(source, KeptSource):
        return entry.verdict.detail
    return f"{entry.verdict.detail} ({source.name_of(entry.message.handle)})"


def _storable(text: str) -> str:
    """Return the text as PostgreSQL can store it: quarantine is the last resort, and must take everything."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")


async def _make_room(connection: asyncpg.Connection, kept: list[ToQuarantine], outcome: StoredBatch) -> None:
    """Delete the oldest messages of kits whose quarantine is full, and record how many."""
    newest = {entry.kit_id: entry.ledger_key for entry in kept}
    for row in await connection.fetch(_QUARANTINE_USE, list(newest)):
        if row["messages"] <= QUARANTINE_MESSAGES_PER_KIT and row["bytes"] <= QUARANTINE_BYTES_PER_KIT:
            continue
        _, hour_ms, _ = newest[row["kit_id"]]
        limits = (QUARANTINE_MESSAGES_PER_KIT, QUARANTINE_BYTES_PER_KIT)
        for gone in await connection.fetch(_PURGE_OLDEST, row["kit_id"], *limits):
            outcome.purged[(row["kit_id"], hour_ms, Stream(gone["stream"]))] += gone["messages"]


async def add_to_ledger(connection: asyncpg.Connection, batch: ResolvedBatch, outcome: StoredBatch) -> None:
    keys = list(batch.received)
    # `received` was counted on arrival, the rest from what the database did: if the two ever disagreed, the
    # table's CHECK constraint would reject the batch.
    await connection.execute(
        ADD_TO_LEDGER,
        [kit_id for kit_id, _, _ in keys],
        [from_milliseconds(hour_ms) for _, hour_ms, _ in keys],
        [str(stream) for _, _, stream in keys],
        [batch.received[key] for key in keys],
        [outcome.stored[key] for key in keys],
        [outcome.duplicate[key] for key in keys],
        [outcome.quarantined[key] for key in keys],
        [outcome.refused[key] for key in keys],
    )
    reasons = _count_reasons(batch.quarantined, outcome.purged)
    if reasons:
        await connection.execute(
            ADD_TO_LEDGER_REASONS,
            [kit_id for (kit_id, _, _), _, _ in reasons],
            [from_milliseconds(hour_ms) for (_, hour_ms, _), _, _ in reasons],
            [str(stream) for (_, _, stream), _, _ in reasons],
            [result for _, result, _ in reasons],
            [reason for _, _, reason in reasons],
            list(reasons.values()),
        )


def _count_reasons(
    quarantined: list[ToQuarantine], purged: Counter[LedgerKey]
) -> Counter[tuple[LedgerKey, str, str]]:
    counts = Counter(
        (
            entry.ledger_key,
            "refused" if entry.verdict.refused_already else "quarantined",
            str(entry.verdict.reason),
        )
        for entry in quarantined
    )
    for key, messages in purged.items():
        counts[key, "purged", str(Reason.QUARANTINE_FULL)] += messages
    return counts
