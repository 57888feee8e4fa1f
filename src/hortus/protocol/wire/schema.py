"""The Cap'n Proto library behind the codec: the schema, opening messages, and its failures as WireError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import capnp

from hortus.protocol.reasons import Reason
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.framing import (
    WORD_BYTES,
    BrokenFraming,
    SegmentTable,
    join_segments,
    read_segment_table,
)
from hortus.protocol.wire.limits import MessageLimits

# The deepest message, an aggregate, nests root, list and text.
_NESTING_LIMIT = 8


@cache
def root(name: str) -> Any:
    """Return the library's type of this root struct; the schema is loaded on first use."""
    return getattr(_schema(), name)


@cache
def _schema() -> Any:
    # The library hooks into Python's import to find schemas beside modules, which is unwanted here.
    capnp.remove_import_hook()
    with resources.as_file(resources.files("hortus.protocol.wire") / "schema.capnp") as path:
        return capnp.load(str(path))


def open_message(limits: MessageLimits, payload: bytes) -> Any:
    """Return the library's reader of a packed message whose size is within its limits.

    Reading its fields can still fail and belongs inside `translated`. Raises WireError.
    """
    table = _check_sizes(limits, payload)
    # The traversal limit also bounds objects that many pointers share, and lists of empty structs.
    maximum_words = limits.maximum_unpacked_bytes // WORD_BYTES
    with translated():
        if len(table.segment_bytes) == 1:
            return root(limits.root).from_bytes_packed(payload, maximum_words, _NESTING_LIMIT)
        segments = _unpack_segments(payload, table)
        return root(limits.root).from_segments(segments, maximum_words, _NESTING_LIMIT)


def _unpack_segments(payload: bytes, table: SegmentTable) -> list[memoryview]:
    """Return the unpacked segments.

    The library reads the second and later segments of a packed message only when they are needed, at the latest
    in a destructor. If the payload is truncated there, the exception in the destructor ends the process: six
    bytes suffice. A message of one segment is read at once and fails like everything else. So the segments are
    passed to the library as one, which also unpacks them at its speed.
    """
    joined, words = join_segments(payload, table)
    # Views, because a picture's second segment may have 64 MiB, which need not be copied.
    content = memoryview(root("Joined").from_bytes_packed(joined, 2 * words, _NESTING_LIMIT).segments)
    segments = []
    position = 0
    for size in table.segment_bytes:
        segments.append(content[position : position + size])
        position += size
    return segments


def new_message(limits: MessageLimits) -> Any:
    """Return the library's builder of an empty message."""
    return root(limits.root).new_message()


def seal(limits: MessageLimits, builder: Any) -> bytes:
    """Return the packed bytes of a built message. Raises WireError if a decoder would refuse their size."""
    payload: bytes = builder.to_bytes_packed()
    _check_sizes(limits, payload)
    return payload


@contextmanager
def translated(rpc_id: int | None = None) -> Iterator[None]:
    """Convert the library's failures to WireError with the id of the request or response concerned."""
    try:
        yield
    except capnp.KjException as error:
        raise WireError(Reason.UNDECODABLE, rpc_id=rpc_id) from error
    except UnicodeError as error:
        raise WireError(Reason.TEXT_NOT_UTF8, rpc_id=rpc_id) from error
    except WireError as error:
        error.rpc_id = rpc_id
        raise


def _check_sizes(limits: MessageLimits, payload: bytes) -> SegmentTable:
    if not payload:
        raise WireError(Reason.EMPTY_PAYLOAD)
    if len(payload) > limits.maximum_payload_bytes:
        raise WireError(
            Reason.PAYLOAD_TOO_LARGE,
            f"The message has {len(payload)} bytes; at most {limits.maximum_payload_bytes} are accepted.",
        )
    try:
        table = read_segment_table(payload)
    except BrokenFraming as error:
        raise WireError(Reason.UNDECODABLE) from error
    allowed_bytes = limits.allowed_unpacked_bytes(len(payload))
    if table.total_bytes > allowed_bytes:
        raise WireError(
            Reason.UNPACKED_TOO_LARGE,
            f"The message of {len(payload)} bytes claims to unpack to {table.total_bytes} bytes; "
            f"at most {allowed_bytes} are accepted.",
        )
    return table
