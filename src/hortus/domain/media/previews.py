"""Previews of pictures: large enough for a screen, made when somebody first asks and kept beside the original.

Few people look at each picture of a camera, so making previews of all of them would be wasted. A process makes
a few at a time, because each may take 1 GiB of memory, and lets only so many requests wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import OperationalError
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects, ObjectMissing
from hortus.domain.media.rules import THUMBNAIL_TYPE
from hortus.domain.media.smaller_pictures import NoSmallerPicture, Size, smaller_picture
from hortus.domain.media.store import find_medium

_AT_ONCE = 2
_MOST_UNDER_WAY = 24
_WAIT_SECONDS = 20.0
_REMEMBER_SECONDS = 3600.0
_REMEMBERED = 1000


class TooManyPreviews(OperationalError):
    """So many previews are being made that this one has to wait."""

    def __init__(self) -> None:
        super().__init__("Many previews are being made right now. Try again in a moment.")


class Previews:
    """Makes the previews of one process. Of several requests for the same one, only the first makes it."""

    def __init__(self, objects: MediaObjects, engine: AsyncEngine) -> None:
        self._objects = objects
        self._engine = engine
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[ObjectKey, asyncio.Task[int]] = {}
        self._impossible: OrderedDict[ObjectKey, tuple[float, str]] = OrderedDict()

    async def size_of(self, key: ObjectKey, media_type: str) -> int:
        """Return the size in bytes of a medium's preview, which is made if there is none yet.

        Raises NoSmallerPicture, TooManyPreviews, ObjectMissing or ObjectStoreNotAnswering.
        """
        size = await self._objects.size_of(key.preview)
        if size is not None:
            return size
        self._require_possible(key)
        making = self._under_way.get(key)
        if making is None:
            if len(self._under_way) >= _MOST_UNDER_WAY:
                raise TooManyPreviews
            making = asyncio.create_task(self._make(key, media_type))
            self._under_way[key] = making
            making.add_done_callback(lambda task: self._ended(key, task))
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                # It goes on if nobody waits any more: whoever asks again finds it.
                return await asyncio.shield(making)
        except TimeoutError as error:
            raise TooManyPreviews from error

    async def _make(self, key: ObjectKey, media_type: str) -> int:
        async with self._turns:
            preview = await smaller_picture(self._objects, key, media_type, Size.PREVIEW)
        await self._objects.put(key.preview, (preview,), THUMBNAIL_TYPE, size=len(preview))
        if not await self._is_still_there(key):
            await self._objects.delete(key.preview)
            raise ObjectMissing(key)
        return len(preview)

    async def _is_still_there(self, key: ObjectKey) -> bool:
        """Return whether the medium has not been deleted meanwhile; also if the database does not say.

        The sweep deletes a preview without a medium.
        """
        try:
            async with self._engine.connect() as connection:
                return await find_medium(connection, key.medium_id) is not None
        except (SQLAlchemyError, *CONNECTION_FAILURES):
            return True

    def _ended(self, key: ObjectKey, task: asyncio.Task[int]) -> None:
        del self._under_way[key]
        error = None if task.cancelled() else task.exception()  # looked at, even if nobody waits
        if isinstance(error, NoSmallerPicture):
            self._impossible[key] = (time.monotonic() + _REMEMBER_SECONDS, str(error))
            if len(self._impossible) > _REMEMBERED:
                self._impossible.popitem(last=False)

    def _require_possible(self, key: ObjectKey) -> None:
        """Raise NoSmallerPicture if that was found out lately: trying again would only cost time."""
        until, note = self._impossible.get(key, (0.0, ""))
        if until > time.monotonic():
            raise NoSmallerPicture(note)
