"""The supervisor: whatever ends is started again, and a task that does nothing is seen (P10)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from hortus.base.errors import OperationalError
from hortus.base.supervision import (
    RestartPauses,
    Supervisor,
    TaskReport,
    note_failure,
    note_success,
    piece_of_work,
)
from waiting import until

AT_ONCE = RestartPauses(first_seconds=0.001, longest_seconds=0.002)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def _report(supervisor: Supervisor) -> TaskReport:
    [report] = supervisor.look()
    return report


async def _raises() -> None:
    raise ValueError("a fault in the program")


async def _returns() -> None:
    return


async def _is_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def _fails_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_raises())


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (_raises, "a fault in the program"),
        (_returns, "it ended by itself"),
        (_is_cancelled, "it was cancelled"),
        (_fails_in_a_group, "a fault in the program"),
    ],
)
async def test_a_task_that_ends_in_any_way_is_started_again_and_counted(
    end: Callable[[], Awaitable[None]], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    starts = 0
    works_again = asyncio.Event()

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts <= 2:
            await end()
            return
        note_success()
        works_again.set()
        await asyncio.Event().wait()

    async with Supervisor(pauses=AT_ONCE) as supervisor:
        supervisor.start("work", work)
        await until(works_again.is_set)
        report = _report(supervisor)
    assert (report.restarts, report.failure, report.is_healthy) == (2, reason, True)
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith(f"work: stopped ({reason})")
    assert said[1] == "work: working again"  # the same reason was not said twice
    assert len(said) == 2


async def test_only_unexpected_errors_have_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    errors = [OperationalError("The broker is away."), KeyError("ours")]

    async def work() -> None:
        if errors:
            raise errors.pop(0)
        await asyncio.Event().wait()

    async with Supervisor((OperationalError,), pauses=AT_ONCE) as supervisor:
        supervisor.start("work", work)
        await until(lambda: _report(supervisor).restarts == 2)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]
    assert [record.exc_info is not None for record in caplog.records] == [False, True]


async def test_a_failing_task_harms_no_other() -> None:
    worked = asyncio.Event()

    async def other() -> None:
        await until(lambda: supervisor.look()[0].restarts > 3)
        worked.set()
        await asyncio.Event().wait()

    async with Supervisor(pauses=AT_ONCE) as supervisor:
        supervisor.start("fails", _raises)
        supervisor.start("works", other)
        await until(worked.is_set)
        assert supervisor.look()[1].restarts == 0


async def test_work_that_may_end_is_over_when_it_returns_but_not_when_it_fails() -> None:
    ends = [_raises, _returns]

    async def work() -> None:
        await ends.pop(0)()

    async with Supervisor(pauses=AT_ONCE) as supervisor:
        task = supervisor.start("work", work, may_end=True)
        await until(task.done)
        assert ends == []
        assert task.exception() is None


async def test_a_periodic_task_is_at_fault_after_three_periods_and_not_before() -> None:
    clock = Clock()
    goes_on = asyncio.Event()

    async def work() -> None:
        while True:
            await goes_on.wait()
            goes_on.clear()
            note_success()

    async with Supervisor(clock=clock) as supervisor:
        supervisor.start("rounds", work, every_seconds=20)
        clock.seconds = 60
        assert _report(supervisor).is_healthy
        clock.seconds = 61
        report = _report(supervisor)
        assert (report.fault, report.last_success_age_seconds) == ("No success for 61 s.", 61)
        goes_on.set()
        await until(lambda: _report(supervisor).is_healthy)
        assert _report(supervisor).last_success_age_seconds == 0


async def test_a_task_that_says_why_it_fails_is_at_fault_with_this_reason_until_it_succeeds() -> None:
    clock = Clock()
    mended = asyncio.Event()

    async def work() -> None:
        note_failure(TimeoutError())
        await mended.wait()
        note_success()
        await asyncio.Event().wait()

    async with Supervisor(clock=clock) as supervisor:
        supervisor.start("connection", work)
        await until(lambda: _report(supervisor).failure)
        clock.seconds = 29
        assert _report(supervisor).is_healthy  # a restart of the database takes as long
        clock.seconds = 31
        assert _report(supervisor).fault == "Failing for 31 s (no answer in time)."
        mended.set()
        await until(lambda: _report(supervisor).is_healthy)


async def test_a_task_that_waits_for_work_is_healthy_and_one_that_hangs_in_its_work_is_not() -> None:
    clock = Clock()
    arrives, busy, hangs = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def one_by_one() -> None:
        await arrives.wait()
        with piece_of_work():
            busy.set()
            await hangs.wait()
        note_success()
        await asyncio.Event().wait()

    async def work() -> None:
        async with asyncio.TaskGroup() as group:  # its tasks report for it
            group.create_task(one_by_one())

    async with Supervisor(clock=clock) as supervisor:
        supervisor.start("answers", work)
        clock.seconds = 10_000
        assert _report(supervisor).is_healthy
        arrives.set()
        await until(busy.is_set)
        clock.seconds = 11_000
        assert _report(supervisor).fault == "Busy with one piece of work for 1000 s."
        hangs.set()
        await until(lambda: _report(supervisor).is_healthy)


class _Endless:
    """Work that goes on until it is cancelled, and takes a moment to end."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = False

    async def __call__(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended = True


async def test_at_the_end_all_tasks_have_ended_in_order() -> None:
    work = _Endless()
    async with Supervisor() as supervisor:
        supervisor.start("work", work)
        await work.started.wait()
    assert work.ended


async def test_one_task_can_be_ended_before_the_others() -> None:
    work = _Endless()
    async with Supervisor() as supervisor:
        task = supervisor.start("work", work)
        await work.started.wait()
        task.cancel()
        await asyncio.wait({task})
        assert work.ended


async def test_reports_outside_a_supervisor_have_no_effect() -> None:
    with piece_of_work():
        note_success()
        note_failure(ValueError("nobody hears this"))


async def test_two_tasks_cannot_have_one_name() -> None:
    async with Supervisor() as supervisor:
        supervisor.start("work", asyncio.Event().wait)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="supervised already"):
            supervisor.start("work", asyncio.Event().wait)  # type: ignore[arg-type]
