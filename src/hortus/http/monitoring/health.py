"""Whether readings flow (P9): judged by what waits and for how long, never by whether a socket is open.

An installation with nothing to do is healthy, however long ago its last commit was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hortus.base.errors import HortusError
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.migrations.revision import require_current
from hortus.http.monitoring.backlog import Backlog, BacklogReader
from hortus.http.server.database_access import database_failures_translated

LONGEST_WAIT_SECONDS = 30.0
"""A message that waits longer than this to be stored is a fault, whatever its cause."""

_DATABASE_SECONDS = 3.0
_SCHEMA_RECHECK_SECONDS = 60.0


class Flow(Protocol):
    """What is looked at of an IngestPipeline."""

    metrics: IngestMetrics

    @property
    def open_messages(self) -> int:
        """How many messages are taken in and not settled."""

    @property
    def oldest_wait_seconds(self) -> float:
        """For how long the oldest message has been waiting to be taken up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReport:
    """How the storing of readings goes."""

    messages_waiting: int
    oldest_wait_seconds: float
    last_commit_age_seconds: float | None
    messages_settled: int

    @property
    def is_healthy(self) -> bool:
        """Whether nothing waits too long."""
        return self.oldest_wait_seconds <= LONGEST_WAIT_SECONDS

    @property
    def sentence(self) -> str:
        """How it goes, for a person."""
        if not self.is_healthy:
            return (
                f"A message has been waiting to be stored for {self.oldest_wait_seconds:.0f} s. "
                "See whether the database answers."
            )
        return "Messages are being stored." if self.messages_waiting else "Nothing waits to be stored."

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

    The pipeline tells how long messages wait to be taken up. A batch that was taken up and does not come to
    its end shows only as open messages without any commit between two looks, so that time is counted here.
    """

    def __init__(self, flow: Flow, clock: Callable[[], datetime]) -> None:
        self._flow = flow
        self._clock = clock
        self._batches_seen = -1
        self._no_progress_since = 0.0

    def look(self) -> FlowReport:
        """Return how it goes now."""
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
        )


class LiveFeed(Protocol):
    """The live feed, as far as its health and figures go."""

    @property
    def is_connected(self) -> bool:
        """Whether it hears of what is stored."""

    @property
    def connections(self) -> int:
        """How many clients are connected."""

    @property
    def subscriptions(self) -> int:
        """How many hear something."""


class HealthEndpoints:
    """`/healthz`: is this process doing its work; `/readyz`: may it be given work."""

    def __init__(
        self,
        engine: AsyncEngine,
        watch: FlowWatch | None,
        counters: object | None,
        live: LiveFeed | None = None,
        backlog: BacklogReader | None = None,
    ) -> None:
        self._engine = engine
        self._watch = watch
        self._counters = counters
        self._live = live
        self._backlog = backlog
        self._schema_known_until = 0.0

    async def healthz(self, _request: Request) -> Response:
        """Answer 200 or 503, with the parts of this process and how each does."""
        report = self._watch.look() if self._watch else None
        healthy = report is None or report.is_healthy
        parts: dict[str, Any] = {"http": {"state": "Answering."}}
        if report is not None:
            parts["ingest"] = report.as_json()
        if self._counters is not None:
            parts["endpoint"] = {"connections": getattr(self._counters, "connections", None)}
        if self._live is not None:
            # Not unhealthy while the database is away: nothing is wrong with this process then.
            parts["live"] = {
                "state": "Telling what is stored." if self._live.is_connected else "Waiting for the database.",
                "connections": self._live.connections,
                "subscriptions": self._live.subscriptions,
            }
        if self._backlog is not None:
            parts["background"] = _background(await self._backlog.look())
        content = {"status": "healthy" if healthy else "unhealthy", "parts": parts}
        return JSONResponse(content, status_code=200 if healthy else 503)

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 or 503, with each condition and what is wrong about it."""
        database = await self._database_fault()
        report = self._watch.look() if self._watch else None
        ingest = report.sentence if report and not report.is_healthy else None
        ready = database is None and ingest is None
        content = {
            "status": "ready" if ready else "not ready",
            "checks": {"database": database or "ok", "ingest": ingest or "ok"},
        }
        return JSONResponse(content, status_code=200 if ready else 503)

    async def _database_fault(self) -> str | None:
        """Return what is wrong with the database, or None."""
        try:
            with database_failures_translated():
                async with asyncio.timeout(_DATABASE_SECONDS):
                    await self._ask_database()
        except HortusError as error:
            return str(error)
        return None

    async def _ask_database(self) -> None:
        # Comparing revisions reads the migrations' files: not with each probe. A database does not go back.
        if time.monotonic() > self._schema_known_until:
            await require_current(self._engine)
            self._schema_known_until = time.monotonic() + _SCHEMA_RECHECK_SECONDS
            return
        async with self._engine.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")


def _background(backlog: Backlog | None) -> dict[str, Any]:
    """Return how background work stands, whichever process does it: so it makes none unhealthy."""
    if backlog is None:
        return {"state": "The database does not tell what waits."}
    late = " ".join(queue.sentence for queue in backlog.late)
    return {
        "state": late or "Work is done in time.",
        **{queue.name: queue.as_json() for queue in backlog.queues},
    }
