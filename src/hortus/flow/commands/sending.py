"""Database operations on commands for the workers that claim, send and complete them.

All times come from the database clock, so the clocks of workers need not agree. The rows hold all shared
state: a worker that dies leaves nothing behind but a deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import LargeBinary, bindparam, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.flow.commands.command import Method, Question
from hortus.flow.commands.outcome import KIT_OFFLINE, TIMED_OUT, CommandOutcome
from hortus.flow.commands.store import COMMANDS_CHANNEL, RESULT_PART_BYTES

RESULTS_PER_KIT = 5
"""A kit's oldest results are deleted beyond this, so that pictures nobody fetches cannot fill the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A command that this process, and no other, has to send now."""

    id: int
    kit_id: int
    serial: str
    question: Question


class Reception(StrEnum):
    """How an answer relates to the commands in the database. Only the first two change anything."""

    EXPECTED = "expected"
    LATE = "late"
    REPEATED = "repeated"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The command that an answer belongs to, row locked; `method` is None if there is none to change."""

    reception: Reception
    method: Method | None = None


async def claim(connection: AsyncConnection, kit_seconds: int) -> Claimed | None:
    """Claim the next command that may be sent; return None if there is none. Needs an autocommit connection.

    From then on the kit is occupied, even if this process dies. Never sent twice: a kit would do it twice.
    """
    try:
        row = (await connection.execute(_CLAIM, {"kit_seconds": kit_seconds})).mappings().one_or_none()
    except IntegrityError:
        # Another worker has just occupied the kit.
        return None
    if row is None:
        return None
    return Claimed(
        id=row["id"],
        kit_id=row["kit_id"],
        serial=row["serial"],
        question=Question(
            method=Method(row["method"]), peripheral=row["peripheral"], command_json=row["command_json"]
        ),
    )


async def give_back(connection: AsyncConnection, command_id: int) -> None:
    """Return to the queue a command that has definitely not left this process."""
    await connection.execute(_GIVE_BACK, {"command_id": command_id})


async def fail_unsent(connection: AsyncConnection, command_id: int, explanation: str) -> None:
    """Fail a command that reached no kit because the kit is not connected."""
    parameters = {"command_id": command_id, "error": KIT_OFFLINE, "explanation": explanation}
    if await connection.scalar(_FAIL_UNSENT, parameters) is not None:
        await _notify_finished(connection, command_id)


async def is_asked(connection: AsyncConnection, serial: str) -> bool:
    """Return whether this kit may have a command to answer; checked before up to 64 MiB are decoded."""
    return bool(await connection.scalar(_IS_ASKED, {"serial": serial}))


async def await_answer(connection: AsyncConnection, serial: str, command_id: int) -> Awaited:
    """Find and lock the command that an answer of this kit with this id belongs to."""
    if command_id >= 2**63:
        return Awaited(reception=Reception.UNASKED)
    parameters = {"command_id": command_id, "serial": serial}
    row = (await connection.execute(_AWAIT, parameters)).mappings().one_or_none()
    if row is None or row["sent_at"] is None:
        return Awaited(reception=Reception.UNASKED)
    if row["state"] == "sent":
        return Awaited(reception=Reception.EXPECTED, method=Method(row["method"]))
    if row["error"] == TIMED_OUT and row["late_answer_at"] is None:
        return Awaited(reception=Reception.LATE, method=Method(row["method"]))
    return Awaited(reception=Reception.REPEATED)


async def finish(connection: AsyncConnection, command_id: int, outcome: CommandOutcome) -> None:
    """Record the outcome of a command and release the kit."""
    parameters = {
        "command_id": command_id,
        "state": "failed" if outcome.error else "succeeded",
        "error": outcome.error,
        "explanation": outcome.explanation,
        "first_part": None if outcome.error else outcome.data[:RESULT_PART_BYTES],
        **_result_columns(outcome),
    }
    await connection.execute(_FINISH, parameters)
    if outcome.error is not None:
        return
    # One at a time: a single statement with all parts would hold a second copy in memory.
    for part, start in enumerate(range(RESULT_PART_BYTES, len(outcome.data), RESULT_PART_BYTES), start=1):
        data = outcome.data[start : start + RESULT_PART_BYTES]
        await connection.execute(_ADD_PART, {"command_id": command_id, "part": part, "data": data})
    await connection.execute(_FORGET_SURPLUS, {"command_id": command_id, "most": RESULTS_PER_KIT})


async def note_late_answer(connection: AsyncConnection, command_id: int, outcome: CommandOutcome) -> None:
    """Record a late answer in the ledger, without its content, and release the kit."""
    await connection.execute(_NOTE_LATE, {"command_id": command_id, **_result_columns(outcome)})
    await connection.execute(_NOTIFY, {"payload": "queued"})


def _result_columns(outcome: CommandOutcome) -> dict[str, object]:
    return {
        "media_type": outcome.media_type,
        "result_bytes": len(outcome.data) if outcome.media_type is not None else None,
        "result_text": outcome.text,
    }


async def _notify_finished(connection: AsyncConnection, command_id: int) -> None:
    await connection.execute(_NOTIFY, {"payload": f"finished {command_id}"})


_NOTIFY = text(f"SELECT pg_notify('{COMMANDS_CHANNEL}', :payload)")

# Only the oldest of each kit: a worker that finds it locked leaves the whole kit to the worker holding it.
_CLAIM = text(
    """
    UPDATE kit_commands c SET state = 'sent', occupies_kit = true, sent_at = clock_timestamp(),
        answer_by = clock_timestamp() + make_interval(secs => :kit_seconds)
    FROM kits k
    WHERE k.id = c.kit_id AND c.id = (
        SELECT w.id FROM kit_commands w
        WHERE w.state = 'waiting' AND w.give_up_at > now()
          AND NOT EXISTS (SELECT FROM kit_commands o WHERE o.kit_id = w.kit_id AND o.occupies_kit)
          AND NOT EXISTS (
            SELECT FROM kit_commands e WHERE e.kit_id = w.kit_id AND e.state = 'waiting' AND e.id < w.id
              AND e.give_up_at > now()
          )
        ORDER BY w.id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING c.id, c.kit_id, k.serial, c.method, c.peripheral, c.command_json
    """
)
_GIVE_BACK = text(
    """
    UPDATE kit_commands SET state = 'waiting', occupies_kit = false, sent_at = NULL, answer_by = NULL
    WHERE id = :command_id AND state = 'sent'
    """
)
_FAIL_UNSENT = text(
    """
    UPDATE kit_commands SET state = 'failed', error = :error, explanation = :explanation,
        occupies_kit = false, sent_at = NULL, answer_by = NULL, finished_at = clock_timestamp()
    WHERE id = :command_id AND state = 'sent' RETURNING id
    """
)
_IS_ASKED = text(
    """
    SELECT EXISTS (
        SELECT FROM kit_commands c JOIN kits k ON k.id = c.kit_id WHERE k.serial = :serial AND c.occupies_kit
    )
    """
)
_AWAIT = text(
    """
    SELECT c.state, c.method, c.sent_at, c.error, c.late_answer_at
    FROM kit_commands c JOIN kits k ON k.id = c.kit_id
    WHERE c.id = :command_id AND k.serial = :serial FOR UPDATE OF c
    """
)
# One statement, because a caller is waiting. PostgreSQL delivers the notifications at the commit.
_FINISH = text(
    f"""
    WITH finished AS (
        UPDATE kit_commands SET state = :state, error = :error, explanation = :explanation,
            occupies_kit = false, finished_at = clock_timestamp(), result_media_type = :media_type,
            result_bytes = :result_bytes, result_text = :result_text
        WHERE id = :command_id RETURNING id
    ), stored AS (
        INSERT INTO kit_command_results (command_id, part, data)
        SELECT id, 0, CAST(:first_part AS bytea) FROM finished WHERE CAST(:first_part AS bytea) IS NOT NULL
    )
    SELECT pg_notify('{COMMANDS_CHANNEL}', 'finished ' || id), pg_notify('{COMMANDS_CHANNEL}', 'queued')
    FROM finished
    """  # noqa: S608  (made of our own constants)
).bindparams(bindparam("first_part", type_=LargeBinary))
_NOTE_LATE = text(
    """
    UPDATE kit_commands SET occupies_kit = false, late_answer_at = clock_timestamp(),
        result_media_type = :media_type, result_bytes = :result_bytes, result_text = :result_text
    WHERE id = :command_id
    """
)
_ADD_PART = text("INSERT INTO kit_command_results (command_id, part, data) VALUES (:command_id, :part, :data)")
_FORGET_SURPLUS = text(
    """
    DELETE FROM kit_command_results WHERE command_id IN (
        SELECT c.id FROM kit_commands c
        WHERE c.kit_id = (SELECT kit_id FROM kit_commands WHERE id = :command_id) AND c.state = 'succeeded'
          AND c.finished_at > now() - interval '1 h'
        ORDER BY c.id DESC OFFSET :most
    )
    """
)
