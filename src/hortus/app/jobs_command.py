"""The command `hortus jobs`: background work as a process of its own, any number at once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from hortus.app.command_line.database_access import open_url
from hortus.app.command_line.terminal import DataDirOption, configure_logging, run, stop_requested
from hortus.app.database_wait import wait_for_current_database
from hortus.app.jobs import JobParts, run_jobs
from hortus.app.signing_keys import shared_keys
from hortus.base.database.engine import open_engine
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.media.place import media_of_command
from hortus.domain.messages.access import MessageAccess, message_access

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
        log.info("stopping: what was not committed is done by the next process")
        working.cancel()


def _message_access(settings: Settings, data_dir: Path | None) -> MessageAccess | None:
    """Return how people are reached, or None without the key that messages are encrypted with."""
    if settings.token_signer_key is None and data_dir is None:
        return None
    return message_access(settings, shared_keys(settings, data_dir).tokens)


async def _work(parts: JobParts) -> None:
    await wait_for_current_database(parts.engine, parts.url)
    log.info("background work on %s", parts.url.redacted())
    await run_jobs(parts)
