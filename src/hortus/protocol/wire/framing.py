"""The segments that a packed message claims, read from its segment table without unpacking the rest.

A message begins with the number of its segments minus one and the size of each in 8-byte words, as unsigned
32-bit little-endian numbers, padded to a whole word (Cap'n Proto encoding, "Serialization Over a Stream"). The
table itself is packed like everything else (same document, "Packing"). A decoder allocates as much as the table
claims, so checking the table is enough to bound the cost of decoding.
"""

from __future__ import annotations

from dataclasses import dataclass

WORD_BYTES = 8
# The Cap'n Proto library refuses 512 and more; a kit's pictures have two.
MAXIMUM_SEGMENTS = 511

_MOST_WORDS_BEFORE_ROOT = 8
# More than so many words take when packed, each with the longest run.
_BEGINNING_BYTES = 20_000

# The tag of a table in which only the lowest byte of the first size is nonzero, as in nearly all messages.
_ONE_SHORT_SEGMENT = b"\x10"


class BrokenFraming(Exception):
    """The payload does not begin with a segment table; callers always convert this to a WireError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTable:
    """The sizes of the segments, and the byte of the packed payload at which the first one begins."""

    segment_bytes: tuple[int, ...]
    payload_position: int

    @property
    def total_bytes(self) -> int:
        """The size of all segments together, unpacked."""
        return sum(self.segment_bytes)


def read_segment_table(payload: bytes) -> SegmentTable:
    """Read the segment table at the start of a packed message.

    Raises BrokenFraming if the table is truncated, does not end where a packed word ends, or has more than 511
    segments.
    """
    if payload[:1] == _ONE_SHORT_SEGMENT and len(payload) > 1:
        return SegmentTable(segment_bytes=(payload[1] * WORD_BYTES,), payload_position=2)
    first_word, _ = _unpack_words(payload, 1)
    segments = int.from_bytes(first_word[:4], "little") + 1
    if segments > MAXIMUM_SEGMENTS:
        raise BrokenFraming
    table, position = _unpack_words(payload, segments // 2 + 1)
    sizes = (int.from_bytes(table[4 * n : 4 * n + 4], "little") for n in range(1, segments + 1))
    return SegmentTable(segment_bytes=tuple(WORD_BYTES * size for size in sizes), payload_position=position)


def join_segments(payload: bytes, table: SegmentTable) -> tuple[bytes, int]:
    """Return a packed message of one segment that holds all segments of this one as a blob, and its size.

    Its root is a struct with one pointer, to bytes. Words are written with the tag for eight literal bytes and
    no further words in the run.
    """
    words = table.total_bytes // WORD_BYTES + 2
    segment_table = bytes(4) + words.to_bytes(4, "little")
    root_pointer = bytes.fromhex("00000000 0000 0100")
    blob_pointer = bytes.fromhex("01000000") + (table.total_bytes << 3 | 2).to_bytes(4, "little")
    start = b"".join(b"\xff" + word + b"\x00" for word in (segment_table, root_pointer, blob_pointer))
    return start + payload[table.payload_position :], words


def first_data_word(payload: bytes) -> bytes | None:
    """Return the first word of the root's data, unpacking little after it. Raises BrokenFraming.

    None if the root does not begin in the first words of the first segment, where every encoder puts it.
    """
    start = read_segment_table(payload).payload_position
    beginning = payload[start : start + _BEGINNING_BYTES]
    pointer, _ = _unpack_at_least(beginning, 1)
    # A pointer to a struct: its kind in 2 bits, the signed distance in 30, then the size of its data in words.
    offset = int.from_bytes(pointer[:4], "little", signed=True)
    distance = (offset >> 2) + 1
    if offset & 3 or not pointer[4:6].strip(b"\0") or not 1 <= distance <= _MOST_WORDS_BEFORE_ROOT:
        return None
    words, _ = _unpack_at_least(beginning, distance + 1)
    return words[distance * WORD_BYTES : (distance + 1) * WORD_BYTES]


def _unpack_words(payload: bytes, words: int) -> tuple[bytes, int]:
    """Unpack the first words of a payload; return them and the position after them."""
    unpacked, position = _unpack_at_least(payload, words)
    # The existing decoders read the table separately and refuse a run that extends beyond it.
    if words > 1 and len(unpacked) != words * WORD_BYTES:
        raise BrokenFraming
    return unpacked, position


def _unpack_at_least(payload: bytes, words: int) -> tuple[bytes, int]:
    """Unpack the first words of a payload, and the rest of the run in which the last of them lies."""
    unpacked = bytearray()
    position = 0
    while len(unpacked) < words * WORD_BYTES:
        tag = payload[position : position + 1]
        literals = position + 1
        position = literals + sum(byte.bit_count() for byte in tag)
        # The length in words of a run of zero words, or of literal words, follows.
        run = payload[position : position + 1] if tag in (b"\x00", b"\xff") else b"\x00"
        if not tag or not run or position > len(payload):
            raise BrokenFraming
        for bit in range(8):
            present = tag[0] >> bit & 1
            unpacked.append(payload[literals] if present else 0)
            literals += present
        if tag == b"\x00":
            unpacked += bytes(run[0] * WORD_BYTES)
            position += 1
        elif tag == b"\xff":
            unpacked += payload[position + 1 : position + 1 + run[0] * WORD_BYTES]
            position += 1 + run[0] * WORD_BYTES
    return bytes(unpacked), position
