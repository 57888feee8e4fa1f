"""The supervisor of a process, and the tasks that several processes have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg
from sqlalchemy.exc import DBAPIError

from hortus.base.database.engine import CONNECTION_FAILURES, TASK_STATEMENT_SECONDS, connector
from hortus.base.database.listening import PING_SECONDS
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import HortusError
from hortus.base.supervision import RestartPauses, Supervisor
from hortus.domain.kits.announcements import Listener, follow_announcements
from hortus.domain.presence.listening import BEAT_SECONDS, keep_listening
from hortus.flow.commands.watch import CommandWatch, follow_commands
from hortus.http.live.hub import LiveHub


def process_supervisor(pauses: RestartPauses | None = None) -> Supervisor:
    """Return a supervisor that takes failures of the surroundings for what they are, and not for our bugs."""
    return Supervisor((*CONNECTION_FAILURES, DBAPIError, HortusError), pauses=pauses)


def task_connector(url: DatabaseUrl, application_name: str) -> Callable[[], Awaitable[asyncpg.Connection]]:
    """Return a function that opens plain connections for a long-running task."""
    return connector(url, application_name, statement_seconds=TASK_STATEMENT_SECONDS)


def start_following_kits(supervisor: Supervisor, url: DatabaseUrl, listeners: list[Listener]) -> None:
    """Keep telling the listeners of changed kits, configurations and quantity types."""
    follow = partial(follow_announcements, task_connector(url, "hortus announcements"), listeners)
    supervisor.start("kit-changes", follow, every_seconds=PING_SECONDS)


def start_listening_record(
    supervisor: Supervisor, url: DatabaseUrl, can_hear: Callable[[], bool] = lambda: True
) -> None:
    """Keep recording that this process can hear kits."""
    keep = partial(keep_listening, task_connector(url, "hortus listening"), can_hear)
    supervisor.start("listening-record", keep, every_seconds=BEAT_SECONDS)


def start_answering_requests(
    supervisor: Supervisor, url: DatabaseUrl, hub: LiveHub, commands: CommandWatch
) -> None:
    """Keep up what requests wait for: the live feed, and the ends of commands to kits."""
    follow = partial(follow_commands, task_connector(url, "hortus commands"), commands)
    supervisor.start("command-results", follow, every_seconds=PING_SECONDS, serves_requests=True)
    supervisor.start("live-feed", hub.run, every_seconds=PING_SECONDS, serves_requests=True)
