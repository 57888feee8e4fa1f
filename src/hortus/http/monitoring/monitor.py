"""What a process knows of its own work, for the pages of administrators."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hortus.base.supervision import Supervisor
from hortus.flow.gateway.metrics import GatewayFigures
from hortus.flow.ingest.messages import ReadingIntake
from hortus.http.monitoring.health import FlowWatch


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """The parts of this process. Without ingest or a gateway, those run in other processes, or nowhere.

    `intake` stores readings that were kept for boards without a name.
    """

    watch: FlowWatch | None = None
    supervisor: Supervisor = field(default_factory=Supervisor)
    gateway: GatewayFigures = field(default_factory=GatewayFigures)
    intake: ReadingIntake | None = None
    started_at: datetime = field(default_factory=_now)
