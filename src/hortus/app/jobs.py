"""Background work that no request waits for, in `hortus up` or in any number of `hortus jobs` processes.

To add a job, add a line to `JOBS`: a name, and a function that takes the `JobParts` and returns a coroutine
that works until it is cancelled. Several processes run the same jobs on one database, so a job claims its work
under a database lock (an advisory lock, `FOR UPDATE SKIP LOCKED`), or is harmless when done twice. A job may
fail: it is restarted, with growing pauses, and the others are not affected.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.app.command_line.database_access import open_url
from hortus.app.command_line.terminal import DataDirOption, configure_logging, run, stop_requested
from hortus.app.signing_keys import shared_keys
from hortus.app.waiting import wait_for_current_database
from hortus.base.database.engine import CONNECTION_FAILURES, connector, open_engine
from hortus.base.database.maintenance import maintain
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import HortusError, UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.alerts.judge import AlertJudge
from hortus.domain.alerts.message_ends import note_message_end
from hortus.domain.media.deletion import delete_queued_objects
from hortus.domain.media.objects import MediaObjects
from hortus.domain.media.place import media_of_command
from hortus.domain.media.sweep import sweep_regularly
from hortus.domain.media.thinning import ThinningPolicy, thin_regularly
from hortus.domain.media.thumbnails import make_thumbnails
from hortus.domain.messages.access import MessageAccess, message_access
from hortus.domain.messages.delivery import MessageDelivery
from hortus.domain.presence.keeper import watch_presence
from hortus.domain.series.rollups import roll_up_for_ever

log = logging.getLogger(__name__)


def jobs(data_dir: DataDirOption = None) -> None:
    """Do background work on DATABASE_URL: partitions, rollups of series and the like.

    Any number may run at once; they share the work. `hortus up` does the same by itself.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    run(_run(settings, data_dir))


async def _run(settings: Settings, data_dir: Path | None) -> None:
    if data_dir is None and settings.database_url is None:
        raise UsageError(
            "Set DATABASE_URL to the PostgreSQL of this installation, or name the data directory of one box "
            "with --data-dir."
        )
    stop = stop_requested()
    messages = _message_access(settings, data_dir)
    async with open_url(data_dir, settings) as url, open_engine(url) as engine, asyncio.TaskGroup() as group:
        media = media_of_command(settings, data_dir)
        parts = JobParts(settings=settings, url=url, engine=engine, messages=messages, media=media)
        working = group.create_task(_work(parts))
        await stop.wait()
        log.info("stopping: uncommitted work is left to the next process")
        working.cancel()


def _message_access(settings: Settings, data_dir: Path | None) -> MessageAccess | None:
    """Return the means of sending messages to people, or None without the key that encrypts messages."""
    if settings.token_signer_key is None and data_dir is None:
        return None
    return message_access(settings, shared_keys(settings, data_dir).tokens)


async def _work(parts: JobParts) -> None:
    await wait_for_current_database(parts.engine, parts.url)
    log.info("background work on %s", parts.url.redacted())
    await run_jobs(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobParts:
    """The resources of jobs. `engine` is shared by all; a job that listens or waits opens its own connection.

    `messages` is None in a process without the installation's key, which cannot send messages; `media` is None
    in a process without a configured media store.
    """

    settings: Settings
    url: DatabaseUrl
    engine: AsyncEngine
    messages: MessageAccess | None = None
    media: MediaObjects | None = None

    def connector(self, application_name: str) -> Callable[[], Awaitable[asyncpg.Connection]]:
        """Return a function that opens plain connections, which PostgreSQL shows under this name."""
        return connector(self.url, application_name)


@dataclass(frozen=True, slots=True)
class Job:
    """Background work with a name for the log."""

    name: str
    work: Callable[[JobParts], Coroutine[Any, Any, None]]


async def _deliver_messages(parts: JobParts) -> None:
    access = parts.messages
    if access is None:
        log.warning("this process sends no messages to people: set TOKEN_SIGNER_KEY, or name --data-dir")
        await asyncio.Event().wait()
        return
    await MessageDelivery(parts.engine, access.seal, access.carriers(), ended=note_message_end).run()


async def _judge_readings(parts: JobParts) -> None:
    access = parts.messages
    if access is None:
        log.warning("this process raises no alerts: set TOKEN_SIGNER_KEY, or name --data-dir")
        await asyncio.Event().wait()
        return
    await AlertJudge(parts.connector("hortus alerts"), parts.engine, access).run()


def _of_media(
    work: Callable[[JobParts, MediaObjects], Coroutine[Any, Any, None]],
) -> Callable[[JobParts], Coroutine[Any, Any, None]]:
    """Return a job that does nothing in a process without a media store."""

    async def working(parts: JobParts) -> None:
        if parts.media is None:
            await asyncio.Event().wait()
        else:
            await work(parts, parts.media)

    return working


def _thinning_policy(settings: Settings) -> ThinningPolicy | None:
    if settings.media_keep_all_days is None:
        return None
    return ThinningPolicy(all_days=settings.media_keep_all_days, hourly_days=settings.media_keep_hourly_days)


JOBS: tuple[Job, ...] = (
    Job("housekeeping", lambda parts: maintain(parts.connector("hortus housekeeping"))),
    Job("rollups", lambda parts: roll_up_for_ever(parts.connector("hortus rollups"))),
    Job("messages", _deliver_messages),
    Job("presence", lambda parts: watch_presence(parts.engine)),
    Job("media-deletion", _of_media(lambda parts, media: delete_queued_objects(parts.engine, media))),
    Job("media-sweep", _of_media(lambda parts, media: sweep_regularly(parts.engine, media))),
    Job(
        "media-thumbnails",
        _of_media(lambda parts, media: make_thumbnails(parts.connector("hortus thumbnails"), media)),
    ),
    Job("media-thinning", lambda parts: thin_regularly(parts.engine, _thinning_policy(parts.settings))),
    Job("alerts", _judge_readings),
)
"""All jobs of this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPauses:
    """Pauses before a failed job is restarted: they double, until it has worked well for a while."""

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    well_after_seconds: float = 120.0


async def run_jobs(parts: JobParts, jobs: Sequence[Job] = JOBS, pauses: RestartPauses | None = None) -> None:
    """Run all jobs until cancelled. No failing job ends the others."""
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(_run_for_ever(job, parts, pauses or RestartPauses()), name=job.name)


async def _run_for_ever(job: Job, parts: JobParts, pauses: RestartPauses) -> None:
    pause = pauses.first_seconds
    while True:
        started = time.monotonic()
        reason = "it ended by itself"
        try:
            await job.work(parts)
        except (*CONNECTION_FAILURES, DBAPIError, HortusError) as error:
            reason = str(getattr(error, "orig", error)).partition("\n")[0] or type(error).__name__
        except Exception as error:  # a bug in one job must not end the others; the traceback locates it
            log.exception("the job %s failed unexpectedly", job.name)
            reason = type(error).__name__
        if time.monotonic() - started >= pauses.well_after_seconds:
            pause = pauses.first_seconds
        log.warning("the job %s stopped (%s); it starts again in about %.0f s", job.name, reason, pause)
        # Jitter: after a restart of the database, many processes reconnect at once.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)
        pause = min(2 * pause, pauses.longest_seconds)
