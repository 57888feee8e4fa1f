"""Serials and passwords of kits (kit-mqtt 1.2). Pure except for the operating system's randomness."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

_LOWER = "bcdfghjkmnpqrtvwxy"
_SERIAL_ALPHABET = "346789" + _LOWER
_PASSWORD_ALPHABET = "346789" + _LOWER + _LOWER.upper() + "!@#$%&"
_SALT_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

_PASSWORD_LENGTH = 24
_SALT_LENGTH = 20

# A kit password has 24 random characters, about 134 bits: more iterations would not make it harder to guess,
# but would slow down every log-in at a broker on a Raspberry Pi. So the count of kit-mqtt 1.2 is kept.
_ITERATIONS = 15_000
_MOST_ITERATIONS = 1_000_000

_SERIAL = re.compile(r"[^/+#\x00]{1,20}")
_SERIAL_OF_BOARD = re.compile(r"pk-[0-9]{1,9}", re.ASCII)


def make_serial() -> str:
    """Return a new random serial, for example `k-3b4c-6d7f-8g9h`."""
    groups = ("".join(secrets.choice(_SERIAL_ALPHABET) for _ in range(4)) for _ in range(3))
    return "k-" + "-".join(groups)


def make_password() -> str:
    """Return a new random kit password of 24 characters."""
    return "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(_PASSWORD_LENGTH))


def is_serial_of_board(serial: str) -> bool:
    """Return whether this is the serial of a board, which sends over HTTP and asks for no configuration."""
    return _SERIAL_OF_BOARD.fullmatch(serial) is not None


def is_serial(text: str) -> bool:
    """Return whether `text` can be a serial: 1 to 20 characters without special meaning in a topic."""
    return _SERIAL.fullmatch(text) is not None


def hash_password(password: str) -> str:
    """Return `PBKDF2$sha256$<iterations>$<salt>$<base64 key>`, the form that brokers' plug-ins read."""
    salt = "".join(secrets.choice(_SALT_ALPHABET) for _ in range(_SALT_LENGTH))
    key = _derive("sha256", password.encode(), salt, _ITERATIONS, 32)
    return f"PBKDF2$sha256${_ITERATIONS}${salt}${base64.b64encode(key).decode()}"


def verify_password(password: bytes, encoded: str) -> bool:
    """Return whether `password` matches the encoded hash; False for any other form. Takes milliseconds."""
    parts = encoded.split("$")
    if len(parts) != 5 or parts[0] != "PBKDF2" or parts[1] not in {"sha256", "sha512"}:
        return False
    _, algorithm, iterations, salt, key_text = parts
    if not iterations.isascii() or not iterations.isdigit() or not 1 <= int(iterations) <= _MOST_ITERATIONS:
        return False
    try:
        expected = base64.b64decode(key_text, validate=True)
    except ValueError:
        return False
    if not expected:
        return False
    derived = _derive(algorithm, password, salt, int(iterations), len(expected))
    return hmac.compare_digest(derived, expected)


def _derive(algorithm: str, password: bytes, salt: str, iterations: int, length: int) -> bytes:
    # The salt is used as its characters, without decoding them.
    return hashlib.pbkdf2_hmac(algorithm, password, salt.encode(), iterations, length)
