"""Password hashes for Mosquitto's dynamic-security plugin. Pure except for the random salt.

The plugin supports PBKDF2 with HMAC-SHA-512, a salt of exactly 12 bytes and a key of 64 bytes (observed with
Mosquitto 2.0.11: an account with a salt of another length cannot log in). The kits' own hash has another form,
so a kit has both.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

from hortus.base.errors import UsageError

_SCHEME = "pbkdf2-sha512"
_SALT_BYTES = 12
_KEY_BYTES = 64
_MOST_ITERATIONS = 1_000_000

# The plugin's own count for passwords that it receives in plain text. A kit's password is random and has about
# 134 bits, which no iteration count makes harder to guess; but the broker verifies in its only thread, and
# thousands of kits reconnect at once after a power cut.
KIT_ITERATIONS = 101

# Service accounts are few and their passwords may be chosen by people: a few milliseconds per log-in.
SERVICE_ITERATIONS = 10_000


class BrokerVerifierError(UsageError):
    """A stored broker password is malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerVerifier:
    """The derived key of a password, as the dynamic-security plugin stores it."""

    iterations: int
    salt: bytes = field(repr=False)
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{_SCHEME}${self.iterations}${_encode(self.salt)}${_encode(self.key)}"

    def document_fields(self) -> dict[str, str | int]:
        """Return the fields of a client in dynamic-security.json."""
        return {"password": _encode(self.key), "salt": _encode(self.salt), "iterations": self.iterations}


def broker_verifier(password: str, iterations: int = KIT_ITERATIONS) -> str:
    """Return `pbkdf2-sha512$<iterations>$<base64 salt>$<base64 key>`, for the column `kits.broker_password`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, _KEY_BYTES)
    return str(BrokerVerifier(iterations=iterations, salt=salt, key=key))


def parse_verifier(text: str) -> BrokerVerifier:
    """Parse the value of `kits.broker_password`. Raises BrokerVerifierError if it is malformed."""
    scheme, _, rest = text.partition("$")
    iterations, _, rest = rest.partition("$")
    salt_text, _, key_text = rest.partition("$")
    try:
        verifier = BrokerVerifier(
            iterations=int(iterations),
            salt=base64.b64decode(salt_text, validate=True),
            key=base64.b64decode(key_text, validate=True),
        )
    except ValueError as error:
        raise BrokerVerifierError(_UNREADABLE) from error
    sizes_fit = len(verifier.salt) == _SALT_BYTES and len(verifier.key) == _KEY_BYTES
    if scheme != _SCHEME or not sizes_fit or not 1 <= verifier.iterations <= _MOST_ITERATIONS:
        raise BrokerVerifierError(_UNREADABLE)
    return verifier


_UNREADABLE = "A stored broker password is not in the form that Mosquitto reads; give the kit a new password."


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
