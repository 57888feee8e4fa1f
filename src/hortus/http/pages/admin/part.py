"""A part of an installation as the overview shows it, and what is known of all parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hortus.base.supervision import TaskReport
from hortus.domain.administration.figures import PartFigures
from hortus.domain.administration.storage import Storage
from hortus.http.monitoring.backlog import Backlog
from hortus.http.monitoring.health import FlowReport


@dataclass(frozen=True, slots=True)
class Link:
    """An address of ours and its words."""

    path: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of the overview. `sign` is one of signs.py; `link` leads to more."""

    key: str
    name: str
    sign: str
    words: str
    since: datetime | None = None
    advice: str = ""
    link: Link | None = None

    @property
    def needs_you(self) -> bool:
        """Whether an administrator has to do something."""
        return self.sign in {"attention", "failed", "late"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known. `figures` and `storage` are None if the database does not answer."""

    now: datetime
    started_at: datetime
    flow: FlowReport | None
    tasks: Sequence[TaskReport]
    gateway_fault: str | None
    has_gateway: bool
    has_mail: bool
    backlog: Backlog | None
    figures: PartFigures | None
    storage: Storage | None
    database_took: timedelta
