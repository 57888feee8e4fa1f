"""Background work that no request waits for, in `hortus up` or in any number of `hortus jobs` processes.

To add a job, add a line to `JOBS`: a name, and a function that takes the `JobParts` and returns a coroutine
that works until it is cancelled. Several processes run the same jobs on one database, so a job claims its work
under a database lock (an advisory lock, `FOR UPDATE SKIP LOCKED`), or is harmless when done twice. A job may
fail: it is restarted, with growing pauses, and the others are not affected. It reports its successes
(`hortus.base.supervision`), at least once in each `every_seconds`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.app.command_line.database_access import named_data_dir, open_url
from hortus.app.command_line.terminal import DataDirOption, configure_logging, run, stop_requested
from hortus.app.observation import (
    MetricsAddress,
    MetricsHostOption,
    MetricsPortOption,
    metrics_address,
    observed,
)
from hortus.app.signing_keys import shared_keys
from hortus.app.supervision import process_supervisor, task_connector
from hortus.app.waiting import before_stop, wait_for_current_database
from hortus.base.database.engine import TASK_STATEMENT_SECONDS, open_engine
from hortus.base.database.listening import PING_SECONDS
from hortus.base.database.maintenance import EVERY_SECONDS as HOUSEKEEPING_SECONDS
from hortus.base.database.maintenance import maintain
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.base.supervision import Supervisor
from hortus.domain.alerts.judge import AlertJudge
from hortus.domain.alerts.message_ends import note_message_end
from hortus.domain.events.upkeep import EVERY_SECONDS as HISTORIES_SECONDS
from hortus.domain.events.upkeep import keep_histories
from hortus.domain.media.deletion import LOOK_SECONDS as DELETION_SECONDS
from hortus.domain.media.deletion import delete_queued_objects
from hortus.domain.media.objects import MediaObjects
from hortus.domain.media.place import media_of_command
from hortus.domain.media.sweep import EVERY_SECONDS as SWEEP_SECONDS
from hortus.domain.media.sweep import sweep_regularly
from hortus.domain.media.thinning import EVERY_SECONDS as THINNING_SECONDS
from hortus.domain.media.thinning import ThinningPolicy, thin_regularly
from hortus.domain.media.thumbnails import LOOK_SECONDS as THUMBNAIL_SECONDS
from hortus.domain.media.thumbnails import make_thumbnails
from hortus.domain.messages.access import MessageAccess, message_access
from hortus.domain.messages.delivery import POLL_SECONDS as DELIVERY_SECONDS
from hortus.domain.messages.delivery import MessageDelivery
from hortus.domain.presence.keeper import LOOK_SECONDS as PRESENCE_SECONDS
from hortus.domain.presence.keeper import watch_presence
from hortus.domain.series.rollups import EVERY_SECONDS as ROLLUP_SECONDS
from hortus.domain.series.rollups import roll_up_for_ever
from hortus.flow.quarantine.configuration_removal import EVERY_SECONDS as REMOVAL_SECONDS
from hortus.flow.quarantine.configuration_removal import remove_regularly

log = logging.getLogger(__name__)

Part = TypeVar("Part")


def jobs(
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
    data_dir: DataDirOption = None,
) -> None:
    """Do background work on DATABASE_URL: partitions, rollups of series and the like.

    Any number may run at once; they share the work. `hortus up` does the same by itself.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    run(_run(settings, named_data_dir(data_dir, settings), metrics_address(metrics_host, metrics_port)))


async def _run(settings: Settings, data_dir: Path | None, metrics: MetricsAddress | None) -> None:
    if data_dir is None and settings.database_url is None:
        raise UsageError(
            "Set DATABASE_URL to the PostgreSQL of this installation, or name the data directory of one box "
            "with --data-dir or HORTUS_DATA_DIR."
        )
    stop = stop_requested()
    messages = _message_access(settings, data_dir)
    async with (
        open_url(data_dir, settings) as url,
        open_engine(url, statement_seconds=TASK_STATEMENT_SECONDS) as engine,
        process_supervisor() as supervisor,
        observed(metrics, supervisor),
    ):
        waiting = asyncio.create_task(wait_for_current_database(engine, url))
        if await before_stop(waiting, stop):
            waiting.result()
            log.info("background work on %s", url.redacted())
            media = media_of_command(settings, data_dir)
            start_jobs(
                JobParts(settings=settings, url=url, engine=engine, messages=messages, media=media), supervisor
            )
            await stop.wait()
        log.info("stopping: uncommitted work is left to the next process")


def _message_access(settings: Settings, data_dir: Path | None) -> MessageAccess | None:
    """Return the means of sending messages to people, or None without the key that encrypts messages."""
    if settings.token_signer_key is None and data_dir is None:
        return None
    return message_access(settings, shared_keys(settings, data_dir).tokens)


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
        return task_connector(self.url, application_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Background work with a name for log and health.

    It is started where it `needs` nothing that the process lacks; `missing` is said in the log otherwise.
    """

    name: str
    every_seconds: float
    work: Callable[[JobParts], Coroutine[Any, Any, None]]
    needs: Callable[[JobParts], bool] = lambda _parts: True
    missing: str = ""


def _has_messages(parts: JobParts) -> bool:
    return parts.messages is not None


def _has_media(parts: JobParts) -> bool:
    return parts.media is not None


async def _deliver_messages(parts: JobParts) -> None:
    access = _given(parts.messages)
    await MessageDelivery(parts.engine, access.seal, access.carriers(), ended=note_message_end).run()


async def _judge_readings(parts: JobParts) -> None:
    await AlertJudge(parts.connector("hortus alerts"), parts.engine, _given(parts.messages)).run()


def _thinning_policy(settings: Settings) -> ThinningPolicy | None:
    if settings.media_keep_all_days is None:
        return None
    return ThinningPolicy(all_days=settings.media_keep_all_days, hourly_days=settings.media_keep_hourly_days)


async def _remove_deleted_configurations(parts: JobParts) -> None:
    tolerance_ms = parts.settings.clock_tolerance_seconds * 1000
    await remove_regularly(parts.engine, parts.connector("hortus configuration removal"), tolerance_ms)


def _given(part: Part | None) -> Part:
    assert part is not None, "a job starts only with what it needs"
    return part


JOBS: tuple[Job, ...] = (
    Job(
        name="housekeeping",
        every_seconds=HOUSEKEEPING_SECONDS,
        work=lambda parts: maintain(parts.connector("hortus housekeeping")),
    ),
    Job(
        name="rollups",
        every_seconds=ROLLUP_SECONDS,
        work=lambda parts: roll_up_for_ever(parts.connector("hortus rollups")),
    ),
    Job(
        name="messages",
        every_seconds=DELIVERY_SECONDS,
        work=_deliver_messages,
        needs=_has_messages,
        missing="this process sends no messages to people: set TOKEN_SIGNER_KEY, or name --data-dir",
    ),
    Job(
        name="presence",
        every_seconds=PRESENCE_SECONDS,
        work=lambda parts: watch_presence(parts.engine),
    ),
    Job(
        name="media-deletion",
        every_seconds=DELETION_SECONDS,
        work=lambda parts: delete_queued_objects(parts.engine, _given(parts.media)),
        needs=_has_media,
    ),
    Job(
        name="media-sweep",
        every_seconds=SWEEP_SECONDS,
        work=lambda parts: sweep_regularly(parts.engine, _given(parts.media)),
        needs=_has_media,
    ),
    Job(
        name="media-thumbnails",
        every_seconds=THUMBNAIL_SECONDS,
        work=lambda parts: make_thumbnails(parts.connector("hortus thumbnails"), _given(parts.media)),
        needs=_has_media,
    ),
    Job(
        name="media-thinning",
        every_seconds=THINNING_SECONDS,
        work=lambda parts: thin_regularly(parts.engine, _given(_thinning_policy(parts.settings))),
        needs=lambda parts: _thinning_policy(parts.settings) is not None,
    ),
    Job(
        name="configuration-removal",
        every_seconds=REMOVAL_SECONDS,
        work=_remove_deleted_configurations,
    ),
    Job(
        name="histories",
        every_seconds=HISTORIES_SECONDS,
        work=lambda parts: keep_histories(parts.engine),
    ),
    Job(
        name="alerts",
        every_seconds=PING_SECONDS,
        work=_judge_readings,
        needs=_has_messages,
        missing="this process raises no alerts: set TOKEN_SIGNER_KEY, or name --data-dir",
    ),
)
"""All jobs of this version."""


def start_jobs(parts: JobParts, supervisor: Supervisor, jobs: Sequence[Job] = JOBS) -> None:
    """Start all jobs that have what they need. No failing job ends the others."""
    for job in jobs:
        if job.needs(parts):
            supervisor.start(job.name, partial(job.work, parts), every_seconds=job.every_seconds)
        elif job.missing:
            log.warning("%s", job.missing)
