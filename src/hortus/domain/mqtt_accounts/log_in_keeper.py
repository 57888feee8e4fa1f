"""Collects what happens at log-ins, and writes it down soon, in one go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import note_failure, note_success, piece_of_work
from hortus.base.text import shown
from hortus.domain.mqtt_accounts.log_ins import LogInReport, note_log_ins

log = logging.getLogger(__name__)

# Whoever tries passwords causes one write in this time, whatever their speed.
_COLLECT_SECONDS = 1.0
_RETRY_SECONDS = 5.0
# Beyond this many names at once, somebody invents them; the next second starts anew.
_MOST_NAMES = 500
_LONGEST_ADDRESS = 64
_LONGEST_TOPIC = 200

_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)


def _now() -> datetime:
    return datetime.now(UTC)


class LogInKeeper:
    """Holds at most one report per user name, and few of them; nothing waits for it, and readings never do."""

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], datetime] = _now) -> None:
        self._engine = engine
        self._clock = clock
        self._reports: dict[str, LogInReport] = {}
        self._arrived = asyncio.Event()

    def logged_in(self, serial: str, address: str) -> None:
        """Record that a kit logged in. What was refused before is of the past."""
        before = self._reports.get(serial, LogInReport(username=serial))
        self._keep(
            replace(
                before,
                logged_in_at=self._clock(),
                logged_in_from=_fitting(address, _LONGEST_ADDRESS),
                refused_times=0,
            )
        )

    def refused(self, username: str, address: str, reason: str) -> None:
        """Record that nobody was let in under this name, which may be invented."""
        before = self._reports.get(username, LogInReport(username=username))
        self._keep(
            replace(
                before,
                refused_at=self._clock(),
                refused_from=_fitting(address, _LONGEST_ADDRESS),
                refused_reason=reason,
                refused_times=before.refused_times + 1,
            )
        )

    def topic_refused(self, serial: str, topic: str) -> None:
        """Record that a kit published where it may not."""
        before = self._reports.get(serial, LogInReport(username=serial))
        self._keep(
            replace(before, topic_refused_at=self._clock(), topic_refused=_fitting(topic, _LONGEST_TOPIC))
        )

    async def run(self) -> None:
        """Write collected reports until cancelled; failed writes are retried."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_COLLECT_SECONDS)
            self._arrived.clear()
            reports, self._reports = self._reports, {}
            try:
                with piece_of_work():
                    async with self._engine.begin() as connection:
                        await note_log_ins(connection, reports.values())
                note_success()
            except _DATABASE_FAILURES as error:
                note_failure(error)
                log.info("cannot record log-ins now, will retry: %s", describe_error(error))
                self._reports = reports | self._reports
                self._arrived.set()
                await asyncio.sleep(_RETRY_SECONDS)

    def _keep(self, report: LogInReport) -> None:
        if "\x00" in report.username:
            return  # no serial has it, and PostgreSQL stores no such text
        if report.username not in self._reports and len(self._reports) >= _MOST_NAMES:
            return
        self._reports[report.username] = report
        self._arrived.set()


def _fitting(text: str, most: int) -> str:
    return shown(text)[:most]
