"""The object store: a local folder or any S3-compatible service, behind one small interface.

When `put` returns, the object is durable (P1). S3 guarantees that itself. The library's local store leaves the
bytes in the page cache, where a power cut could destroy acknowledged content; so local files are written here:
under a temporary name, synced and renamed, together with their parent folders. Reading, listing and deleting
are left to the library.
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

from hortus.base.errors import OperationalError, describe_error
from hortus.domain.media.keys import ObjectKey, parse_key

log = logging.getLogger(__name__)

Store = LocalStore | MemoryStore | S3Store

READ_BYTES = 256 * 1024
"""Chunk size for reading objects."""

_PART_BYTES = 5 * 1024 * 1024  # the smallest part that S3 accepts
_PARTS_AT_ONCE = 2
_SYNC_BYTES = 4 * 1024 * 1024
_TELL_SECONDS = 60.0
_NO_OBJECTS = "hortus-looks-whether-the-bucket-is-there"  # no serial starts like this


class ObjectMissing(OperationalError):
    """There is no object with this key."""

    def __init__(self, key: ObjectKey) -> None:
        super().__init__(f"The object store has no object {key}.")


class ObjectStoreNotAnswering(OperationalError):
    """The object store is unreachable, refuses the request, or is full."""


class MediaPlaceMissing(ObjectStoreNotAnswering):
    """The bucket or folder itself is missing, so objects can neither be found nor stored."""

    def __init__(self, description: str) -> None:
        super().__init__(
            f"Media are stored in {description}, which does not exist. Check HORTUS_MEDIA_URL, and that the "
            "disk is mounted. Work resumes by itself once it is available."
        )


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing; `key` is None if the path is not one of our keys."""

    path: str
    key: ObjectKey | None
    size: int
    changed_at: datetime


class ObjectStream:
    """The bytes of an object, or of a range of it, in chunks of bounded size."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self.size: int = result.meta["size"]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            with _translated():
                async for piece in self._result.stream(min_chunk_size=READ_BYTES):
                    yield bytes(piece)
        except NotFoundError as error:
            raise ObjectStoreNotAnswering("The object was deleted while it was being read.") from error


class MediaObjects:
    """The objects of media, by key.

    Every method may raise ObjectStoreNotAnswering, including its subclass MediaPlaceMissing.
    """

    def __init__(self, store: Store, description: str, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._sends_type = isinstance(store, S3Store)
        self.description = description
        self._told_at = -math.inf

    @classmethod
    def in_folder(cls, folder: Path) -> MediaObjects:
        """Return a store in a local folder, which is created if necessary; its parent folder must exist.

        A disk that is not mounted must be noticed rather than replaced by folders on another disk.
        """
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            return cls(LocalStore(folder), f"the folder {folder}", folder)
        except (OSError, BaseError) as error:
            raise ObjectStoreNotAnswering(
                f"Media cannot be stored in {folder}: {describe_error(error)}."
            ) from error

    async def put(self, key: ObjectKey, content: Iterable[bytes], media_type: str, *, size: int) -> None:
        """Store the object durably, replacing any with this key. `size` is the total of `content` in bytes."""
        with self._nothing_missing(), _translated():
            if self._folder is not None:
                await asyncio.to_thread(_write, self._folder, self._folder / str(key), content)
                return
            await self._store.put_async(
                str(key),
                # Content that fits into one part is sent in one request; a multipart upload cannot be empty.
                b"".join(content) if size <= _PART_BYTES else iter(content),
                attributes={"Content-Type": media_type} if self._sends_type else None,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    async def get(self, key: ObjectKey, start: int = 0, end: int | None = None) -> ObjectStream:
        """Open the object from byte `start` to `end` (exclusive). Raises ObjectMissing."""
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
        """Delete the object, if it exists."""
        try:
            with _translated():
                await self._store.delete_async(str(key))
        except NotFoundError:
            await self.require_place()

    async def require_place(self) -> None:
        """Raise MediaPlaceMissing if the bucket or folder is missing, ObjectStoreNotAnswering if unknown.

        Without this check, a disk that is not mounted would look as if every single object were lost.
        """
        with self._nothing_missing(), _translated():
            if self._folder is not None:
                await asyncio.to_thread(os.stat, self._folder)
                return
            try:
                async for _ in self._store.list(prefix=_NO_OBJECTS, chunk_size=1):
                    break
            except GenericError as error:
                # In a listing, only the bucket itself can be "not found"; the library has no type for that.
                if "404 Not Found" in _first_line(error):
                    raise NotFoundError(_first_line(error)) from error
                raise

    async def list(self) -> AsyncIterator[StoredObject]:
        """Yield all objects, in no particular order."""
        await self.require_place()  # a missing folder would look like an empty one
        with self._nothing_missing(), _translated():
            async for page in self._store.list(chunk_size=500):
                for meta in page:
                    yield StoredObject(
                        meta["path"], parse_key(meta["path"]), meta["size"], meta["last_modified"]
                    )

    @contextmanager
    def _nothing_missing(self) -> Iterator[None]:
        """Raise MediaPlaceMissing for NotFoundError, where only the bucket or folder itself can be missing.

        Also logs it now and then for the operator, because the users who request pictures cannot fix it.
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
        """Delete the temporary files of writers that were killed; return how many."""
        if self._folder is None:
            return 0  # an S3 service expires unfinished uploads itself, by a rule of the bucket
        return await asyncio.to_thread(_remove_half_written, self._folder, older_than_seconds)


@contextmanager
def _translated() -> Iterator[None]:
    """Translate errors of the library and the file system to ObjectStoreNotAnswering."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFoundError(str(error)) from error
    except (BaseError, OSError) as error:
        raise ObjectStoreNotAnswering(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    """Return the first line of an error: the library's messages go on with many lines of internal state."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _write(root: Path, path: Path, content: Iterable[bytes]) -> None:
    """Write a file atomically, so that it and its parent folders survive a power cut.

    Data is flushed to disk a few MiB at a time: a single flush at the end would block the database's writes of
    readings for a second or more.
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
    except BaseException:  # also when interrupted: no half file may stay behind; raised again
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
    """Remove files named `name#123`, which are renamed when complete and left only by killed processes."""
    before = time.time() - older_than_seconds
    removed = 0
    for path in folder.glob("*/*#*"):
        if path.name.rpartition("#")[2].isdigit() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
