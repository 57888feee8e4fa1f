"""The command `hortus jobs`: background work as a process of its own, any number at once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from hortus.app.database_wait import wait_for_current_database
from hortus.app.jobs import JobParts, run_jobs
from hortus.command_database import open_url
from hortus.command_line import DataDirOption, configure_logging, run, stop_requested
from hortus.database.engine import open_engine
from hortus.errors import UsageError
from hortus.settings import Settings, read_settings

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
    async with open_url(data_dir, settings) as url, open_engine(url) as engine, asyncio.TaskGroup() as group:
        working = group.create_task(_work(JobParts(settings=settings, url=url, engine=engine)))
        await stop.wait()
        log.info("stopping: what was not committed is done by the next process")
        working.cancel()


async def _work(parts: JobParts) -> None:
    await wait_for_current_database(parts.engine, parts.url)
    log.info("background work on %s", parts.url.redacted())
    await run_jobs(parts)
