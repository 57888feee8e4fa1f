"""Processes messages in quarantine again, after the cause has been fixed.

The ledger is adjusted: a message that is stored now counts as stored (or duplicate) in the hour of its arrival
and no longer as quarantined, so the totals stay consistent. One that still cannot be stored remains in
quarantine with its current reason.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import asyncpg

from hortus.domain.kits.registry import KitRegistry, existing_peripherals
from hortus.domain.media.objects import MediaObjects
from hortus.flow.ingest.batch import (
    HOUR_MS,
    Knowledge,
    LedgerKey,
    ReadMessage,
    ResolvedBatch,
    from_milliseconds,
    knowledge_in_memory,
    resolve,
)
from hortus.flow.ingest.media_objects import put_object, verdict_on
from hortus.flow.ingest.messages import (
    InboundMessage,
    NobodyWaits,
    QuarantineVerdict,
    Stream,
    read_message,
    serial_and_stream,
)
from hortus.flow.ingest.months import OpenMonths
from hortus.flow.ingest.outcome import ADD_TO_LEDGER, ADD_TO_LEDGER_REASONS
from hortus.flow.ingest.peripherals import PeripheralsChanged
from hortus.flow.ingest.store import (
    KnownMedium,
    announce,
    known_media,
    store_rows,
)
from hortus.protocol.reasons import Reason

ReasonKey = tuple[LedgerKey, str]

_REASONS = {str(reason): reason for reason in Reason}

_CHUNK_MESSAGES = 500
_CHUNK_BYTES = 64 * 1024 * 1024

_SELECT = """
SELECT id, received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes FROM quarantine
WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE
"""


@dataclass(slots=True)
class ReplayResult:
    """The number of replayed messages by outcome."""

    stored: int = 0
    duplicate: int = 0
    still_quarantined: int = 0

    def add(self, other: ReplayResult) -> None:
        """Add the counts of another part of the same replay."""
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.still_quarantined += other.still_quarantined


async def replay(
    connection: asyncpg.Connection,
    identifiers: Sequence[int],
    *,
    clock_tolerance_ms: int,
    late_months_per_hour: int | None = None,
    objects: MediaObjects | None = None,
    clock: Callable[[], float] = time.time,
) -> ReplayResult:
    """Replay these messages in order of arrival, in transactions of bounded size.

    Without `objects`, media stay in quarantine. Readings of one kit may open `late_months_per_hour` months; by
    default, which is for an operator, any number. Raises ObjectStoreNotAnswering; messages replayed before that
    stay replayed.
    """

    async def replay_chunk(chunk: list[int]) -> ReplayResult:
        while True:
            # The next attempt finds peripherals as they are by then, so this loop ends.
            with contextlib.suppress(PeripheralsChanged):
                return await _replay_chunk(
                    connection, chunk, clock_tolerance_ms, late_months_per_hour, objects, clock
                )

    total = ReplayResult()
    sizes = await connection.fetch(
        "SELECT id, payload_bytes FROM quarantine WHERE id = ANY($1::bigint[]) ORDER BY id", list(identifiers)
    )
    chunk: list[int] = []
    chunk_bytes = 0
    for row in sizes:
        if chunk and (len(chunk) >= _CHUNK_MESSAGES or chunk_bytes + row["payload_bytes"] > _CHUNK_BYTES):
            total.add(await replay_chunk(chunk))
            chunk, chunk_bytes = [], 0
        chunk.append(row["id"])
        chunk_bytes += row["payload_bytes"]
    if chunk:
        total.add(await replay_chunk(chunk))
    return total


async def _replay_chunk(
    connection: asyncpg.Connection,
    identifiers: list[int],
    clock_tolerance_ms: int,
    late_months_per_hour: int | None,
    objects: MediaObjects | None,
    clock: Callable[[], float],
) -> ReplayResult:
    async with connection.transaction():
        # Storing contents may take long; only these messages are locked in the meantime.
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")
        rows = await connection.fetch(_SELECT, identifiers)
        now_ms = int(clock() * 1000)
        batch = [
            _read(row, index, clock_tolerance_ms, now_ms, stores_media=objects is not None)
            for index, row in enumerate(rows)
        ]
        registry = KitRegistry(capacity_kits=_CHUNK_MESSAGES)
        _, missing = knowledge_in_memory(batch, registry)
        knowledge = Knowledge(
            await registry.load_kits(connection, missing.serials),
            await registry.load_quantity_types(connection),
            await existing_peripherals(connection, missing.peripheral_ids),
        )
        await _put_media(connection, objects, batch, resolve(batch, knowledge))
        # Last, as it may take a lock that all writers of late readings need.
        resolved = await OpenMonths(late_months_per_hour).resolve(connection, batch, knowledge)
        stored, duplicate = await store_rows(connection, resolved)

        still_wrong = {entry.message.handle: entry.verdict for entry in resolved.quarantined}
        done = [row for index, row in enumerate(rows) if index not in still_wrong]
        await connection.execute(
            "DELETE FROM quarantine WHERE id = ANY($1::bigint[])", [row["id"] for row in done]
        )
        await connection.executemany(
            "UPDATE quarantine SET reason = $2, detail = $3 WHERE id = $1",
            [
                (rows[index]["id"], str(verdict.reason), verdict.detail)
                for index, verdict in still_wrong.items()
            ],
        )
        await _move_in_ledger(connection, done, stored, duplicate)
        await _change_reasons(
            connection, [(rows[i], str(verdict.reason)) for i, verdict in still_wrong.items()]
        )
        await announce(connection, stored)
    return ReplayResult(stored=stored.total(), duplicate=duplicate.total(), still_quarantined=len(still_wrong))


async def _put_media(
    connection: asyncpg.Connection,
    objects: MediaObjects | None,
    batch: list[ReadMessage],
    resolved: ResolvedBatch,
) -> None:
    """Store the contents of media before their rows. In the batch, a verdict replaces what cannot be stored."""
    if objects is None or not resolved.media:
        return
    known = await known_media(connection, resolved.media)
    places = {id(read.content): index for index, read in enumerate(batch)}
    for each in resolved.media:
        verdict = verdict_on(each, known)
        if verdict is None:
            await put_object(objects, each, known)
            known.setdefault(each.medium.id, KnownMedium(each.kit_id, each.medium.sha256))
            continue
        index = places[id(each.medium)]
        batch[index] = replace(batch[index], content=verdict)


def _read(
    row: asyncpg.Record, index: int, clock_tolerance_ms: int, now_ms: int, *, stores_media: bool
) -> ReadMessage:
    """Decode a message again. Its device time is checked against the current clock; its arrival stays."""
    received_at_ms = round(row["received_at"].timestamp() * 1000)
    message = InboundMessage(NobodyWaits(), index, row["topic"], row["payload"], now_ms)
    serial, stream = serial_and_stream(row["topic"])
    if row["payload_bytes"] > len(row["payload"]):
        # The message was too large and only its beginning was kept: the verdict does not change.
        message.verdict = QuarantineVerdict(
            _REASONS.get(row["reason"], Reason.PAYLOAD_TOO_LARGE), row["detail"]
        )
    elif row["reason"] == Reason.TOPIC_NOT_ALLOWED:
        # The topic names another kit: a replay would store one kit's message as another's (P5).
        message.verdict = QuarantineVerdict(Reason.TOPIC_NOT_ALLOWED, Reason.TOPIC_NOT_ALLOWED.explanation)
    elif stream is Stream.MEDIA and not stores_media:
        reason = Reason.MEDIA_STORAGE_PENDING
        message.verdict = QuarantineVerdict(reason, reason.explanation)
    content = read_message(stream, message, clock_tolerance_ms)
    message.received_at_ms = received_at_ms
    return ReadMessage(message, serial, stream, content)


async def _move_in_ledger(
    connection: asyncpg.Connection,
    done: list[asyncpg.Record],
    stored: Counter[LedgerKey],
    duplicate: Counter[LedgerKey],
) -> None:
    """Move these messages from "quarantined" to their current outcome in the ledger rows that counted them."""
    released = Counter(_ledger_key(row) for row in done)
    # A message of a kit that was unknown on arrival is counted under "no kit" and now stored for its kit: it
    # moves from one ledger row to the other, and counts as received there.
    keys = list(released | stored | duplicate)
    await connection.execute(
        ADD_TO_LEDGER,
        [kit_id for kit_id, _, _ in keys],
        [from_milliseconds(hour_ms) for _, hour_ms, _ in keys],
        [str(stream) for _, _, stream in keys],
        [stored[key] + duplicate[key] - released[key] for key in keys],
        [stored[key] for key in keys],
        [duplicate[key] for key in keys],
        [-released[key] for key in keys],
        [0] * len(keys),
    )
    await _add_reasons(connection, Counter({}), Counter((_ledger_key(row), row["reason"]) for row in done))


async def _change_reasons(connection: asyncpg.Connection, changed: list[tuple[asyncpg.Record, str]]) -> None:
    await _add_reasons(
        connection,
        Counter((_ledger_key(row), reason) for row, reason in changed),
        Counter((_ledger_key(row), row["reason"]) for row, _ in changed),
    )


async def _add_reasons(
    connection: asyncpg.Connection, more: Counter[ReasonKey], fewer: Counter[ReasonKey]
) -> None:
    changes = {key: more[key] - fewer[key] for key in more | fewer if more[key] != fewer[key]}
    if changes:
        await connection.execute(
            ADD_TO_LEDGER_REASONS,
            [kit_id for (kit_id, _, _), _ in changes],
            [from_milliseconds(hour_ms) for (_, hour_ms, _), _ in changes],
            [str(stream) for (_, _, stream), _ in changes],
            ["quarantined"] * len(changes),
            [reason for _, reason in changes],
            list(changes.values()),
        )


def _ledger_key(row: asyncpg.Record) -> LedgerKey:
    received_at_ms = round(row["received_at"].timestamp() * 1000)
    return (row["kit_id"], received_at_ms - received_at_ms % HOUR_MS, Stream(row["stream"]))
