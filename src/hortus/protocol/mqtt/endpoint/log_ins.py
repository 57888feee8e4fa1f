"""What became of attempts to log in, reported so that a person can be told why a kit does not connect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hortus.protocol.mqtt.packets import Connect, ReasonCode

# User names of kits are shorter; MQTT allows 65,535 bytes.
_LONGEST_USERNAME = 40


class Refusal(StrEnum):
    """Why a client was not let in, or was cut off by its own fault."""

    WRONG_PASSWORD = "wrong-password"  # noqa: S105  (a reason, not a password)
    NO_CLIENT_ID = "no-client-id"
    UNSUPPORTED_AUTHENTICATION = "unsupported-authentication"
    PROTOCOL_ERROR = "protocol-error"
    NOT_CHECKED = "not-checked"
    """The fault is ours: the account could not be looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """An attempt to log in under a user name, which may be that of no account. `refusal` is None if it worked.

    `username` is what the client sent, up to a length that no account has.
    """

    username: str
    address: str
    refusal: Refusal | None


OnLogIn = Callable[[LogIn], None]
"""Called for each attempt that names a user. It must not block, and is never called for a message."""


def log_in_of(connect: Connect, address: str, refusal: Refusal | None) -> LogIn | None:
    """Return the report of an attempt, or None if it names nobody who could exist."""
    username = connect.username
    if not username or len(username) > _LONGEST_USERNAME:
        return None
    return LogIn(username=username, address=address, refusal=refusal)


def refusal_by_code(code: ReasonCode) -> Refusal:
    """Return the refusal for a reason that is found before the password is checked."""
    if code is ReasonCode.CLIENT_IDENTIFIER_NOT_VALID:
        return Refusal.NO_CLIENT_ID
    if code is ReasonCode.BAD_AUTHENTICATION_METHOD:
        return Refusal.UNSUPPORTED_AUTHENTICATION
    return Refusal.PROTOCOL_ERROR
