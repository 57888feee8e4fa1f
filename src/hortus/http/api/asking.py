"""Sending a command to a kit and waiting until it has ended."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

from fastapi import Request

from hortus.flow.commands.command import UNFINISHED, CommandState, Question
from hortus.flow.commands.store import (
    Command,
    cancel,
    enqueue,
    find_command,
)
from hortus.http.access.caller import Caller
from hortus.http.access.commands import PERMISSION_FOR, refusals_as_problems
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.services import Services
from hortus.http.conventions.problems import (
    Problem,
)
from hortus.http.server.database_access import DatabaseNotAnswering

_PATIENCE_SECONDS = 20
"""How long a command waits in the queue while a caller waits for it; after that the kit has its 30 s."""

_LOOK_SECONDS = 1.0
_LONGEST_SECONDS = 90.0


async def ask_and_wait(
    request: Request, services: Services, caller: Caller, serial: str, question: Question
) -> Command:
    """Send a command to a kit and return it once it has finished. Raises Problem.

    If the caller disconnects while the command is still queued, the command is cancelled.
    """
    with refusals_as_problems(), ExitStack() as stack:
        async with services.writing() as connection:
            access = await access_to_kit(connection, caller, serial)
            access.require(PERMISSION_FOR[question.method])
            command_id = await enqueue(
                connection,
                kit_id=access.kit_id,
                user_id=caller.require_user(),
                question=question,
                patience_seconds=_PATIENCE_SECONDS,
            )
            ended = stack.enter_context(services.parts.command_watch.waiting_for(command_id))
        return await _ended(request, services, access.kit_id, command_id, ended)


async def _ended(
    request: Request, services: Services, kit_id: int, command_id: int, ended: asyncio.Event
) -> Command:
    give_up_at = time.monotonic() + _LONGEST_SECONDS
    while True:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await ended.wait()
        except TimeoutError:
            pass
        ended.clear()
        try:
            async with services.reading() as connection:
                command = await find_command(connection, kit_id, command_id)
                if command is None:  # the kit was deleted in the meantime
                    raise Problem(404)
                if command.state not in UNFINISHED:
                    return command
                if command.state is CommandState.WAITING and await request.is_disconnected():
                    await cancel(connection, command_id)
        except DatabaseNotAnswering:
            # The kit may still carry the command out, and the database may be back before it has.
            if time.monotonic() > give_up_at:
                raise
