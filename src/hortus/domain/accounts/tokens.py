"""Signed tokens: what clients send instead of a password (http-api 2.2).

    refresh         365 days   obtains access tokens; invalid once its row in `refresh_tokens` is deleted
    access          15 minutes authenticates every request; short-lived because it cannot be revoked
    live            15 minutes opens the live feed in a browser; invalid once the log-in's row is deleted
    session         24 hours   an access token that can be revoked: it ends with its row in `refresh_tokens`
    password reset  30 minutes sets a password once: it is bound to the password that it replaces (3 days if an
                               administrator hands it to a person)
    device          365 days   says that a device logged in with a name before; logs nobody in
    archive         30 seconds downloads one archive: part of the link that a browser follows

All are JSON Web Tokens signed with HS256 and the installation's key, accepted until 60 s after they expire.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import jwt

from hortus.base.errors import UsageError

ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=365)
LIVE_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(hours=24)
"""For PlantKeeper's clients, which do not support refresh tokens (plantkeeper 4.5)."""

PASSWORD_RESET_LIFETIME = timedelta(minutes=30)
PASSWORD_LINK_LIFETIME = timedelta(days=3)
"""For links that administrators hand to people, who may be asleep."""

ARCHIVE_LIFETIME = timedelta(seconds=30)
DEVICE_LIFETIME = timedelta(days=365)
LEEWAY = timedelta(seconds=60)

LEAST_KEY_BYTES = 32
"""A shorter key could be brute-forced offline from a single token."""

_ALGORITHM = "HS256"
_LARGEST_ID = 2**31 - 1
# A longer text cannot be one of our tokens; parsing it would only cost time.
_MOST_CHARACTERS = 2000
_MOST_REMEMBERED = 4096


class TokenKind(StrEnum):
    """The purpose of a token; one kind is never accepted for another."""

    REFRESH = "Refresh"
    ACCESS = "Access"
    LIVE = "Live"
    SESSION = "Session"
    PASSWORD_RESET = "PasswordReset"  # noqa: S105  (a kind, not a password)
    ARCHIVE = "Archive"
    DEVICE = "Device"


class TokenFault(StrEnum):
    """Why a token is not accepted, by the names of http-api 1.7."""

    EXPIRED = "expired"
    MALFORMED = "malformed"


class InvalidToken(UsageError):
    """The token is malformed, expired or revoked."""

    def __init__(self, fault: TokenFault) -> None:
        super().__init__(
            "The token has expired or was revoked." if fault is TokenFault.EXPIRED else "This is not a token."
        )
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """The user of an access token, and until when it is accepted."""

    user_id: int
    accepted_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """The user and log-in that a refresh, session or live token belongs to."""

    user_id: int
    token_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordResetClaims:
    """The user whose password may be replaced, as long as it still has this stamp."""

    user_id: int
    password_stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClaims:
    """A device that logged in with this name."""

    username: str
    token_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveClaims:
    """The kit whose archive may be downloaded, and the user who requested it: None without a log-in.

    The token is rejected after `expires_at`, so records of its use can be dropped then.
    """

    kit_serial: str
    user_id: int | None
    token_id: UUID
    expires_at: datetime


class Tokens:
    """Signs and verifies tokens. `key` must be the same in all processes of an installation."""

    def __init__(self, key: bytes, clock: Callable[[], datetime]) -> None:
        if len(key) < LEAST_KEY_BYTES:
            raise UsageError(
                f"The key that signs tokens has {len(key)} bytes and needs at least {LEAST_KEY_BYTES}. "
                "Restore it from a backup, or write that many random bytes into its file: then everybody "
                "logs in again, waiting messages are lost, and people add their notification services anew."
            )
        self._key = key
        self._clock = clock
        # Claims of access tokens with a valid signature, by token hash: each token comes with many requests.
        self._verified: OrderedDict[bytes, Mapping[str, Any]] = OrderedDict()

    def access(self, user_id: int) -> str:
        """Return an access token."""
        return self._sign(TokenKind.ACCESS, ACCESS_LIFETIME, {"user_id": user_id})

    def refresh(self, user_id: int, token_id: UUID) -> str:
        """Return a token that obtains access tokens for as long as its row exists."""
        return self._sign(TokenKind.REFRESH, REFRESH_LIFETIME, {"user_id": user_id, "token_id": str(token_id)})

    def live(self, user_id: int, token_id: UUID) -> str:
        """Return a token that opens the live feed, for as long as the row of this log-in exists."""
        return self._sign(TokenKind.LIVE, LIVE_LIFETIME, {"user_id": user_id, "token_id": str(token_id)})

    def session(self, user_id: int, token_id: UUID, claims: Mapping[str, object]) -> str:
        """Return an access token that is valid while its row exists. Clients may read `claims` in it."""
        state = {"user_id": user_id, "token_id": str(token_id)}
        return self._sign(TokenKind.SESSION, SESSION_LIFETIME, state, claims)

    def password_reset(
        self, user_id: int, password_stamp: str, lifetime: timedelta = PASSWORD_RESET_LIFETIME
    ) -> str:
        """Return a token whose holder may replace the password with this stamp."""
        state = {"user_id": user_id, "password_stamp": password_stamp}
        return self._sign(TokenKind.PASSWORD_RESET, lifetime, state)

    def archive(self, kit_serial: str, user_id: int | None, token_id: UUID) -> str:
        """Return a token for a single download of the kit's archive."""
        state = {"kit_serial": kit_serial, "user_id": user_id, "token_id": str(token_id)}
        return self._sign(TokenKind.ARCHIVE, ARCHIVE_LIFETIME, state)

    def device(self, username: str, token_id: UUID) -> str:
        """Return a token for a device that has logged in with this name, which is in lower case."""
        return self._sign(TokenKind.DEVICE, DEVICE_LIFETIME, {"username": username, "token_id": str(token_id)})

    def read_access(self, token: str) -> int:
        """Return the user's id. Raises InvalidToken."""
        return self.read_access_claims(token).user_id

    def read_access_claims(self, token: str) -> AccessClaims:
        """Return the claims of an access token. Raises InvalidToken."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._verified[digest] = self._verify(token)
            if len(self._verified) > _MOST_REMEMBERED:
                self._verified.popitem(last=False)
        user_id = _user_id(self._state(claims, TokenKind.ACCESS))
        now = self._clock()
        seconds = claims["exp"] + LEEWAY.total_seconds() - now.timestamp()
        return AccessClaims(user_id=user_id, accepted_until=now + timedelta(seconds=seconds))

    def read_refresh(self, token: str) -> RefreshClaims:
        """Return the claims of a refresh token, without checking for revocation. Raises InvalidToken."""
        return self._log_in_claims(token, TokenKind.REFRESH)

    def read_live(self, token: str) -> RefreshClaims:
        """Return the claims of a live token, without checking for revocation. Raises InvalidToken."""
        return self._log_in_claims(token, TokenKind.LIVE)

    def read_session(self, token: str) -> RefreshClaims:
        """Return the claims of a session token, without checking for revocation. Raises InvalidToken."""
        return self._log_in_claims(token, TokenKind.SESSION)

    def read_password_reset(self, token: str) -> PasswordResetClaims:
        """Return the claims of a password reset token. Raises InvalidToken."""
        state = self._read(token, TokenKind.PASSWORD_RESET)
        return PasswordResetClaims(user_id=_user_id(state), password_stamp=str(state.get("password_stamp")))

    def read_device(self, token: str) -> DeviceClaims:
        """Return the claims of a device token. Raises InvalidToken."""
        state = self._read(token, TokenKind.DEVICE)
        return DeviceClaims(username=str(state.get("username")), token_id=_token_id(state))

    def read_archive(self, token: str) -> ArchiveClaims:
        """Return the claims of an archive token, without checking for earlier use. Raises InvalidToken."""
        state = self._read(token, TokenKind.ARCHIVE)
        return ArchiveClaims(
            kit_serial=str(state.get("kit_serial")),
            user_id=None if state.get("user_id") is None else _user_id(state),
            token_id=_token_id(state),
            # At the latest: the token was signed before now.
            expires_at=self._clock() + ARCHIVE_LIFETIME + LEEWAY,
        )

    def _sign(
        self,
        kind: TokenKind,
        lifetime: timedelta,
        state: Mapping[str, object],
        more_claims: Mapping[str, object] | None = None,
    ) -> str:
        expires_at = int((self._clock() + lifetime).timestamp())
        claims = {**(more_claims or {}), "exp": expires_at, "token_type": kind.value, "state": dict(state)}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def _log_in_claims(self, token: str, kind: TokenKind) -> RefreshClaims:
        state = self._read(token, kind)
        return RefreshClaims(user_id=_user_id(state), token_id=_token_id(state))

    def _read(self, token: str, kind: TokenKind) -> Mapping[str, Any]:
        return self._state(self._verify(token), kind)

    def _verify(self, token: str) -> Mapping[str, Any]:
        if len(token) > _MOST_CHARACTERS:
            raise InvalidToken(TokenFault.MALFORMED)
        # Expiry is checked against our clock, not the library's.
        options: jwt.types.Options = {"verify_exp": False, "require": ["exp"]}
        try:
            claims: Mapping[str, Any] = jwt.decode(token, self._key, algorithms=[_ALGORITHM], options=options)
        except (jwt.InvalidTokenError, ValueError) as error:
            raise InvalidToken(TokenFault.MALFORMED) from error
        return claims

    def _state(self, claims: Mapping[str, Any], kind: TokenKind) -> Mapping[str, Any]:
        expires_at, state = claims["exp"], claims.get("state")
        if claims.get("token_type") != kind or not isinstance(expires_at, int) or not isinstance(state, dict):
            raise InvalidToken(TokenFault.MALFORMED)
        if expires_at + LEEWAY.total_seconds() < self._clock().timestamp():
            raise InvalidToken(TokenFault.EXPIRED)
        return state


def _user_id(state: Mapping[str, Any]) -> int:
    user_id = state.get("user_id")
    if not isinstance(user_id, int) or not 0 < user_id <= _LARGEST_ID:
        raise InvalidToken(TokenFault.MALFORMED)
    return user_id


def _token_id(state: Mapping[str, Any]) -> UUID:
    try:
        return UUID(str(state.get("token_id")))
    except ValueError as error:
        raise InvalidToken(TokenFault.MALFORMED) from error
