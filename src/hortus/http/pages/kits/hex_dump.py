"""Bytes for people to look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator

_PER_LINE = 16


def hex_lines(content: bytes) -> Iterator[str]:
    """Yield lines of 16 bytes: where they stand, the bytes in hexadecimal, and those that are ASCII."""
    for start in range(0, len(content), _PER_LINE):
        part = content[start : start + _PER_LINE]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        yield f"{start:06x}  {part.hex(' '):<{3 * _PER_LINE - 1}}  {text}"
