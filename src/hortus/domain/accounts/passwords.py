"""Users' passwords: hashing and verifying them without blocking the event loop.

New hashes are argon2id. Hashes of the API that Hortus replaces (`1$<base64 salt>$<base64 key>`, http-api 2.4)
are still accepted and marked for an upgrade, so users keep their passwords when they migrate.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hortus.base.errors import OperationalError

MOST_PASSWORD_BYTES = 1024
"""Longer passwords are rejected without hashing them, which would only cost time."""

_OLD_FORM = "1"
_OLD_ITERATIONS = 15_000
_OLD_KEY_BYTES = 32

# Passwords must be checked on small computers, too. 19 MiB and two passes are the minimum that OWASP's password
# storage guide recommends for argon2id; two checks at once take less than 40 MiB.
_MEMORY_KIBIBYTES = 19 * 1024
_PASSES = 2
_LANES = 1
_AT_ONCE = 2
_MOST_UNDER_WAY = 32

_PASSWORD_ALPHABET = "346789bcdfghjkmnpqrtvwxyBCDFGHJKMNPQRTVWXY"  # noqa: S105  (no look-alikes, no vowels)
_GENERATED_LENGTH = 20

_hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIBIBYTES, parallelism=_LANES)

Result = TypeVar("Result")


class TooManyLogins(OperationalError):
    """Too many password checks are queued; another would wait too long."""

    def __init__(self) -> None:
        super().__init__("Too many people are logging in at the moment. Try again in a few seconds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a password matches, and whether its hash should be upgraded to the current form."""

    fits: bool
    needs_upgrade: bool = False


class Passwords:
    """Hashes and verifies in threads, a few at once, to spare both the event loop and memory."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way = 0

    async def hash(self, password: str) -> str:
        """Return an argon2id hash in its usual text form. Raises TooManyLogins."""
        return await self._in_thread(lambda: hash_password(password))

    async def verify(self, password: str, encoded: str | None) -> Verdict:
        """Return whether `password` matches `encoded`; None stands for an account that does not exist.

        Raises TooManyLogins.
        """
        return await self._in_thread(lambda: verify_password(password, encoded))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._under_way >= _MOST_UNDER_WAY:
            raise TooManyLogins
        self._under_way += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._under_way -= 1


def generate_password() -> str:
    """Return a new random password of 20 characters that are easy to tell apart, over 100 bits."""
    return "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(_GENERATED_LENGTH))


def hash_password(password: str) -> str:
    """Return an argon2id hash in its usual text form. Takes tens of milliseconds."""
    return _hasher.hash(_bytes_of(password))


def verify_password(password: str, encoded: str | None) -> Verdict:
    """Return whether `password` matches `encoded`. Takes tens of milliseconds.

    Both forms are always computed, against a dummy hash where there is no real one, so that the time taken
    reveals neither whether an account exists nor which form its hash has.
    """
    if len(_bytes_of(password)) > MOST_PASSWORD_BYTES:
        return Verdict(fits=False)
    old = _verify_old(password, encoded)
    new = _verify_argon2(password, encoded)
    if old:
        return Verdict(fits=True, needs_upgrade=True)
    return Verdict(fits=new, needs_upgrade=new and encoded is not None and _hasher.check_needs_rehash(encoded))


def _verify_argon2(password: str, encoded: str | None) -> bool:
    real = encoded is not None and encoded.startswith("$argon2")
    try:
        _hasher.verify(encoded if real and encoded else _NOBODYS_HASH, _bytes_of(password))
    except (VerificationError, InvalidHashError):
        return False
    return real


def _verify_old(password: str, encoded: str | None) -> bool:
    parsed = _parse_old(encoded)
    salt, key = parsed or (bytes(16), bytes(_OLD_KEY_BYTES))
    derived = hashlib.pbkdf2_hmac("sha256", _bytes_of(password), salt, _OLD_ITERATIONS, _OLD_KEY_BYTES)
    return hmac.compare_digest(derived, key) and parsed is not None


def _parse_old(encoded: str | None) -> tuple[bytes, bytes] | None:
    """Return the salt and key of a hash in the old form, or None if it has another form."""
    form, _, rest = (encoded or "").partition("$")
    salt_text, _, key_text = rest.partition("$")
    if form != _OLD_FORM:
        return None
    try:
        salt, key = base64.b64decode(salt_text, validate=True), base64.b64decode(key_text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return (salt, key) if salt and len(key) == _OLD_KEY_BYTES else None


def _bytes_of(password: str) -> bytes:
    # A lone surrogate cannot be typed, but a hostile JSON document can hold one; it is not an error here.
    return password.encode("utf-8", "surrogatepass")


_NOBODYS_HASH = hash_password(secrets.token_urlsafe(32))
