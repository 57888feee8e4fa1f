"""Database operations on commands for users: enqueue, look up, list and cancel.

Functions work in the caller's transaction; the caller commits. All times come from the database clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import OperationalError, UsageError
from hortus.flow.commands.command import CommandState, Method, Question
from hortus.flow.commands.outcome import NOT_SENT, TIMED_OUT
from hortus.flow.commands.suitability import require_suitable

COMMANDS_CHANNEL = "hortus_kit_commands"
"""Carries `queued` when there may be a command to send, and `finished <id>` when a command has ended."""

MOST_WAITING = 10
"""Per kit. A kit does one thing at a time and a camera takes ten seconds: more commands would only expire."""

RESULT_PART_BYTES = 1024 * 1024
RESULT_KEPT_MINUTES = 10

SAY_CAN_SEND_SECONDS = 5.0
_MOST_PATIENCE_SECONDS = 3600


class TooManyWaiting(UsageError):
    """The kit's queue of waiting commands is full."""

    def __init__(self) -> None:
        super().__init__(f"{MOST_WAITING} commands wait for this kit already. Try again when it has done some.")


class IsBoard(UsageError):
    """The kit is a board, which only sends readings over HTTP and cannot receive commands."""

    def __init__(self) -> None:
        super().__init__("This is a board that only sends readings; it cannot be sent commands.")


class NobodySends(OperationalError):
    """No running process can send the command: none is running, or none can reach the broker."""

    def __init__(self) -> None:
        super().__init__(
            "No process of this server can reach kits at the moment. Is `hortus rpc` running, and the broker?"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The current state of a command. `asked_by` is a user name, or None if the account was deleted."""

    id: int
    kit_id: int
    question: Question
    asked_by: str | None
    state: CommandState
    error: str | None
    explanation: str | None
    requested_at: datetime
    give_up_at: datetime
    sent_at: datetime | None
    answer_by: datetime | None
    finished_at: datetime | None
    late_answer_at: datetime | None
    result_media_type: str | None
    result_bytes: int | None
    result_text: str | None
    has_result: bool


async def enqueue(
    connection: AsyncConnection,
    *,
    kit_id: int,
    user_id: int,
    question: Question,
    patience_seconds: int,
    form_key: str | None = None,
) -> int:
    """Queue a command, to be sent within the given patience, and return its id.

    If the kit has a command with this `form_key` already, nothing is queued, and the id is that command's.
    Raises UnsuitableCommand, IsBoard, TooManyWaiting or NobodySends.
    """
    assert 0 < patience_seconds <= _MOST_PATIENCE_SECONDS
    # Serialises concurrent requests for the same kit.
    await connection.execute(_LOCK_KIT, {"kit_id": kit_id})
    known: int | None = await connection.scalar(_OF_FORM, {"kit_id": kit_id, "form_key": form_key})
    if known is not None:
        return known
    await require_suitable(connection, kit_id, question)
    row = (await connection.execute(_ROOM, {"kit_id": kit_id})).one()
    if row.is_board:
        raise IsBoard
    if not row.somebody_sends:
        raise NobodySends
    if row.waiting >= MOST_WAITING:
        raise TooManyWaiting
    command_id: int | None = await connection.scalar(
        _ENQUEUE,
        {
            "kit_id": kit_id,
            "user_id": user_id,
            "method": str(question.method),
            "peripheral": question.peripheral,
            "command_json": question.command_json,
            "patience_seconds": patience_seconds,
            "form_key": form_key,
        },
    )
    assert command_id is not None
    return command_id


async def can_send(connection: AsyncConnection) -> None:
    """Record that this process can send now. Repeat this every `SAY_CAN_SEND_SECONDS`."""
    await connection.execute(_CAN_SEND)


async def find_command(connection: AsyncConnection, kit_id: int, command_id: int) -> Command | None:
    """Return the kit's command with this id, or None."""
    parameters = {"kit_id": kit_id, "command_id": command_id}
    row = (await connection.execute(_FIND, parameters)).mappings().one_or_none()
    return _command(row) if row else None


async def list_commands(
    connection: AsyncConnection, kit_id: int, *, before: int | None, most: int
) -> list[Command]:
    """Return a kit's commands, newest first; with `before`, only those with smaller ids."""
    parameters = {"kit_id": kit_id, "before": before, "most": most}
    return [_command(row) for row in (await connection.execute(_LIST, parameters)).mappings()]


async def cancel(connection: AsyncConnection, command_id: int) -> bool:
    """Cancel a command that is still waiting; return whether it was cancelled."""
    cancelled = await connection.scalar(_CANCEL, {"command_id": command_id})
    if cancelled is not None:
        await connection.execute(_NOTIFY, {"payload": f"finished {command_id}"})
    return cancelled is not None


async def sweep(connection: AsyncConnection) -> None:
    """Fail overdue commands and release kits that have had long enough. Any process may call this any time."""
    ended = [*(await connection.scalars(_EXPIRE)).all(), *(await connection.scalars(_TIME_OUT)).all()]
    released = (await connection.execute(_RELEASE)).rowcount
    await _announce(connection, ended, released=bool(released))


async def kits_began_anew(connection: AsyncConnection, serials: list[str]) -> None:
    """Release kits whose programs have restarted: they no longer work on any earlier command."""
    await connection.execute(_RELEASE_STARTED, {"serials": serials})


async def result_part(connection: AsyncConnection, command_id: int, part: int) -> bytes:
    """Return one part (from 0) of a command's result; empty after the last one."""
    parameters = {"command_id": command_id, "part": part}
    return await connection.scalar(_RESULT_PART, parameters) or b""


async def forget_old(connection: AsyncConnection) -> None:
    """Delete results past their retention time, and commands older than a year."""
    for statement in _FORGET_OLD:
        await connection.execute(statement)


async def _announce(connection: AsyncConnection, ended: Sequence[int], *, released: bool) -> None:
    for command_id in ended:
        await connection.execute(_NOTIFY, {"payload": f"finished {command_id}"})
    if released:
        await connection.execute(_NOTIFY, {"payload": "queued"})


def _command(row: RowMapping) -> Command:
    values: dict[str, Any] = dict(row)
    question = Question(
        method=Method(values.pop("method")),
        peripheral=values.pop("peripheral"),
        command_json=values.pop("command_json"),
    )
    return Command(question=question, **values | {"state": CommandState(values["state"])})


_NOTIFY = text(f"SELECT pg_notify('{COMMANDS_CHANNEL}', :payload)")
_OF_FORM = text("SELECT id FROM kit_commands WHERE kit_id = :kit_id AND form_key = :form_key")
_LOCK_KIT = text("SELECT id FROM kits WHERE id = :kit_id FOR NO KEY UPDATE")
# Senders refresh this every five seconds; the limit is three times that, so a busy machine causes no refusals.
_ROOM = text(
    """
    SELECT EXISTS (SELECT FROM boards WHERE kit_id = :kit_id) AS is_board,
        EXISTS (
            SELECT FROM kit_command_sending WHERE sending_until > now() - interval '15 s'
        ) AS somebody_sends,
        (
            SELECT count(*) FROM kit_commands
            WHERE kit_id = :kit_id AND state = 'waiting' AND give_up_at > now()
        ) AS waiting
    """
)
_ENQUEUE = text(
    f"""
    WITH queued AS (
        INSERT INTO kit_commands
            (kit_id, user_id, method, peripheral, command_json, requested_at, give_up_at, form_key)
        VALUES (:kit_id, :user_id, :method, :peripheral, :command_json, clock_timestamp(),
                clock_timestamp() + make_interval(secs => :patience_seconds), :form_key)
        RETURNING id
    )
    SELECT id, pg_notify('{COMMANDS_CHANNEL}', 'queued') FROM queued
    """  # noqa: S608  (made of our own constants)
)
_CAN_SEND = text(
    """
    INSERT INTO kit_command_sending (id, sending_until) VALUES (1, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET sending_until = clock_timestamp()
    """
)

# An overdue command is shown as failed even while no process is running to record it.
_COLUMNS = f"""
    c.id, c.kit_id, c.method, c.peripheral, c.command_json, u.username AS asked_by,
    CASE WHEN over THEN 'failed' ELSE c.state END AS state,
    CASE WHEN over AND c.state = 'waiting' THEN '{NOT_SENT}' WHEN over THEN '{TIMED_OUT}' ELSE c.error END
        AS error,
    c.explanation, c.requested_at, c.give_up_at, c.sent_at, c.answer_by, c.finished_at, c.late_answer_at,
    c.result_media_type, c.result_bytes, c.result_text,
    c.state = 'succeeded' AND EXISTS (SELECT FROM kit_command_results r WHERE r.command_id = c.id)
        AS has_result
    FROM (
        SELECT *, (state = 'waiting' AND give_up_at < now()) OR (state = 'sent' AND answer_by < now()) AS over
        FROM kit_commands
    ) c LEFT JOIN users u ON u.id = c.user_id
"""  # noqa: S608  (made of our own constants)
_FIND = text(f"SELECT {_COLUMNS} WHERE c.id = :command_id AND c.kit_id = :kit_id")
_LIST = text(
    f"""
    SELECT {_COLUMNS}
    WHERE c.kit_id = :kit_id AND c.id < coalesce(CAST(:before AS bigint), 9223372036854775807)
    ORDER BY c.id DESC LIMIT :most
    """
)
_CANCEL = text(
    """
    UPDATE kit_commands SET state = 'cancelled', finished_at = clock_timestamp()
    WHERE id = :command_id AND state = 'waiting' RETURNING id
    """
)

_EXPIRE = text(
    f"""
    UPDATE kit_commands SET state = 'failed', error = '{NOT_SENT}', finished_at = give_up_at,
        explanation = 'The kit was busy, or no process of this server could reach the broker.'
    WHERE state = 'waiting' AND give_up_at < now() RETURNING id
    """  # noqa: S608  (as above)
)
_TIME_OUT = text(
    f"""
    UPDATE kit_commands SET state = 'failed', error = '{TIMED_OUT}', finished_at = answer_by,
        explanation = 'The kit has not answered in time. It may still carry the command out.'
    WHERE occupies_kit AND state = 'sent' AND answer_by < now() RETURNING id
    """  # noqa: S608  (as above)
)
# A kit that has not answered may still be working, for as long again; a second request would block its network
# (kit-mqtt 4.3).
_RELEASE = text(
    """
    UPDATE kit_commands SET occupies_kit = false
    WHERE occupies_kit AND state <> 'sent' AND answer_by + (answer_by - sent_at) < now()
    """
)
_RELEASE_STARTED = text(
    f"""
    WITH released AS (
        UPDATE kit_commands c SET occupies_kit = false
        FROM kits k
        WHERE k.serial = ANY(CAST(:serials AS text[]))
          AND c.kit_id = k.id AND c.occupies_kit AND c.state <> 'sent'
        RETURNING c.id
    )
    SELECT pg_notify('{COMMANDS_CHANNEL}', 'queued') FROM released
    """  # noqa: S608  (as above)
)
_RESULT_PART = text("SELECT data FROM kit_command_results WHERE command_id = :command_id AND part = :part")
_FORGET_OLD = (
    text(
        f"""
        DELETE FROM kit_command_results r USING kit_commands c
        WHERE c.id = r.command_id AND c.finished_at < now() - interval '{RESULT_KEPT_MINUTES} min'
        """  # noqa: S608  (as above)
    ),
    text("DELETE FROM kit_commands WHERE requested_at < now() - interval '1 year'"),
)
