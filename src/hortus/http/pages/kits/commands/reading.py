"""What the page of commands reads: devices that take commands, the kit's presence, and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.presence.judgement import Judgement
from hortus.domain.presence.store import read_presence
from hortus.flow.commands.command import UNFINISHED, CommandState
from hortus.flow.commands.store import Command, list_commands
from hortus.flow.commands.suitability import CommandablePeripheral, commandable_peripherals
from hortus.http.pages.kits.commands.words import Outcome, outcome_of, question_text, result_text
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.times import clock_text

PAGE_SIZE = 25

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCommand:
    """A row of the ledger. `result` is text, or `picture` or `file` if the kit sent one that is still kept."""

    command: Command
    asked: str
    outcome: Outcome
    result: str
    is_picture: bool
    is_file: bool
    is_gone: bool

    @property
    def is_waiting(self) -> bool:
        """Whether it can be taken back."""
        return self.command.state is CommandState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A page of the ledger, and what is under way."""

    rows: Sequence[ShownCommand]
    older_than: int | None
    is_busy: bool
    busy_devices: Sequence[str]

    def occupies(self, device: str) -> bool:
        """Whether a command to this device is under way."""
        return device in self.busy_devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What commands can be sent to."""

    devices: Sequence[CommandablePeripheral]
    presence: Judgement
    somebody_sends: bool
    is_board: bool


async def read_desk(connection: AsyncConnection, kit: OpenedKit, now: datetime) -> Desk:
    """Return the devices that take commands, and whether anything can be sent now."""
    known = (await connection.execute(_SENDING, {"kit_id": kit.id})).one()
    return Desk(
        devices=await commandable_peripherals(connection, kit.id),
        presence=await read_presence(connection, now, kit.id),
        somebody_sends=known.somebody_sends,
        is_board=known.is_board,
    )


async def read_ledger(
    connection: AsyncConnection, kit: OpenedKit, now: datetime, *, before: int | None
) -> Ledger:
    """Return a page of the kit's commands, the newest first."""
    found = await list_commands(connection, kit.id, before=before, most=PAGE_SIZE + 1)
    schemas = {each.name: each.command_schema for each in await commandable_peripherals(connection, kit.id)}
    page = found[:PAGE_SIZE]
    # Only the newest can be unfinished, so these are on the first page.
    unfinished = [command.id for command in found if command.state in UNFINISHED]
    rows = [
        _shown(command, schemas, sum(each < command.id for each in unfinished), kit.zone, now)
        for command in page
    ]
    return Ledger(
        rows=rows,
        older_than=page[-1].id if len(found) > PAGE_SIZE else None,
        is_busy=bool(unfinished),
        busy_devices=sorted({each.question.peripheral or "" for each in found if each.state in UNFINISHED}),
    )


def _shown(
    command: Command, schemas: Mapping[str, Any], before: int, zone: tzinfo, now: datetime
) -> ShownCommand:
    clock = partial(_clock, zone=zone, now=now)
    has_succeeded = command.state is CommandState.SUCCEEDED
    is_binary = has_succeeded and command.result_text is None and bool(command.result_bytes)
    is_picture = command.has_result and is_binary and command.result_media_type in _PICTURES
    return ShownCommand(
        command=command,
        asked=question_text(command, schemas.get(command.question.peripheral or "")),
        outcome=outcome_of(command, before, clock),
        result=result_text(command),
        is_picture=is_picture,
        is_file=command.has_result and is_binary and not is_picture,
        is_gone=is_binary and not command.has_result,
    )


def _clock(moment: datetime | None, *, zone: tzinfo, now: datetime) -> str:
    return "" if moment is None else clock_text(moment, zone, now, seconds=True)


# The same limit as that of sending (hortus.flow.commands.store).
_SENDING = text(
    """
    SELECT EXISTS (SELECT FROM boards WHERE kit_id = :kit_id) AS is_board,
        EXISTS (SELECT FROM kit_command_sending WHERE sending_until > now() - interval '15 s')
            AS somebody_sends
    """
)
