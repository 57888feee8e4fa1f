"""The object store: a local folder or any S3-compatible service, behind one small face.

What `put` returned from is durable (P1). S3 promises that itself. The library's local store leaves the bytes in
the page cache, where a power cut could take what was acknowledged; so local files are written here, under
another name, synced and renamed, with the folders above them. The library reads, lists and deletes them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import randbits
from typing import Any

from obstore.exceptions import BaseError, GenericError, NotFoundError
from obstore.store import LocalStore, MemoryStore, S3Store

from hortus.base.errors import OperationalError
from hortus.domain.media.keys import ObjectKey, parse_key

log = logging.getLogger(__name__)

Store = LocalStore | MemoryStore | S3Store

READ_BYTES = 256 * 1024
"""How much of an object is held at once while it is read."""

_PART_BYTES = 5 * 1024 * 1024  # the least that S3 takes as a part
_PARTS_AT_ONCE = 2
_SYNC_BYTES = 4 * 1024 * 1024
_TELL_SECONDS = 60.0
_NO_OBJECTS = "hortus-looks-whether-the-bucket-is-there"  # no serial begins like that


class ObjectMissing(OperationalError):
    """There is no object under this key."""

    def __init__(self, key: ObjectKey) -> None:
        super().__init__(f"The object store has no object {key}.")


class ObjectStoreNotAnswering(OperationalError):
    """The object store cannot be reached, refuses, or has no room."""


class MediaPlaceMissing(ObjectStoreNotAnswering):
    """The bucket or folder itself is not there: nothing can be said of any object, nor be stored."""

    def __init__(self, description: str) -> None:
        super().__init__(
            f"Media are kept in {description}, which does not exist. See whether HORTUS_MEDIA_URL is right and "
            "the disk is mounted; everything goes on by itself as soon as it is there."
        )


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing shows it; `key` is None for one that is none of ours."""

    path: str
    key: ObjectKey | None
    size: int
    changed_at: datetime


class ObjectStream:
    """The bytes of an object, or of a range of it, in pieces of bounded size."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self.size: int = result.meta["size"]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            with _translated():
                async for piece in self._result.stream(min_chunk_size=READ_BYTES):
                    yield bytes(piece)
        except NotFoundError as error:
            raise ObjectStoreNotAnswering("The object went away while it was read.") from error


class MediaObjects:
    """Objects of media by their keys.

    Every method may raise ObjectStoreNotAnswering, and MediaPlaceMissing as one kind of it.
    """

    def __init__(self, store: Store, description: str, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._sends_type = isinstance(store, S3Store)
        self.description = description
        self._told_at = -math.inf

    @classmethod
    def in_folder(cls, folder: Path) -> MediaObjects:
        """Return a store in a local folder, which is made if need be; not so the one above it.

        A disk that is not mounted shall be noticed, not replaced by folders on another.
        """
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            return cls(LocalStore(folder), f"the folder {folder}", folder)
        except (OSError, BaseError) as error:
            raise ObjectStoreNotAnswering(f"Media cannot be kept in {folder}: {error}.") from error

    async def put(self, key: ObjectKey, content: Iterable[bytes], media_type: str, *, size: int) -> None:
        """Store the object, of pieces with `size` bytes together, durably; one under this key is replaced."""
        with self._nothing_missing(), _translated():
            if self._folder is not None:
                await asyncio.to_thread(_write, self._folder, self._folder / str(key), content)
                return
            await self._store.put_async(
                str(key),
                # What fits into one part is sent as one; S3 has no upload in parts that has none.
                b"".join(content) if size <= _PART_BYTES else iter(content),
                attributes={"Content-Type": media_type} if self._sends_type else None,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    async def get(self, key: ObjectKey, start: int = 0, end: int | None = None) -> ObjectStream:
        """Open the object from byte `start` up to but not including `end`. Raises ObjectMissing."""
        options: Any = {} if end is None else {"range": (start, end)}
        try:
            with _translated():
                return ObjectStream(await self._store.get_async(str(key), options=options))
        except NotFoundError as error:
            await self.require_place()
            raise ObjectMissing(key) from error

    async def size_of(self, key: ObjectKey) -> int | None:
        """Return the size of the object in bytes, or None if there is none."""
        try:
            with _translated():
                return int((await self._store.head_async(str(key)))["size"])
        except NotFoundError:
            await self.require_place()
            return None

    async def delete(self, key: ObjectKey) -> None:
        """Delete the object; none under this key is right as well."""
        try:
            with _translated():
                await self._store.delete_async(str(key))
        except NotFoundError:
            await self.require_place()

    async def require_place(self) -> None:
        """Raise MediaPlaceMissing if bucket or folder are not there, ObjectStoreNotAnswering if unknown.

        Without it, a disk that is not mounted would look as if every single object were lost.
        """
        with self._nothing_missing(), _translated():
            if self._folder is not None:
                await asyncio.to_thread(os.stat, self._folder)
                return
            try:
                async for _ in self._store.list(prefix=_NO_OBJECTS, chunk_size=1):
                    break
            except GenericError as error:
                # Of a listing, only the bucket can be what is not found; the library has no type for that.
                if "404 Not Found" in _first_line(error):
                    raise NotFoundError(_first_line(error)) from error
                raise

    async def list(self) -> AsyncIterator[StoredObject]:
        """Yield all objects, in no particular order."""
        await self.require_place()  # a folder that is not there would look like an empty one
        with self._nothing_missing(), _translated():
            async for page in self._store.list(chunk_size=500):
                for meta in page:
                    yield StoredObject(
                        meta["path"], parse_key(meta["path"]), meta["size"], meta["last_modified"]
                    )

    @contextmanager
    def _nothing_missing(self) -> Iterator[None]:
        """Raise MediaPlaceMissing where only the bucket or the folder itself can be what is not found.

        The operator is told in the log, too, once in a while: whoever asks for a picture cannot mend it.
        """
        try:
            yield
        except NotFoundError as error:
            missing = MediaPlaceMissing(self.description)
            if time.monotonic() - self._told_at > _TELL_SECONDS:
                self._told_at = time.monotonic()
                log.error("%s", missing)
            raise missing from error

    async def remove_half_written(self, older_than_seconds: float) -> int:
        """Delete what writers left behind that were killed; return how many files."""
        if self._folder is None:
            return 0  # an S3 service expires unfinished uploads by itself, by a rule of the bucket
        return await asyncio.to_thread(_remove_half_written, self._folder, older_than_seconds)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise ObjectStoreNotAnswering for what the library and the file system raise."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFoundError(str(error)) from error
    except (BaseError, OSError) as error:
        raise ObjectStoreNotAnswering(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    """Return what happened: the library's messages have many lines of its own inner state."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _write(root: Path, path: Path, content: Iterable[bytes]) -> None:
    """Write a file that is whole or not there, and survives a power cut with the folders that lead to it.

    What is written goes to the disk a few MiB at a time. At the end all at once, it would hold up for a second
    or more what the database writes for readings.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished = path.with_name(f"{path.name}#{randbits(60)}")
    try:
        with unfinished.open("xb") as file:
            unsynced_bytes = 0
            for piece in content:
                file.write(piece)
                unsynced_bytes += len(piece)
                if unsynced_bytes >= _SYNC_BYTES:
                    file.flush()
                    os.fdatasync(file.fileno())
                    unsynced_bytes = 0
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    for folder in path.relative_to(root).parents:
        _sync_one(root / folder)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_half_written(folder: Path, older_than_seconds: float) -> int:
    """Files are written as `name#123` and renamed; such a name is left only by a process that was killed."""
    before = time.time() - older_than_seconds
    removed = 0
    for path in folder.glob("*/*#*"):
        if path.name.rpartition("#")[2].isdigit() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
