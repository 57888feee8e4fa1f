"""Commands in the database, as workers see them: claimed, sent, answered.

Times are the database's, so workers need not agree on theirs. The rows say what every worker must know: one
that dies leaves nothing behind but a deadline.
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
"""A kit's older results go when it sends more: nobody can fill the disk with pictures that nobody fetches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A command that this process has to send now, and no other."""

    id: int
    kit_id: int
    serial: str
    question: Question


class Reception(StrEnum):
    """What an answer was to us. Only the first two change anything."""

    EXPECTED = "expected"
    LATE = "late"
    REPEATED = "repeated"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The command that an answer belongs to, its row locked; `method` is None if there is none to change."""

    reception: Reception
    method: Method | None = None


async def claim(connection: AsyncConnection, kit_seconds: int) -> Claimed | None:
    """Take the next command that may be sent; None if there is none. On a connection that commits by itself.

    From then on the kit is occupied, whatever becomes of us. Never sent twice: a kit would do it twice.
    """
    try:
        row = (await connection.execute(_CLAIM, {"kit_seconds": kit_seconds})).mappings().one_or_none()
    except IntegrityError:
        # Another worker has occupied the kit in this very moment.
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
    """Let a command wait again that has certainly not left this process."""
    await connection.execute(_GIVE_BACK, {"command_id": command_id})


async def fail_unsent(connection: AsyncConnection, command_id: int, explanation: str) -> None:
    """End a command that reached nobody, because the kit is not connected."""
    parameters = {"command_id": command_id, "error": KIT_OFFLINE, "explanation": explanation}
    if await connection.scalar(_FAIL_UNSENT, parameters) is not None:
        await _notify_finished(connection, command_id)


async def is_asked(connection: AsyncConnection, serial: str) -> bool:
    """Tell whether an answer of this kit can be anything but unasked: before its 64 MiB are looked at."""
    return bool(await connection.scalar(_IS_ASKED, {"serial": serial}))


async def await_answer(connection: AsyncConnection, serial: str, command_id: int) -> Awaited:
    """Find what an answer of this kit with this id belongs to, and lock it."""
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
    """Note what came of a command, and that the kit is free."""
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
    # One after the other: together they would be in memory once more.
    for part, start in enumerate(range(RESULT_PART_BYTES, len(outcome.data), RESULT_PART_BYTES), start=1):
        data = outcome.data[start : start + RESULT_PART_BYTES]
        await connection.execute(_ADD_PART, {"command_id": command_id, "part": part, "data": data})
    await connection.execute(_FORGET_SURPLUS, {"command_id": command_id, "most": RESULTS_PER_KIT})


async def note_late_answer(connection: AsyncConnection, command_id: int, outcome: CommandOutcome) -> None:
    """Note in the ledger what came too late, without its content, and that the kit is free."""
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

# The oldest of each kit only: who finds it locked by another worker leaves the whole kit to that worker.
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
# One statement, because somebody waits. What is announced is told at the commit.
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
