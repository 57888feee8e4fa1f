"""What a person enters on a kit: as lines, as the file that kits read, and as a QR code. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import segno

from hortus.http.access.doors import Door

_PASSWORD = re.compile(r"[!-~]{1,100}")
_QUIET_ZONE = 4
"""Modules of white around a code, without which readers do not find it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A kit's account, with its password in plain text: to be shown once."""

    serial: str
    password: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QrCode:
    """A code as an SVG path in a square of `size` modules."""

    size: int
    path: str


def sealed_text(credentials: Sequence[Credentials]) -> str:
    """Return the text to encrypt and show once."""
    return json.dumps([asdict(each) for each in credentials])


def from_sealed_text(text: str) -> Sequence[Credentials]:
    """Return what `sealed_text` was made from."""
    return [Credentials(**each) for each in json.loads(text)]


def is_password(text: str) -> bool:
    """Return whether this looks like the password of a kit: printable, and in no need of quoting."""
    return _PASSWORD.fullmatch(text) is not None and '"' not in text and "\\" not in text


def configuration_file(credentials: Credentials, host: str, door: Door | None) -> str:
    """Return the file that an AstroPlant kit reads (kit-mqtt 11)."""
    port = door.port if door is not None else 1883
    return (
        "[message_broker]\n"
        f'host = "{host}"\n'
        f"port = {port}\n"
        "\n"
        "[message_broker.auth]\n"
        f'serial = "{credentials.serial}"\n'
        f'secret = "{credentials.password}"\n'
        "\n"
        "[debug]\n"
        'level = "INFO"\n'
    )


def lines_to_enter(credentials: Credentials, host: str, door: Door | None) -> str:
    """Return the same for people and for QR codes: one value a line."""
    port = door.port if door is not None else 1883
    return f"{host}:{port}\n{credentials.serial}\n{credentials.password}"


def qr_code(text: str) -> QrCode:
    """Return a text as a QR code."""
    rows = list(segno.make(text, error="m", micro=False).matrix)
    parts = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            width = 0
            while x + width < len(row) and row[x + width]:
                width += 1
            if width:
                parts.append(f"M{x + _QUIET_ZONE} {y + _QUIET_ZONE}h{width}v1h-{width}z")
            x += width or 1
    return QrCode(size=len(rows) + 2 * _QUIET_ZONE, path="".join(parts))
