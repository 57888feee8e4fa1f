"""Has another process make a smaller picture of a medium: pictures come from untrusted devices."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from enum import IntEnum

from hortus.base.errors import HortusError
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects, ObjectMissing, ObjectStream
from hortus.domain.media.thumbnailer import PREVIEW_SIDE, THUMBNAIL_SIDE, UNSUITABLE

_PATIENCE_SECONDS = 60.0
_LARGEST_SENTENCE_BYTES = 4096
# A WebP of nothing but noise has one byte for each pixel.
_LARGEST_BYTES = 2 * 1024 * 1024


class Size(IntEnum):
    """How large the smaller picture may be: its longest side in pixels."""

    THUMBNAIL = THUMBNAIL_SIDE
    PREVIEW = PREVIEW_SIDE


class NoSmallerPicture(HortusError):
    """No smaller picture can be made of this medium; the message says why."""


async def smaller_picture(objects: MediaObjects, key: ObjectKey, media_type: str, size: Size) -> bytes:
    """Return a smaller picture of a medium, as WebP, upright and without metadata.

    Raises NoSmallerPicture, or ObjectStoreNotAnswering.
    """
    if not media_type.startswith("image/") or media_type.startswith("image/svg"):
        raise NoSmallerPicture(f"Thumbnails are only made of pictures, not of {media_type}.")
    try:
        stream = await objects.get(key)
    except ObjectMissing as error:
        raise NoSmallerPicture("The content is missing.") from error
    return await _ask_thumbnailer(stream, size)


async def _ask_thumbnailer(stream: ObjectStream, size: Size) -> bytes:
    """Have a separate process, which gets nothing but the picture, make the smaller one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "hortus.domain.media.thumbnailer", str(int(size))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},  # it needs none of our secrets
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            smaller, said = await _converse(process, stream)
    except TimeoutError as error:
        raise NoSmallerPicture(
            f"Making the picture smaller took longer than {_PATIENCE_SECONDS:.0f} s."
        ) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode == UNSUITABLE:
        raise NoSmallerPicture(said.decode(errors="replace").strip())
    if process.returncode != 0 or not smaller:
        raise NoSmallerPicture("Making the picture smaller exceeded its memory or time limit.")
    return smaller


async def _converse(process: asyncio.subprocess.Process, stream: ObjectStream) -> tuple[bytes, bytes]:
    """Write the picture to the process, and return its standard output and error, each up to a limit."""
    given, out, error = process.stdin, process.stdout, process.stderr
    assert given is not None
    assert out is not None
    assert error is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        async for piece in stream:
            given.write(piece)
            await given.drain()
        given.close()
    smaller = await _read_at_most(out, _LARGEST_BYTES)
    said = await _read_at_most(error, _LARGEST_SENTENCE_BYTES)
    await process.wait()
    return smaller, said


async def _read_at_most(reader: asyncio.StreamReader, most: int) -> bytes:
    pieces = bytearray()
    while piece := await reader.read(65_536):
        pieces += piece
        if len(pieces) > most:
            return b""
    return bytes(pieces)
