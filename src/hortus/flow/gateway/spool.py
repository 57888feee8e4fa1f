"""The asynchronous spool: one thread works on the file, and waiting readings share its commits.

    append -> (with all that arrived meanwhile) -> one transaction, one sync -> all their responses

The thread is the only one that accesses the file, so no request ever waits for a lock, and the event loop never
waits for the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import queue
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from hortus.base.errors import describe_error
from hortus.base.files import PRIVATE_FILE, make_private_directory, not_usable
from hortus.flow.gateway.errors import SpoolInUse, SpoolNotUsable, SpoolUnavailable
from hortus.flow.gateway.limits import SpoolLimits
from hortus.flow.gateway.spool_file import Arrival, SpoolFile
from hortus.flow.gateway.spool_keeper import SpoolKeeper

log = logging.getLogger(__name__)

_LOCK_NAME = "gateway.lock"
# A command may hold the lock for a moment.
_LOCK_ATTEMPTS = 20
_LOCK_PAUSE_SECONDS = 0.1

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Append:
    arrival: Arrival
    done: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class _Work:
    function: Callable[[SpoolFile], Any]
    done: asyncio.Future[Any]


_Item = _Append | _Work | None


class Spool:
    """The spool in `directory`, used by only one process at a time. An asynchronous context manager."""

    def __init__(self, directory: Path, limits: SpoolLimits | None = None) -> None:
        self._directory = directory
        self._limits = limits or SpoolLimits()
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._pending = 0
        self._counts: Counter[str] = Counter()
        self._counts_lock = threading.Lock()
        self._changed: list[asyncio.Event] = []
        self._lock = -1
        self.failing_since: float | None = None

    async def __aenter__(self) -> Self:
        """Open the spool. Raises SpoolNotUsable or DirectoryNotUsable."""
        self._loop = asyncio.get_running_loop()
        make_private_directory(self._directory)
        self._lock = await self._wait_for_lock()
        try:
            self._keeper = await asyncio.to_thread(open_keeper, self._directory, self._limits.most_bytes)
        except BaseException:  # also when interrupted: the next start needs the lock; re-raised
            os.close(self._lock)
            raise
        self._thread = threading.Thread(target=self._work, name="hortus-spool", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        os.close(self._lock)

    async def _wait_for_lock(self) -> int:
        for _ in range(_LOCK_ATTEMPTS):
            with contextlib.suppress(SpoolInUse):
                return _take_lock(self._directory)
            await asyncio.sleep(_LOCK_PAUSE_SECONDS)
        return _take_lock(self._directory)

    async def append(self, arrival: Arrival) -> None:
        """Store a reading; return when it is durable. Raises SpoolUnavailable.

        Cancelling withdraws the reading, unless the thread has already begun to store it.
        """
        if self._pending >= self._limits.pending:
            raise SpoolUnavailable("Too many readings wait for the disk.")
        done: asyncio.Future[None] = self._loop.create_future()
        self._pending += 1  # until the thread is done with it, even if the caller has stopped waiting
        self._queue.put(_Append(arrival, done))
        await done

    async def use(self, function: Callable[[SpoolFile], T]) -> T:
        """Call the function with the open file, in the file's thread, and return its result.

        Raises SpoolUnavailable.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Work(function, done))
        return await done

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter; persisted with the next reading or at shutdown."""
        with self._counts_lock:
            self._counts[name] += number

    def notify(self, event: asyncio.Event) -> None:
        """Set this event whenever readings have arrived from now on."""
        self._changed.append(event)

    # In the thread

    def _work(self) -> None:
        try:
            while self._work_once():
                pass
        finally:
            counts = self._take_counts()
            try:
                self._keeper.use(lambda file: file.count(counts))
                self._keeper.close()
            except (SpoolUnavailable, sqlite3.Error) as error:
                log.warning("the last counts of the gateway are lost: %s", describe_error(error))

    def _work_once(self) -> bool:
        """Process all waiting items, up to a limit. Return False when asked to stop."""
        items = [self._queue.get()]
        while len(items) < self._limits.group and not self._queue.empty():
            items.append(self._queue.get())
        appends = [item for item in items if isinstance(item, _Append)]
        # A future is cancelled if its caller has given up; reading this from another thread is safe, if racy.
        awaited = [item for item in appends if not item.done.cancelled()]
        if awaited:
            self._append_all(awaited)
        self._call(self._through_with, len(appends))
        for item in items:
            if isinstance(item, _Work):
                self._use(item)
        return None not in items

    def _append_all(self, appends: list[_Append]) -> None:
        counts = self._take_counts()
        arrivals = [item.arrival for item in appends]
        try:
            self._keeper.use(lambda file: file.append(arrivals, counts))
        except Exception as error:  # noqa: BLE001  (whatever it is, boards are answered and the thread goes on)
            with self._counts_lock:
                self._counts.update(counts)
            problem = error if isinstance(error, SpoolUnavailable) else SpoolUnavailable(f"{error!r}.")
            self._call(self._append_failed, appends, problem)
        else:
            self._call(self._appended, appends)

    def _use(self, item: _Work) -> None:
        try:
            result = self._keeper.use(item.function)
        except Exception as error:  # noqa: BLE001  (passed on to the caller)
            self._call(_fail, item.done, error)
        else:
            self._call(_finish, item.done, result)

    def _take_counts(self) -> Counter[str]:
        with self._counts_lock:
            counts, self._counts = self._counts, Counter()
        return counts

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    # Back in the event loop

    def _through_with(self, appends: int) -> None:
        self._pending -= appends

    def _appended(self, appends: list[_Append]) -> None:
        if self.failing_since is not None:
            log.warning("the spool accepts readings again")
            self.failing_since = None
        for item in appends:
            _finish(item.done, None)
        for event in self._changed:
            event.set()

    def _append_failed(self, appends: list[_Append], problem: SpoolUnavailable) -> None:
        if self.failing_since is None:
            log.error("%s Boards get a 503.", problem)
            self.failing_since = self._loop.time()
        for item in appends:
            _fail(item.done, problem)


def _finish(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def open_keeper(directory: Path, most_bytes: int) -> SpoolKeeper:
    """Open the spool in a directory whose lock is held. Raises SpoolNotUsable or DirectoryNotUsable."""
    keeper = SpoolKeeper(directory, most_bytes)
    try:
        keeper.open()
    except (sqlite3.Error, SpoolUnavailable) as error:
        raise SpoolNotUsable(
            f"The spool in {directory} cannot be used: {str(error).removesuffix('.')}. See whether the disk is "
            "full, and whether this user may write there."
        ) from error
    except OSError as error:
        raise not_usable(directory, error) from error
    return keeper


@contextmanager
def unused_spool(directory: Path, most_bytes: int) -> Iterator[SpoolKeeper | None]:
    """Open the spool while no gateway uses it; yield None if one does.

    Raises SpoolNotUsable or DirectoryNotUsable.
    """
    try:
        lock = _take_lock(directory)
    except SpoolInUse:
        yield None
        return
    try:
        keeper = open_keeper(directory, most_bytes)
        try:
            yield keeper
        finally:
            keeper.close()
    finally:
        os.close(lock)


def _take_lock(directory: Path) -> int:
    path = directory / _LOCK_NAME
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        raise not_usable(directory, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise SpoolInUse(
            f"Another gateway uses the spool in {directory}. Stop it first, or name another directory with "
            "HORTUS_GATEWAY_SPOOL_DIR."
        ) from error
    return lock
