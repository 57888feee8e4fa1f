"""Inserts the serial into a raw measurement from a kit, and removes it again, without decoding twice.

A kit leaves `kitSerial` empty; the value of a Kafka record contains it (kit-mqtt 7). In the layout that every
kit produces (see hortus.protocol.wire.raw_layout) and for a serial of 16 characters, which all kits have, the
two messages differ only in constant bytes:

    word  0       the segment has 9 words        -> 11
          6       pointer to a text of 1 byte    -> of 17 bytes
          8       ends a run of 1 further word   -> of 3, the serial being the other two
          9, ...  the empty text                 -> the serial, then the word that ends the text

Any other layout is left to the codec; tests check that both agree on any reading. Splicing takes 1 µs, compared
to 7 µs for encoding with the library and 16 µs for decoding.
"""

from __future__ import annotations

from hortus.protocol.wire.messages import RawMeasurement
from hortus.protocol.wire.raw_layout import decode_usual_layout

_SERIAL_BYTES = 16

_SHORT_SEGMENT = b"\x10\x09"
_LONG_SEGMENT = b"\x10\x0b"
_SHORT_POINTERS = bytes.fromhex("110582 11090a ff")
_LONG_POINTERS = bytes.fromhex("110582 11098a ff")
_ONE_MORE_WORD = b"\x01"
_THREE_MORE_WORDS = b"\x03"
_ZERO_WORD = b"\x00\x00"

# Pointers (7), first word of the id (8), run (1), second word (8), [serial (16),] last word of the text (2).
_SHORT_END = 26
_LONG_END = _SHORT_END + _SERIAL_BYTES


def put_serial(payload: bytes, serial: bytes) -> bytes | None:
    """Return a kit's reading with the serial inserted, or None if the codec has to handle it."""
    if len(serial) != _SERIAL_BYTES or 0 in serial or decode_usual_layout(payload) is None:
        return None
    end = len(payload) - _SHORT_END
    return b"".join(
        (
            _LONG_SEGMENT,
            payload[2:end],
            _LONG_POINTERS,
            payload[end + 7 : end + 15],
            _THREE_MORE_WORDS,
            payload[end + 16 : end + 24],
            serial,
            _ZERO_WORD,
        )
    )


def take_serial(value: bytes) -> tuple[bytes, bytes, RawMeasurement] | None:
    """Return the serial, the kit's message and its reading, or None if the codec has to handle it."""
    end = len(value) - _LONG_END
    if end < 0 or value[:2] != _LONG_SEGMENT or value[end : end + 7] != _LONG_POINTERS:
        return None
    serial = value[-2 - _SERIAL_BYTES : -2]
    if value[end + 15 : end + 16] != _THREE_MORE_WORDS or 0 in serial or value[-2:] != _ZERO_WORD:
        return None
    payload = b"".join(
        (
            _SHORT_SEGMENT,
            value[2:end],
            _SHORT_POINTERS,
            value[end + 7 : end + 15],
            _ONE_MORE_WORD,
            value[end + 16 : end + 24],
            _ZERO_WORD,
        )
    )
    # The offsets used above are only valid if the whole message has the usual layout.
    reading = decode_usual_layout(payload)
    return None if reading is None else (serial, payload, reading)
