"""Large media are read piece by piece, and always with the same result as by the library."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_samples import MEDIA

from hortus.protocol.reasons import Reason
from hortus.protocol.wire.codec import decode_media, encode_media
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.media_layout import PIECE_BYTES, open_large_media
from hortus.protocol.wire.messages import Media

PICTURE = Media(
    id=bytes(range(16)),
    datetime_ms=1_712_345_678_901,
    peripheral=-23,
    name="regular.png",
    type="image/png",
    data=b"",
    metadata='{"exposure": 0.25}',
)

CONTENTS = [
    os.urandom(3_000_001),
    bytes(1_000_000),
    b"\x00\x01" * 700_000,
    random.Random(1).randbytes(100_000) + bytes(100_000) + random.Random(2).randbytes(1_000_007),
    b"",
    b"x",
]


@pytest.mark.parametrize("content", CONTENTS, ids=["noise", "zeros", "sparse", "mixed", "nothing", "one"])
def test_a_large_medium_is_read_as_the_library_reads_it(content: bytes) -> None:
    payload = encode_media(replace(PICTURE, data=content))
    opened = open_large_media(payload)
    assert opened is not None
    medium, pieces = opened
    together = list(pieces)
    assert replace(medium, data=b"".join(together)) == decode_media(payload)
    assert pieces.size == len(content)
    # Bounded, except for a run of packed words at the end of a piece.
    assert all(len(piece) < PIECE_BYTES + 4096 for piece in together)
    assert list(pieces) == together


@given(MEDIA)
def test_any_medium_is_read_as_the_library_reads_it(medium: Media) -> None:
    payload = encode_media(medium)
    opened = open_large_media(payload)
    if opened is not None:
        read, pieces = opened
        assert replace(read, data=b"".join(pieces)) == decode_media(payload)


@settings(max_examples=400)
@given(MEDIA, st.data())
def test_damage_is_never_read_otherwise_than_by_the_library(medium: Media, data: st.DataObject) -> None:
    payload = bytearray(encode_media(medium))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] = data.draw(st.integers(0, 255))
    damaged = bytes(payload[: data.draw(st.integers(0, len(payload)))])
    assert fast_reading(damaged) in {None, library_reading(damaged)}


def fast_reading(payload: bytes) -> Media | Reason | None:
    try:
        opened = open_large_media(payload)
    except WireError as error:
        return error.reason
    return None if opened is None else replace(opened[0], data=b"".join(opened[1]))


def library_reading(payload: bytes) -> Media | Reason:
    try:
        return decode_media(payload)
    except WireError as error:
        return error.reason


def test_many_short_runs_are_left_to_the_library() -> None:
    payload = encode_media(replace(PICTURE, data=b"\x00\x01\x02\x03\x04\x05\x06\x07" * 600_000))
    assert open_large_media(payload) is None


def test_a_fault_in_a_large_medium_is_reported() -> None:
    # The time is the second word after the root pointer; beyond the year 9999 here.
    wrong = replace(PICTURE, datetime_ms=253_402_300_799_999, data=CONTENTS[0])
    time = (253_402_300_799_999).to_bytes(8, "little").rstrip(b"\x00")
    payload = encode_media(wrong).replace(time, b"\xff" * len(time), 1)
    with pytest.raises(WireError) as error:
        open_large_media(payload)
    assert error.value.reason is Reason.TIME_OUT_OF_RANGE
