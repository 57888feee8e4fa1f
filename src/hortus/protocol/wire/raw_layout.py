"""Decode a raw measurement in the layout that every kit uses, faster than the library.

A kit's message always has one segment of nine words, with the objects in the same order:

    word  0        segment table: one segment of 9 words
          1        root pointer: 3 data words, 2 pointers
          2        datetime
          3        peripheral, quantity type
          4        value
          5, 6     pointers to the id (16 bytes) and to the serial (an empty text)
          7, 8     id
          9        the empty text

Packing writes for each word a tag byte, with a bit for each nonzero byte, and then those bytes. Words 0, 1, 5,
6 and 9 are constant and therefore are constant bytes; an id of two words with few zeros is written as a run.
Nineteen readings in twenty have no zero where any byte may stand, so all their bytes are in known places: the
first shortcut. The second unpacks the words and checks those. Any message that deviates from the layout in a
single byte is left to the library, so these are shortcuts that must always agree with it: tests check that all
agree on any bytes.
"""

from __future__ import annotations

from math import isfinite
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import Any

from hortus.protocol.wire.limits import MAXIMUM_DATETIME_MS
from hortus.protocol.wire.messages import RawMeasurement

_TABLE_AND_ROOT = bytes.fromhex("1009 500302")  # words 0 and 1
# And then the tag of a datetime of six bytes without a zero among them (98 in 100 of them).
_HEAD = _TABLE_AND_ROOT + b"\x3f"
# Words 5 and 6, then the tag of an id whose first word is followed by ...
_POINTERS = bytes.fromhex("110582 11090a ff")
# ... one more literal word, and last a zero word.
_ONE_MORE_WORD = b"\x01"
_ZERO_WORD = b"\x00\x00"

_DOUBLE = Struct("<d").unpack_from
_END = Struct("<7s8sc8s2s").unpack_from
_END_BYTES = 26

# A double of few significant digits has zeros in its low bytes: tag -> number of bytes sent, zeros omitted.
_HIGH_BYTES = {0xFF << (8 - sent) & 0xFF: (sent, bytes(8 - sent)) for sent in range(1, 8)}

# The words by content: 0 and 1, datetime, peripheral and quantity type, value, 5 and 6, id, 9.
_WORDS = Struct("<16s Q ii d 16s 16s 8s")
_HEAD_WORDS = bytes.fromhex("00000000 09000000 00000000 03000200")
_POINTER_WORDS = bytes.fromhex("05000000 82000000 09000000 0a000000")
_EMPTY_TEXT = bytes(8)
# Ten words, if packing gains nothing: each with a tag and the length of a run.
_LONGEST_BYTES = 100
# Tag -> the positions within a word of the bytes that are sent.
_PLACES = [tuple(place for place in range(8) if tag >> place & 1) for tag in range(256)]


def _slot_setters() -> tuple[Any, ...]:
    names = ("id", "datetime_ms", "peripheral", "quantity_type", "value", "kit_serial")
    return tuple(getattr(RawMeasurement, name).__set__ for name in names)


# The generated __init__ of a frozen dataclass takes 0.9 µs, nearly half of the total; setting its slots 0.3.
_new = object.__new__
_set_id, _set_datetime_ms, _set_peripheral, _set_quantity_type, _set_value, _set_kit_serial = _slot_setters()


def decode_usual_layout(payload: bytes) -> RawMeasurement | None:
    """Return the measurement, or None if the next decoder has to try (the message may be valid or not)."""
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
    except (IndexError, StructError):  # truncated
        return None

    if len(payload) != position + _END_BYTES:
        return None
    pointers, id_start, more_words, id_end, text = _END(payload, position)
    if pointers != _POINTERS or more_words != _ONE_MORE_WORD or text != _ZERO_WORD:
        return None
    return _checked(
        id_start + id_end, int.from_bytes(payload[6:12], "little"), peripheral, quantity_type, value
    )


def decode_usual_words(payload: bytes) -> RawMeasurement | None:
    """Return the measurement, with zeros in any position, or None if the library has to try."""
    # A message with further content, such as a serial, has another segment table: unpacking it here is
    # pointless.
    if payload[: len(_TABLE_AND_ROOT)] != _TABLE_AND_ROOT or len(payload) > _LONGEST_BYTES:
        return None
    try:
        head, datetime_ms, peripheral, quantity_type, value, pointers, id_, text = _WORDS.unpack(
            _unpacked(payload)
        )
    except (IndexError, StructError):  # truncated, or of another length
        return None
    if head != _HEAD_WORDS or pointers != _POINTER_WORDS or text != _EMPTY_TEXT:
        return None
    return _checked(id_, datetime_ms, peripheral, quantity_type, value)


def _unpacked(payload: bytes) -> bytearray:
    """Undo the packing (Cap'n Proto encoding, "Packing"). Raises IndexError if it is truncated."""
    words = bytearray()
    position = 0
    while position < len(payload):
        tag = payload[position]
        position += 1
        if tag == 0xFF:
            run_at = position + 8
            end = run_at + 1 + 8 * payload[run_at]
            if end > len(payload):
                raise IndexError
            words += payload[position:run_at]
            words += payload[run_at + 1 : end]
            position = end
        elif tag:
            word = bytearray(8)
            for place in _PLACES[tag]:
                word[place] = payload[position]
                position += 1
            words += word
        else:
            words += bytes(8 + 8 * payload[position])
            position += 1
    return words


def _checked(
    id_: bytes, datetime_ms: int, peripheral: int, quantity_type: int, value: float
) -> RawMeasurement | None:
    """Return the measurement if it satisfies `rules.py`, else None; the library's decoder reports why not."""
    if datetime_ms > MAXIMUM_DATETIME_MS or not isfinite(value):
        return None

    measurement = _new(RawMeasurement)
    _set_id(measurement, id_)
    _set_datetime_ms(measurement, datetime_ms)
    _set_peripheral(measurement, peripheral)
    _set_quantity_type(measurement, quantity_type)
    _set_value(measurement, value)
    _set_kit_serial(measurement, "")
    return measurement
