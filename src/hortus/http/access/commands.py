"""Commands on behalf of requests: who may send which, refusals as problems, and results as responses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.responses import Response, StreamingResponse

from hortus.base.times import format_optional_time, format_time
from hortus.domain.presence.judgement import PresenceState as Presence
from hortus.domain.presence.store import read_presence
from hortus.flow.commands.command import UNFINISHED, CommandState, Method, UnsuitableCommand
from hortus.flow.commands.outcome import KIT_OFFLINE, NOT_SENT, TIMED_OUT
from hortus.flow.commands.store import (
    RESULT_PART_BYTES,
    Command,
    IsBoard,
    NobodySends,
    TooManyWaiting,
    result_part,
)
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services
from hortus.http.conventions.problems import (
    NOT_FOUND,
    OTHER,
    Problem,
    conflict,
    gone,
    invalid_parameters,
    kit_rpc,
    rate_limited,
    unavailable,
)

PERMISSION_FOR = {
    Method.VERSION: Permission.RPC_VERSION,
    Method.UPTIME: Permission.RPC_UPTIME,
    Method.PERIPHERAL_COMMAND: Permission.RPC_PERIPHERAL_COMMAND,
}

_RETRY_SECONDS = 5
_TURN_SECONDS = 10.0

_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?[a-z-]+=[A-Za-z0-9._-]+)*", re.ASCII)
# Types that a browser displays without executing anything. Everything else is served as a download.
_HARMLESS = re.compile(r"(image/(png|jpeg|gif|webp)|text/plain|application/json|(audio|video)/[a-z0-9.+-]+)\b")


@contextmanager
def refusals_as_problems() -> Iterator[None]:
    """Translate the reasons why a command is not even sent into Problems."""
    try:
        yield
    except UnsuitableCommand as error:
        reason = NOT_FOUND if error.parameter == "peripheral" else OTHER
        raise invalid_parameters({error.parameter: [reason]}, str(error)) from error
    except IsBoard as error:
        raise conflict(str(error)) from error
    except TooManyWaiting as error:
        raise rate_limited(_TURN_SECONDS, str(error)) from error
    except NobodySends as error:
        raise unavailable(str(error), _RETRY_SECONDS) from error


async def require_success(services: Services, command: Command, *, timeout_status: int = 502) -> None:
    """Raise the Problem that describes why a command failed, if it did."""
    if command.state is CommandState.CANCELLED:
        raise conflict("The command was cancelled before it was sent.")
    if command.state in UNFINISHED:
        raise conflict("The command has not finished yet.")
    if command.error is None:
        return
    if command.error == NOT_SENT:
        raise unavailable(
            "The kit was busy with another command, or could not be reached; the command was not sent.",
            _RETRY_SECONDS,
        )
    if command.error == KIT_OFFLINE:
        raise await _offline(services, command)
    status = timeout_status if command.error == TIMED_OUT else 502
    raise kit_rpc(command.error, command.explanation, status=status, commandId=command.id)


async def _offline(services: Services, command: Command) -> Problem:
    """Return the problem for a kit that is offline, including since when."""
    async with services.reading() as connection:
        judgement = await read_presence(connection, services.clock(), command.kit_id)
    since = judgement.since if judgement.state is Presence.OFFLINE else judgement.last_contact_at
    if since is None:
        detail = "The kit is offline and has never connected. Check its power, its network and its password."
    else:
        detail = f"The kit is offline; it was last online at {format_time(since)}."
    return kit_rpc(KIT_OFFLINE, detail, commandId=command.id, offlineSince=format_optional_time(since))


async def result_reply(services: Services, command: Command) -> Response:
    """Return the result of a command with the media type the kit declared, made harmless. Raises Problem."""
    if not command.has_result:
        raise gone(
            "The result is no longer available: results are kept for ten minutes. Send the command again."
        )
    headers = headers_for(command.result_media_type or "", command.result_bytes or 0)
    first = await _part(services, command.id, 0)
    if (command.result_bytes or 0) <= RESULT_PART_BYTES:
        return Response(first, headers=headers)
    return StreamingResponse(_parts(services, command.id, first), headers=headers)


def headers_for(media_type: str, size_bytes: int) -> dict[str, str]:
    """Return the response headers for bytes that came from a kit.

    The front-end compares the type exactly, so it is passed on unchanged (http-api 4.11). Nothing in it may run
    in our origin: no sniffing, no scripts, and types that could contain scripts are served as downloads.
    """
    declared = media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"
    headers = {
        "Content-Type": declared,
        "Content-Length": str(size_bytes),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }
    if not _HARMLESS.match(declared):
        headers["Content-Disposition"] = "attachment"
    return headers


async def _parts(services: Services, command_id: int, first: bytes) -> AsyncIterator[bytes]:
    """Yield the parts in order; no database connection is held while a slow reader receives one."""
    part, data = 0, first
    while data:
        yield data
        part += 1
        data = await _part(services, command_id, part)


async def _part(services: Services, command_id: int, part: int) -> bytes:
    async with services.reading() as connection:
        return await result_part(connection, command_id, part)
