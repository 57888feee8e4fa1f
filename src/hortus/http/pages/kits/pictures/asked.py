"""A picture that somebody asked a camera for: how far that is, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.language.translation import gettext, gettext_noop
from hortus.flow.commands.command import UNFINISHED, CommandState, Method
from hortus.flow.commands.outcome import KIT_OFFLINE, NOT_SENT, TIMED_OUT
from hortus.flow.commands.store import Command, find_command
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.times import clock_text

SHOWN_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Types that a browser shows without running anything."""

_FAILURES = {
    KIT_OFFLINE: gettext_noop("The kit is offline, so it was not asked. Check its power and its network."),
    NOT_SENT: gettext_noop(
        "The kit was busy with another command, or this server could not reach it. The kit was not asked."
    ),
    TIMED_OUT: gettext_noop("The kit did not answer in time. It may still have taken the picture."),
}


# What the cameras of the built-in definitions can be told.
_WORDS = {
    "art": gettext_noop("Abstract shapes"),
    "uniform": gettext_noop("Noise"),
    "regular": gettext_noop("Regular, in white light"),
    "uncontrolled": gettext_noop("In the light there is"),
    "nir": gettext_noop("Near-infrared"),
    "ndvi": gettext_noop("NDVI, how green it is"),
}


def picture_word(command: str) -> str:
    """Return the kind of picture that a command takes; words of other definitions are shown as they are."""
    return gettext(_WORDS[command]) if command in _WORDS else command


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a command is. `sign` is one of the components' signs."""

    is_over: bool
    has_picture: bool
    sign: str
    sentence: str


async def asked_command(connection: AsyncConnection, kit: OpenedKit, number: str) -> Command | None:
    """Return the command of the address, for people who may send commands; None if there is no such one."""
    if not kit.may(Permission.RPC_PERIPHERAL_COMMAND):
        return None
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    command = await find_command(connection, kit.id, int(number))
    return command if command and command.question.method is Method.PERIPHERAL_COMMAND else None


def progress_of(command: Command, now: datetime, zone: tzinfo) -> Progress:
    """Return how far a command is, in words that claim no more than is known."""
    if command.state is CommandState.WAITING:
        sentence = gettext("Waiting for its turn: a kit does one thing at a time.")
        return Progress(is_over=False, has_picture=False, sign="waiting", sentence=sentence)
    if command.state in UNFINISHED:
        asked = clock_text(command.sent_at or command.requested_at, zone, now, seconds=True)
        sentence = gettext("Asked %(time)s. It takes up to 30 s.", time=asked)
        return Progress(is_over=False, has_picture=False, sign="waiting", sentence=sentence)
    if command.state is CommandState.CANCELLED:
        sentence = gettext("The command was cancelled before it was sent.")
        return Progress(is_over=True, has_picture=False, sign="paused", sentence=sentence)
    if command.error is not None:
        return Progress(is_over=True, has_picture=False, sign="failed", sentence=_failure(command))
    return _answered(command, now, zone)


def _answered(command: Command, now: datetime, zone: tzinfo) -> Progress:
    at = clock_text(command.finished_at or command.requested_at, zone, now, seconds=True)
    is_picture = (command.result_media_type or "").partition(";")[0] in SHOWN_TYPES
    if is_picture and command.has_result:
        sentence = gettext("Taken %(time)s. This picture is kept for ten minutes.", time=at)
        return Progress(is_over=True, has_picture=True, sign="good", sentence=sentence)
    if is_picture:
        sentence = gettext("Taken %(time)s. Its ten minutes are over.", time=at)
    elif command.result_text:
        sentence = gettext("The kit answered %(time)s: %(text)s", time=at, text=command.result_text[:200])
    else:
        sentence = gettext("The kit answered %(time)s, without a picture.", time=at)
    return Progress(is_over=True, has_picture=False, sign="none", sentence=sentence)


def _failure(command: Command) -> str:
    if command.error in _FAILURES:
        return gettext(_FAILURES[command.error])
    return command.explanation or gettext("The kit could not take the picture.")
