"""What the database holds, read from outside with plain SQL, against what the kits sent and were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from fault_journal import Journal
from fault_readings import Message

_READINGS = """
SELECT id, kit_id, 'raw' AS stream, extract(epoch FROM datetime) * 1000 AS datetime_ms, value
FROM raw_measurements
UNION ALL
SELECT id, kit_id, 'aggregate', extract(epoch FROM datetime_end) * 1000, (values ->> 'average')::float8
FROM aggregate_measurements
"""
_STORED_OF = """
SELECT id FROM raw_measurements WHERE id = ANY($1::uuid[])
UNION SELECT id FROM aggregate_measurements WHERE id = ANY($1::uuid[])
"""
_LEDGER = """
SELECT kit_id, stream, sum(received)::bigint AS received, sum(stored)::bigint AS stored,
       sum(duplicate)::bigint AS duplicate, sum(quarantined)::bigint AS quarantined,
       sum(refused)::bigint AS refused,
       bool_and(received = stored + duplicate + quarantined + refused) AS adds_up
FROM ingest_ledger GROUP BY kit_id, stream
"""
_REASONS = """
SELECT kit_id, stream, outcome, reason, sum(count)::bigint AS count
FROM ingest_ledger_reasons WHERE count > 0 GROUP BY kit_id, stream, outcome, reason
"""
_MOST_EXAMPLES = 5

KitStream = tuple[int, str]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Counts of a run, and every broken promise in words. `lost` are numbers of messages."""

    sent: int
    finished: int
    stored: int
    received: int = 0
    duplicates: int = 0
    lost: set[int] = field(default_factory=set)
    twice: int = 0
    problems: list[str] = field(default_factory=list)

    def complain(self, what: str, examples: Iterable[object]) -> None:
        """Note a broken promise if there are examples of it."""
        found = list(examples)
        if found:
            shown = ", ".join(map(str, found[:_MOST_EXAMPLES]))
            self.problems.append(f"{len(found)} {what}: {shown}")


async def not_stored(connection: asyncpg.Connection, readings: set[UUID]) -> set[UUID]:
    """Return those of these readings that are not in the database."""
    rows = await connection.fetch(_STORED_OF, list(readings))
    return readings - {row["id"] for row in rows}


async def judge(
    connection: asyncpg.Connection,
    journal: Journal,
    *,
    promised: set[int],
    exactly_once_received: bool = False,
) -> Verdict:
    """Compare database and journal when all is quiet.

    `promised` are the numbers of the messages that must have an end in the database; what of them has none
    is lost. With `exactly_once_received`, each message was delivered to Hortus once, so the ledger must have
    received exactly as many, and quarantine must hold each rubbish message once.
    """
    # One snapshot: what would be committed in between must not look like a contradiction.
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(_READINGS)
        quarantine = await connection.fetch("SELECT kit_id, stream, topic, payload, reason FROM quarantine")
        ledger = {(row["kit_id"], row["stream"]): row for row in await connection.fetch(_LEDGER)}
        reasons = await connection.fetch(_REASONS)
    verdict = Verdict(sent=len(journal.sent), finished=len(journal.finished), stored=len(rows))
    _judge_readings(verdict, rows, journal, promised)
    _judge_quarantine(verdict, quarantine, journal, promised, exactly_once_received)
    _judge_ledger(verdict, ledger, rows, quarantine, reasons)
    _judge_received(verdict, ledger, journal, promised - verdict.lost, exactly_once_received)
    return verdict


def _judge_readings(verdict: Verdict, rows: list[Any], journal: Journal, promised: set[int]) -> None:
    sent = {message.reading: message for message in journal.sent.values() if message.reading is not None}
    times_stored = Counter(row["id"] for row in rows)
    twice = [reading for reading, times in times_stored.items() if times > 1]
    verdict.twice = len(twice)
    verdict.complain("readings are stored twice", twice)
    verdict.complain("readings are stored that nobody sent", times_stored.keys() - sent.keys())
    altered = [
        row["id"]
        for row in rows
        if row["id"] in sent
        and sent[row["id"]].content != (row["kit_id"], row["stream"], int(row["datetime_ms"]), row["value"])
    ]
    verdict.complain("readings are not stored as they were sent", altered)
    verdict.lost |= {
        message.number
        for reading, message in sent.items()
        if message.number in promised and reading not in times_stored
    }


def _judge_quarantine(
    verdict: Verdict, quarantine: list[Any], journal: Journal, promised: set[int], exactly_once: bool
) -> None:
    rubbish = [message for message in journal.sent.values() if message.reading is None]
    kept = Counter((row["topic"], bytes(row["payload"]), row["reason"]) for row in quarantine)
    wanted = Counter(_quarantine_key(message) for message in rubbish)
    verdict.complain("messages are in quarantine that do not belong there", kept.keys() - wanted.keys())
    # Empty messages cannot be told apart, so presence is judged by number.
    due = Counter(_quarantine_key(message) for message in rubbish if message.number in promised)
    missing = due - kept
    for message in rubbish:
        key = _quarantine_key(message)
        if message.number in promised and missing[key] > 0:
            missing[key] -= 1
            verdict.lost.add(message.number)
    if exactly_once:
        verdict.complain("messages are in quarantine more than once", (kept - wanted).elements())


def _judge_ledger(
    verdict: Verdict,
    ledger: dict[KitStream, Any],
    rows: list[Any],
    quarantine: list[Any],
    reasons: list[Any],
) -> None:
    verdict.complain(
        "lines of the ledger do not add up", (k for k, row in ledger.items() if not row["adds_up"])
    )
    _compare(
        verdict,
        "lines of the ledger disagree with the readings in the tables",
        {key: row["stored"] for key, row in ledger.items()},
        Counter((row["kit_id"], row["stream"]) for row in rows),
    )
    _compare(
        verdict,
        "reasons in the ledger disagree with the quarantine",
        {
            (row["kit_id"], row["stream"], row["reason"]): row["count"]
            for row in reasons
            if row["outcome"] == "quarantined"
        },
        Counter((row["kit_id"], row["stream"], row["reason"]) for row in quarantine),
    )
    for outcome in ("quarantined", "refused"):
        by_reason: Counter[KitStream] = Counter()
        for row in reasons:
            if row["outcome"] == outcome:
                by_reason[(row["kit_id"], row["stream"])] += row["count"]
        _compare(
            verdict,
            f"lines of the ledger lack reasons for what was {outcome}",
            {key: row[outcome] for key, row in ledger.items()},
            by_reason,
        )


def _judge_received(
    verdict: Verdict, ledger: dict[KitStream, Any], journal: Journal, kept: set[int], exactly_once: bool
) -> None:
    verdict.received = sum(row["received"] for row in ledger.values())
    verdict.duplicates = sum(row["duplicate"] for row in ledger.values())
    received = {key: row["received"] for key, row in ledger.items()}
    least = Counter(_ledger_key(journal.sent[number]) for number in kept)
    verdict.complain(
        "lines of the ledger received fewer than were acknowledged",
        (
            f"{key}: {received.get(key, 0)} < {count}"
            for key, count in least.items()
            if received.get(key, 0) < count
        ),
    )
    if exactly_once:
        _compare(
            verdict,
            "lines of the ledger did not receive exactly what was delivered",
            received,
            Counter(_ledger_key(message) for message in journal.sent.values()),
        )


def _compare(verdict: Verdict, what: str, found: dict[Any, int], expected: Counter[Any]) -> None:
    verdict.complain(
        what,
        (
            f"{key}: {found.get(key, 0)} instead of {expected[key]}"
            for key in sorted(found.keys() | expected.keys())
            if found.get(key, 0) != expected[key]
        ),
    )


def _quarantine_key(message: Message) -> tuple[str, bytes, str]:
    assert message.reason is not None
    return (message.topic, message.payload, message.reason)


def _ledger_key(message: Message) -> KitStream:
    return (message.kit_id, message.stream)
