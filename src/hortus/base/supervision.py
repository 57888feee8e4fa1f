"""Keeps the long-running tasks of a process running, and knows when each last succeeded (P10).

A task reports its successes itself with `note_success`, because only it knows what a success is. Functions that
report need no reference to their supervisor: it is found through the context of the task, which tasks started
by it inherit. Outside a supervisor, as in commands that do their work once, reports have no effect.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from hortus.base.errors import describe_error

log = logging.getLogger(__name__)

SHORTEST_PATIENCE_SECONDS = 30.0
"""However short its period, no task is at fault before this: a restart of the database takes seconds."""

_PERIODS_OF_PATIENCE = 3
_LONGEST_PIECE_SECONDS = 120.0
_TELL_AGAIN_SECONDS = 600.0
_LONGEST_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPauses:
    """Pauses before a failed task is restarted: they double, until it has worked well for a while."""

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    well_after_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """The state of one task. `last_success_age_seconds` counts from its first start until it has succeeded."""

    name: str
    last_success_age_seconds: float
    restarts: int
    failure: str | None
    fault: str | None
    serves_requests: bool

    @property
    def is_healthy(self) -> bool:
        """Whether the task does its work."""
        return self.fault is None

    def as_json(self) -> dict[str, Any]:
        """Return the report for /healthz."""
        return {
            "state": self.fault or "Working.",
            "lastSuccessAgeSeconds": round(self.last_success_age_seconds, 3),
            "restarts": self.restarts,
            "lastFailure": self.failure,
        }


class _Watch:
    """What is known of one task."""

    def __init__(
        self,
        name: str,
        every_seconds: float | None,
        clock: Callable[[], float],
        *,
        serves_requests: bool,
    ) -> None:
        self.name = name
        self.serves_requests = serves_requests
        self.restarts = 0
        self._every_seconds = every_seconds
        self._clock = clock
        self._last_success = clock()
        self._failure: str | None = None
        self._is_failing = False
        self._told: str | None = None
        self._told_at = 0.0
        self._pieces: dict[object, float] = {}

    def succeeded(self) -> None:
        if self._is_failing:
            log.log(logging.WARNING if self._told else logging.INFO, "%s: working again", self.name)
        self._last_success = self._clock()
        self._is_failing = False
        self._told = None

    def failed(self, reason: str) -> None:
        self._failure = reason[:_LONGEST_REASON_CHARACTERS]
        self._is_failing = True

    def is_worth_telling(self, reason: str) -> bool:
        """Whether the log does not have this failure yet, or had it long ago."""
        now = self._clock()
        if reason == self._told and now - self._told_at < _TELL_AGAIN_SECONDS:
            return False
        self._told, self._told_at = reason, now
        return True

    def begin_piece(self) -> object:
        token = object()
        self._pieces[token] = self._clock()
        return token

    def end_piece(self, token: object) -> None:
        del self._pieces[token]

    def look(self) -> TaskReport:
        age = self._clock() - self._last_success
        return TaskReport(
            name=self.name,
            last_success_age_seconds=age,
            restarts=self.restarts,
            failure=self._failure,
            fault=self._fault(age),
            serves_requests=self.serves_requests,
        )

    def _fault(self, age_seconds: float) -> str | None:
        because = f" ({self._failure})" if self._failure and self._is_failing else ""
        if self._every_seconds is not None:
            patience = max(SHORTEST_PATIENCE_SECONDS, _PERIODS_OF_PATIENCE * self._every_seconds)
            if age_seconds > patience:
                return f"No success for {age_seconds:.0f} s{because}."
        elif self._is_failing and age_seconds > SHORTEST_PATIENCE_SECONDS:
            return f"Failing for {age_seconds:.0f} s{because}."
        if self._pieces:
            piece_seconds = self._clock() - min(self._pieces.values())
            if piece_seconds > _LONGEST_PIECE_SECONDS:
                return f"Busy with one piece of work for {piece_seconds:.0f} s{because}."
        return None


_current: ContextVar[_Watch | None] = ContextVar("supervised_task", default=None)


def note_success() -> None:
    """Record that the task which calls this did its work, or found none to do."""
    watch = _current.get()
    if watch is not None:
        watch.succeeded()


def note_failure(error: BaseException) -> None:
    """Record why the task which calls this cannot do its work now. The task itself logs it and tries again."""
    watch = _current.get()
    if watch is not None:
        watch.failed(describe_error(error))


@contextmanager
def piece_of_work() -> Iterator[None]:
    """Record that the task which calls this is busy: a piece of work that does not end is a fault.

    For tasks without a period, which wait for work as long as there is none. Several may be under way at once.
    """
    watch = _current.get()
    if watch is None:
        yield
        return
    token = watch.begin_piece()
    try:
        yield
    finally:
        watch.end_piece(token)


class Supervisor:
    """Runs tasks while its context lasts, and restarts each that fails. At the end it cancels all of them.

    Errors of the `expected` types are logged as a sentence, others with their traceback: they are our bugs.
    """

    def __init__(
        self,
        expected: tuple[type[Exception], ...] = (),
        *,
        pauses: RestartPauses | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected = expected
        self._pauses = pauses or RestartPauses()
        self._clock = clock
        self._watches: dict[str, _Watch] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        """Begin supervision; tasks are started one by one with `start`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel all tasks, and wait for their end."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, None]],
        *,
        every_seconds: float | None = None,
        serves_requests: bool = False,
        may_end: bool = False,
    ) -> asyncio.Task[None]:
        """Keep `work` running until the returned task is cancelled.

        A task that has not succeeded for three times `every_seconds` is at fault; None is for tasks that wait
        for work, which are at fault while they fail, or hang (`piece_of_work`). `serves_requests` tells that
        the process should get no requests meanwhile. Work that `may_end` is done when it returns; other work is
        then restarted, as if it had failed.
        """
        if name in self._watches:
            raise ValueError(f"A task named {name} is supervised already.")
        watch = self._watches[name] = _Watch(name, every_seconds, self._clock, serves_requests=serves_requests)
        self._tasks[name] = asyncio.create_task(self._keep_running(watch, work, may_end=may_end), name=name)
        return self._tasks[name]

    def look(self) -> Sequence[TaskReport]:
        """Return the state of all tasks, in the order of their start."""
        return [watch.look() for watch in self._watches.values()]

    async def _keep_running(
        self, watch: _Watch, work: Callable[[], Coroutine[Any, Any, None]], *, may_end: bool
    ) -> None:
        _current.set(watch)
        pause_seconds = self._pauses.first_seconds
        while True:
            started = self._clock()
            error = await self._failure_of(watch.name, work)
            if error is None and may_end:
                return
            if self._clock() - started >= self._pauses.well_after_seconds:
                pause_seconds = self._pauses.first_seconds
            watch.restarts += 1
            self._tell(watch, error, pause_seconds)
            # Jitter: after a restart of the database, many processes reconnect at once.
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, no secret)
            pause_seconds = min(2 * pause_seconds, self._pauses.longest_seconds)

    async def _failure_of(
        self, name: str, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> BaseException | None:
        """Run the work once; return its error, or None if it returned. Raises only if it is to end."""
        task = asyncio.create_task(work(), name=name)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                log.warning("%s: failed while it was stopped: %s", name, describe_error(error))
            raise
        if task.cancelled():
            return asyncio.CancelledError("it was cancelled")
        return task.exception()

    def _tell(self, watch: _Watch, error: BaseException | None, pause_seconds: float) -> None:
        reason = "it ended by itself" if error is None else describe_error(error)
        watch.failed(reason)
        if not watch.is_worth_telling(reason):
            return
        is_bug = error is not None and not self._is_expected(error)
        log.log(
            logging.ERROR if is_bug else logging.WARNING,
            "%s: stopped (%s); it is restarted in about %.0f s",
            *(watch.name, reason, pause_seconds),
            exc_info=error if is_bug and not isinstance(error, asyncio.CancelledError) else None,
        )

    def _is_expected(self, error: BaseException) -> bool:
        if isinstance(error, BaseExceptionGroup):
            return all(self._is_expected(each) for each in error.exceptions)
        return isinstance(error, self._expected)
