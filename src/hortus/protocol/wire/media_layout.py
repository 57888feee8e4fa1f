"""Read a large medium without unpacking it as a whole: its content is unpacked piece by piece from the payload.

The library holds a message of 64 MiB in memory several times, and holds Python's lock while it unpacks. Here
the packed words are scanned once to index them, the few pointers of the message are followed, and each piece of
the content is unpacked when it is requested. Compressed pictures consist of long runs, so this is fast; a
message with many short runs, or with any unusual layout, is left to the library. This is a shortcut and must
always agree with the library: tests check that it does.

Cap'n Proto encoding, "Packing", "Structs", "Lists", "Inter-Segment Pointers".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from hortus.protocol.reasons import Reason
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.framing import WORD_BYTES, BrokenFraming, read_segment_table
from hortus.protocol.wire.limits import MEDIA
from hortus.protocol.wire.messages import Media
from hortus.protocol.wire.rules import check_media

PIECE_BYTES = 256 * 1024

# A picture of 64 MiB has 33,000 runs. Python takes half a second to scan this many.
_MOST_RUNS = 500_000
_CHECKPOINT_WORDS = 4096

_DATA_WORDS, _POINTERS = 2, 5
_BYTE_LIST = 2


class _Unusual(Exception):
    """Only the library can read this message."""


@dataclass(frozen=True, slots=True)
class LargeContent:
    """The content of a medium inside its packed message. May be iterated any number of times."""

    words: _PackedWords
    start_word: int
    size: int

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in pieces of bounded size."""
        return self.words.pieces(self.start_word, self.size)


def open_large_media(payload: bytes) -> tuple[Media, LargeContent] | None:
    """Return the medium without its content, and the content; None if only the library can read it.

    Raises WireError for faults that any way of reading would find.
    """
    try:
        return _open(payload)
    except (_Unusual, BrokenFraming):
        return None


def _open(payload: bytes) -> tuple[Media, LargeContent]:
    table = read_segment_table(payload)
    if len(payload) > MEDIA.maximum_payload_bytes:
        raise _Unusual
    if table.total_bytes > MEDIA.allowed_unpacked_bytes(len(payload)):
        raise _Unusual
    sizes = [size // WORD_BYTES for size in table.segment_bytes]
    words = _PackedWords(payload, table.payload_position, sum(sizes))
    message = _Message(words, sizes)
    root = message.root()
    pointers = [message.byte_list(root + _DATA_WORDS + index) for index in range(_POINTERS)]
    # The library's traversal limit counts this; pointers that share a target could make it exceed the message
    # size.
    if sum(size for _, size in pointers) > table.total_bytes:
        raise _Unusual
    identifier, name, media_type, content, metadata = pointers
    numbers = words.read(root, _DATA_WORDS * WORD_BYTES)
    media = Media(
        id=words.read(*identifier),
        datetime_ms=int.from_bytes(numbers[:8], "little"),
        peripheral=int.from_bytes(numbers[8:12], "little", signed=True),
        name=_text(words.read(*name)),
        type=_text(words.read(*media_type)),
        data=b"",
        metadata=_text(words.read(*metadata)),
    )
    check_media(media)
    return media, LargeContent(words, *content)


def _text(terminated: bytes) -> str:
    if terminated and terminated[-1]:
        raise _Unusual
    try:
        return terminated[:-1].decode()
    except UnicodeDecodeError as error:
        raise WireError(Reason.TEXT_NOT_UTF8) from error


class _Message:
    """Segments of words, and the pointers between them. Places are word indexes across all segments."""

    def __init__(self, words: _PackedWords, sizes: list[int]) -> None:
        self._words = words
        self._ends = list(accumulate(sizes))
        self._starts = [end - size for end, size in zip(self._ends, sizes, strict=True)]

    def root(self) -> int:
        """Return the place of the root struct."""
        pointer = self._pointer_at(0)
        if pointer & 3 or pointer >> 32 != (_DATA_WORDS | _POINTERS << 16):
            raise _Unusual
        return self._target(0, pointer, _DATA_WORDS + _POINTERS)

    def byte_list(self, place: int) -> tuple[int, int]:
        """Return the place and the number of the bytes that the pointer at this place points to."""
        pointer = self._pointer_at(place)
        if pointer == 0:
            return 0, 0
        if pointer & 3 == 2:
            # A far pointer: it leads to a landing pad in another segment, which holds the pointer itself.
            segment, offset = pointer >> 32, pointer >> 3 & 0x1FFF_FFFF
            if pointer & 4 or segment >= len(self._ends):
                raise _Unusual
            place = self._starts[segment] + offset
            if place >= self._ends[segment]:
                raise _Unusual
            pointer = self._pointer_at(place)
        size = pointer >> 35
        if pointer & 3 != 1 or pointer >> 32 & 7 != _BYTE_LIST:
            raise _Unusual
        return self._target(place, pointer, -(-size // WORD_BYTES)), size

    def _pointer_at(self, place: int) -> int:
        return int.from_bytes(self._words.read(place, WORD_BYTES), "little")

    def _target(self, place: int, pointer: int, words: int) -> int:
        """Return the target of a pointer, which is relative to the word after it and within its segment."""
        offset = pointer >> 2 & 0x3FFF_FFFF
        if offset & 0x2000_0000:
            offset -= 0x4000_0000
        target = place + 1 + offset
        segment = bisect_right(self._ends, place)
        if segment == len(self._ends) or target < self._starts[segment] or target + words > self._ends[segment]:
            raise _Unusual
        return target


class _PackedWords:
    """Packed words, unpacked on demand."""

    def __init__(self, payload: bytes, position: int, words: int) -> None:
        self._payload = payload
        self._words = words
        self._checkpoint_words: list[int] = []
        self._checkpoint_positions: list[int] = []
        self._walk(position)

    def _walk(self, position: int) -> None:
        """Record a checkpoint every few thousand words, and verify that the message ends where it should."""
        payload, word, next_checkpoint, end = self._payload, 0, 0, self._words
        try:
            for _ in range(_MOST_RUNS):
                if word >= next_checkpoint:
                    self._checkpoint_words.append(word)
                    self._checkpoint_positions.append(position)
                    next_checkpoint = word + _CHECKPOINT_WORDS
                if word >= end:
                    break
                tag = payload[position]
                if tag == 0xFF:
                    run = payload[position + 9]
                    position += 10 + WORD_BYTES * run
                    word += 1 + run
                elif tag == 0:
                    word += 1 + payload[position + 1]
                    position += 2
                else:
                    position += 1 + tag.bit_count()
                    word += 1
        except IndexError as error:
            raise _Unusual from error
        if word != end or position > len(payload):
            raise _Unusual

    def read(self, start_word: int, size: int) -> bytes:
        """Return this many bytes, starting at this word."""
        return b"".join(self.pieces(start_word, size))

    def pieces(self, start_word: int, size: int) -> Iterator[bytes]:
        """Yield this many bytes, starting at this word, in pieces of bounded size."""
        if start_word + -(-size // WORD_BYTES) > self._words:
            raise _Unusual
        if not size:
            return
        index = bisect_right(self._checkpoint_words, start_word) - 1
        skip = WORD_BYTES * (start_word - self._checkpoint_words[index])
        position, piece, view = self._checkpoint_positions[index], bytearray(), memoryview(self._payload)
        left = size
        while left:
            tag = view[position]
            if tag == 0xFF:
                run = view[position + 9]
                piece += view[position + 1 : position + 9]
                piece += view[position + 10 : position + 10 + WORD_BYTES * run]
                position += 10 + WORD_BYTES * run
            elif tag == 0:
                piece += bytes(WORD_BYTES * (1 + view[position + 1]))
                position += 2
            else:
                position += 1
                for bit in range(WORD_BYTES):
                    if tag >> bit & 1:
                        piece.append(view[position])
                        position += 1
                    else:
                        piece.append(0)
            if skip:
                taken = min(skip, len(piece))
                del piece[:taken]
                skip -= taken
            if len(piece) >= min(left, PIECE_BYTES):
                yield bytes(memoryview(piece)[:left])
                left -= min(left, len(piece))
                piece = bytearray()
