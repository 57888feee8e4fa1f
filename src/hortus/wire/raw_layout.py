"""Decode a raw measurement in the layout in which every kit sends it, five times as fast as the library.

A kit's message always has one segment of nine words, with the objects in the same order:

    word  0        segment table: one segment of 9 words
          1        root pointer: 3 data words, 2 pointers
          2        datetime
          3        peripheral, quantity type
          4        value
          5, 6     pointers to the id (16 bytes) and to the serial (an empty text)
          7, 8     id
          9        the empty text

Packing writes for each word a tag byte, with a bit for each byte that is not zero, and then those bytes.
Words 0, 1, 5, 6 and 9 are constant and therefore are constant bytes; an id of two words with few zeros is
written as a run. Whatever deviates in a single byte is left to the library, so this is a short cut and never
a second opinion: tests hold that both agree on any bytes.
"""

from __future__ import annotations

from math import isfinite
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import Any

from hortus.wire.limits import MAXIMUM_DATETIME_MS
from hortus.wire.messages import RawMeasurement

# Words 0 and 1, then the tag of a datetime of six bytes without a zero among them (98 in 100 of them).
_HEAD = bytes.fromhex("1009 500302 3f")
# Words 5 and 6, then the tag of an id whose first word is followed by ...
_POINTERS = bytes.fromhex("110582 11090a ff")
# ... one more word as it is, and last a zero word.
_ONE_MORE_WORD = b"\x01"
_ZERO_WORD = b"\x00\x00"

_DOUBLE = Struct("<d").unpack_from
_END = Struct("<7s8sc8s2s").unpack_from
_END_BYTES = 26

# A double of few significant digits has zeros in its low bytes: tag -> number of bytes sent, zeros left out.
_HIGH_BYTES = {0xFF << (8 - sent) & 0xFF: (sent, bytes(8 - sent)) for sent in range(1, 8)}


def _slot_setters() -> tuple[Any, ...]:
    names = ("id", "datetime_ms", "peripheral", "quantity_type", "value", "kit_serial")
    return tuple(getattr(RawMeasurement, name).__set__ for name in names)


# The generated __init__ of a frozen dataclass takes 0.9 µs, nearly half of the whole; setting its slots 0.3.
_new = object.__new__
_set_id, _set_datetime_ms, _set_peripheral, _set_quantity_type, _set_value, _set_kit_serial = _slot_setters()


def decode_usual_layout(payload: bytes) -> RawMeasurement | None:
    """Return the measurement, or None if the library has to look at it (then it may be valid or not)."""
    try:
        if payload[:6] != _HEAD:
            return None
        tag = payload[12]
        if tag == 0x11:
            peripheral, quantity_type, position = payload[13], payload[14], 15
        elif tag == 0x13:
            peripheral, quantity_type, position = payload[13] | payload[14] << 8, payload[15], 16
        else:
            return None

        tag = payload[position]
        if tag == 0xFF:
            if payload[position + 9]:
                return None
            (value,) = _DOUBLE(payload, position + 1)
            position += 10
        elif tag in _HIGH_BYTES:
            sent, zeros = _HIGH_BYTES[tag]
            (value,) = _DOUBLE(zeros + payload[position + 1 : position + 1 + sent])
            position += 1 + sent
        elif tag == 0x00 and payload[position + 1] == 0:
            value = 0.0
            position += 2
        else:
            return None
    except (IndexError, StructError):  # cut off
        return None

    if len(payload) != position + _END_BYTES:
        return None
    pointers, id_start, more_words, id_end, text = _END(payload, position)
    if pointers != _POINTERS or more_words != _ONE_MORE_WORD or text != _ZERO_WORD:
        return None
    datetime_ms = int.from_bytes(payload[6:12], "little")
    if datetime_ms > MAXIMUM_DATETIME_MS or not isfinite(value):
        return None

    measurement = _new(RawMeasurement)
    _set_id(measurement, id_start + id_end)
    _set_datetime_ms(measurement, datetime_ms)
    _set_peripheral(measurement, peripheral)
    _set_quantity_type(measurement, quantity_type)
    _set_value(measurement, value)
    _set_kit_serial(measurement, "")
    return measurement
