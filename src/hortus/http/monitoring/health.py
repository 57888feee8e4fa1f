"""Whether readings flow (P9), judged by what waits and for how long, never by whether a socket is open.

An idle installation is healthy, however long ago its last commit was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hortus.base.database.sessions import ConnectionsShared, require_sessions
from hortus.base.errors import HortusError, describe_error
from hortus.base.supervision import Supervisor, TaskReport
from hortus.flow.gateway.metrics import GatewayFigures
from hortus.flow.ingest.metrics import IngestMetrics, NoticedDamage
from hortus.flow.migrations.revision import require_current
from hortus.http.monitoring.backlog import Backlog, BacklogReader
from hortus.http.server.database_access import database_failures_translated

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 30.0
"""A message that has waited longer than this to be stored is a fault, whatever the cause."""

DAMAGE_SECONDS = 600.0
"""Damage of the database counts as repaired when no reading has met it for this long."""

Trouble = Callable[[float], str]
"""Returns the sentence that says what is wrong after this many seconds without progress, and what to do."""

_DATABASE_SECONDS = 3.0
_SCHEMA_RECHECK_SECONDS = 60.0


def not_stored(seconds: float) -> str:
    """Return what is wrong when messages wait for the database."""
    return f"A message has been waiting to be stored for {seconds:.0f} s. Check that the database answers."


class Flow(Protocol):
    """The part of an IngestPipeline that is monitored."""

    metrics: IngestMetrics

    @property
    def open_messages(self) -> int:
        """The number of messages accepted but not yet settled."""

    @property
    def oldest_wait_seconds(self) -> float:
        """How long the oldest message has been waiting to be processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReport:
    """The state of the storing of readings."""

    messages_waiting: int
    oldest_wait_seconds: float
    last_commit_age_seconds: float | None
    messages_settled: int
    damage: str | None = None
    """What of the database is damaged, if readings have met it lately."""
    trouble: Trouble = not_stored

    @property
    def is_healthy(self) -> bool:
        """Whether no message has waited too long, and none was set aside because the database is damaged."""
        return self.is_flowing and self.damage is None

    @property
    def is_flowing(self) -> bool:
        """Whether no message has waited too long."""
        return self.oldest_wait_seconds <= LONGEST_WAIT_SECONDS

    @property
    def sentence(self) -> str:
        """The state in a sentence for people."""
        if self.damage is not None:
            return self.damage
        if not self.is_flowing:
            return self.trouble(self.oldest_wait_seconds)
        return (
            "Messages are being stored." if self.messages_waiting else "No messages are waiting to be stored."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the report for /healthz."""
        age = self.last_commit_age_seconds
        return {
            "state": self.sentence,
            "messagesWaiting": self.messages_waiting,
            "oldestWaitSeconds": round(self.oldest_wait_seconds, 3),
            "lastCommitAgeSeconds": None if age is None else round(age, 3),
            "messagesSettled": self.messages_settled,
        }


class FlowWatch:
    """Watches a pipeline from one look to the next.

    The pipeline reports how long messages wait to be processed. A batch that is being processed but never
    completes shows only as open messages without a commit between two looks, so that time is counted here.
    """

    def __init__(self, flow: Flow, clock: Callable[[], datetime], trouble: Trouble = not_stored) -> None:
        self._flow = flow
        self._clock = clock
        self._trouble = trouble
        self._batches_seen = -1
        self._no_progress_since = 0.0

    def look(self) -> FlowReport:
        """Return the current state."""
        flow = self._flow
        now = time.monotonic()
        if flow.open_messages == 0 or flow.metrics.batches != self._batches_seen:
            self._batches_seen = flow.metrics.batches
            self._no_progress_since = now
        last_commit_at = flow.metrics.last_commit_at
        return FlowReport(
            messages_waiting=flow.open_messages,
            oldest_wait_seconds=max(flow.oldest_wait_seconds, now - self._no_progress_since),
            last_commit_age_seconds=(
                None if last_commit_at is None else max(0.0, self._clock().timestamp() - last_commit_at)
            ),
            messages_settled=flow.metrics.messages,
            damage=_recent(flow.metrics.damage, now),
            trouble=self._trouble,
        )


def _recent(damage: NoticedDamage | None, now: float) -> str | None:
    return damage.sentence if damage is not None and now - damage.at < DAMAGE_SECONDS else None


@dataclass(frozen=True, slots=True)
class TasksReport:
    """The state of the long-running tasks of this process (P10)."""

    tasks: Sequence[TaskReport]

    @property
    def is_healthy(self) -> bool:
        """Whether each of them does its work."""
        return all(task.is_healthy for task in self.tasks)

    @property
    def sentence(self) -> str:
        """The state in a sentence for people."""
        return _faults(self.tasks) or f"All {len(self.tasks)} tasks do their work."

    @property
    def fault_of_requests(self) -> str | None:
        """What is wrong with tasks that requests depend on, if anything."""
        return _faults([task for task in self.tasks if task.serves_requests])

    def as_json(self) -> dict[str, Any]:
        """Return the report for /healthz."""
        return {"state": self.sentence, **{task.name: task.as_json() for task in self.tasks}}


def _faults(tasks: Sequence[TaskReport]) -> str | None:
    return " ".join(f"{task.name}: {task.fault}" for task in tasks if task.fault) or None


class LiveFeed(Protocol):
    """The part of the live feed that is monitored."""

    @property
    def is_connected(self) -> bool:
        """Whether the feed receives notifications from the database."""

    @property
    def connections(self) -> int:
        """The number of connected clients."""

    @property
    def subscriptions(self) -> int:
        """The number of subscriptions."""


class HealthEndpoints:
    """`/healthz`: is this process doing its work; `/readyz`: may it receive requests."""

    def __init__(
        self,
        engine: AsyncEngine,
        watch: FlowWatch | None,
        counters: object | None,
        live: LiveFeed | None = None,
        backlog: BacklogReader | None = None,
        supervisor: Supervisor | None = None,
        gateway: GatewayFigures | None = None,
    ) -> None:
        self._engine = engine
        self._watch = watch
        self._counters = counters
        self._live = live
        self._backlog = backlog
        self._supervisor = supervisor or Supervisor()
        self._gateway = gateway or GatewayFigures()
        self._schema_known_until = 0.0
        self._told_of_sharing = False

    async def healthz(self, _request: Request) -> Response:
        """Answer 200 or 503, with the state of each part of this process."""
        report = self._watch.look() if self._watch else None
        tasks = TasksReport(self._supervisor.look())
        gateway = await self._gateway.fault()
        healthy = tasks.is_healthy and (report is None or report.is_healthy) and gateway is None
        parts: dict[str, Any] = {"http": {"state": "Answering."}}
        if tasks.tasks:
            parts["tasks"] = tasks.as_json()
        if report is not None:
            parts["ingest"] = report.as_json()
        if self._gateway.is_running:
            parts["gateway"] = {"state": gateway or "Taking readings of boards."}
        if self._counters is not None:
            parts["endpoint"] = {"connections": getattr(self._counters, "connections", None)}
        if self._live is not None:
            parts["live"] = {
                "state": "Sending new values." if self._live.is_connected else "Waiting for the database.",
                "connections": self._live.connections,
                "subscriptions": self._live.subscriptions,
            }
        if self._backlog is not None:
            parts["background"] = _background(await self._backlog.look())
        content = {"status": "healthy" if healthy else "unhealthy", "parts": parts}
        return JSONResponse(content, status_code=200 if healthy else 503)

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 or 503, with each condition and its fault, if any."""
        database = await self._database_fault()
        report = self._watch.look() if self._watch else None
        ingest = report.sentence if report and not report.is_flowing else None
        tasks = TasksReport(self._supervisor.look()).fault_of_requests
        ready = database is None and ingest is None and tasks is None
        content = {
            "status": "ready" if ready else "not ready",
            "checks": {"database": database or "ok", "ingest": ingest or "ok", "tasks": tasks or "ok"},
        }
        return JSONResponse(content, status_code=200 if ready else 503)

    async def _database_fault(self) -> str | None:
        """Return the fault of the database, or None."""
        try:
            with database_failures_translated():
                async with asyncio.timeout(_DATABASE_SECONDS):
                    await self._ask_database()
        except HortusError as error:
            if isinstance(error, ConnectionsShared) and not self._told_of_sharing:
                self._told_of_sharing = True
                log.error("not ready: %s", describe_error(error))
            return str(error)
        return None

    async def _ask_database(self) -> None:
        # Comparing revisions reads the migration files, so it is not done at each probe: a schema never goes
        # back.
        if time.monotonic() > self._schema_known_until:
            await require_current(self._engine)
            await require_sessions(self._engine)
            self._schema_known_until = time.monotonic() + _SCHEMA_RECHECK_SECONDS
            return
        async with self._engine.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")


def _background(backlog: Backlog | None) -> dict[str, Any]:
    """Return the state of background work. Any process may do it, so it makes none unhealthy."""
    if backlog is None:
        return {"state": "The state of background work cannot be read from the database."}
    late = " ".join(queue.sentence for queue in backlog.late)
    return {
        "state": late or "Background work is up to date.",
        **{queue.name: queue.as_json() for queue in backlog.queues},
    }
