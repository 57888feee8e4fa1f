"""A mail as it is sent (RFC 5322), from values that anyone may have typed. Pure, standard library only.

Written out here, since Python's EmailMessage decodes what looks like an encoded word (RFC 2047) when a header
is set: `=?utf-8?q?a=0D=0ABcc:…?=` as the name of a plant then becomes a line break and a header, in some
versions of Python. Here, such a text is a text: it is encoded itself, so that readers see it as it was typed.
"""

from __future__ import annotations

import quopri
from collections.abc import Iterable
from email.header import Header

_HEADER_CHARACTERS = 76
# Between a header's name and its value.
_GAP = 2


def mail_text(headers: Iterable[tuple[str, str]], body: str) -> bytes:
    """Return a mail of encoded headers (see below) and a plain text as its only body."""
    lines = [
        *(f"{name}: {value}" for name, value in headers),
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
    ]
    head = "\r\n".join(lines).encode("ascii")
    content = quopri.encodestring(_unix_lines(body).encode("utf-8", "replace"))
    return head + b"\r\n\r\n" + content.replace(b"\n", b"\r\n")


def text_header(name: str, text: str) -> tuple[str, str]:
    """Return a header with a text of one line, such as a subject."""
    if _is_plain(text):
        return name, text
    return name, _encoded(text, len(name) + _GAP)


def address_header(name: str, address: str, display_name: str = "") -> tuple[str, str]:
    """Return a header with one address, which has to be valid and in ASCII."""
    if not display_name:
        return name, address
    if _is_plain(display_name):
        quoted = display_name.replace("\\", r"\\").replace('"', r"\"")
        return name, f'"{quoted}" <{address}>'
    return name, f"{_encoded(display_name, len(name) + _GAP)} <{address}>"


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_plain(text: str) -> bool:
    """Return whether a text means itself in a header: printable ASCII, and nothing like an encoded word."""
    return text.isascii() and text.isprintable() and "=?" not in text and len(text) <= 900


def _encoded(text: str, used_characters: int) -> str:
    # Each encoded word has at most 75 characters; further ones are on lines of their own.
    header = Header(
        text, "utf-8", header_name="x" * max(0, used_characters - _GAP), maxlinelen=_HEADER_CHARACTERS
    )
    return header.encode(linesep="\r\n")
