"""`hortus sink`: takes what is in Kafka to the database, for ever or, with `--from`, once more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from hortus.app.command_line.terminal import stop_requested
from hortus.app.database_wait import wait_for_current_database
from hortus.app.kafka_access import wait_for_topics
from hortus.app.kafka_observation import MetricsAddress, observed
from hortus.app.memory import settle_memory
from hortus.app.pipelines import make_pipeline
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.settings import Settings
from hortus.domain.kits.announcements import follow_announcements
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.place import open_media_objects
from hortus.domain.presence.listening import keep_listening
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.kafka.connection import kafka_connection
from hortus.flow.kafka.replay import Progress, Replay
from hortus.flow.kafka.sink import KafkaSink
from hortus.flow.kafka.topics import StreamChoice, TopicNames

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10.0


async def run_sink(settings: Settings, choice: StreamChoice, metrics: MetricsAddress | None = None) -> None:
    """Store what comes until SIGINT or SIGTERM, then finish what was begun."""
    connection, names = kafka_connection(settings), TopicNames.of(settings)
    topics = names.chosen(choice)
    url = _database_url(settings)
    stop = stop_requested()
    if not (await wait_for_topics(connection, topics, stop) and await _database_is_ready(url, stop)):
        return
    async with _running_pipeline(settings, url) as pipeline:
        sink = KafkaSink(connection, names, topics, pipeline, group=settings.kafka_consumer_group)
        async with observed(metrics, pipeline, sink), asyncio.TaskGroup() as group:
            group.create_task(sink.run())
            settle_memory()
            log.info("taking %s from Kafka at %s to %s", choice, connection.bootstrap, url.redacted())
            await stop.wait()
            log.info("stopping: finishing what was read")
            sink.stop()
    log.info("stopped after %d messages", pipeline.metrics.messages)


async def run_replay(
    settings: Settings, choice: StreamChoice, since: datetime, progress: Progress
) -> int | None:
    """Store what is in Kafka from a moment on once more; return how many records, None if stopped before."""
    connection, names = kafka_connection(settings), TopicNames.of(settings)
    topics = names.chosen(choice)
    url = _database_url(settings)
    stop = stop_requested()
    if not (await wait_for_topics(connection, topics, stop) and await _database_is_ready(url, stop)):
        return None
    async with _running_pipeline(settings, url) as pipeline:
        replay = Replay(connection, names, topics, pipeline, since=since)
        working = asyncio.ensure_future(replay.run(progress))
        return working.result() if await _before_stop(working, stop) else None


def _database_url(settings: Settings) -> DatabaseUrl:
    if settings.database_url is None:
        raise UsageError("Set DATABASE_URL to the PostgreSQL that readings go to.")
    return DatabaseUrl.parse(settings.database_url.get_secret_value())


async def _database_is_ready(url: DatabaseUrl, stop: asyncio.Event) -> bool:
    """Wait for the database. Return False if asked to stop before."""
    async with open_engine(url) as engine:
        waiting = asyncio.ensure_future(wait_for_current_database(engine, url))
        if not await _before_stop(waiting, stop):
            return False
        waiting.result()
        return True


async def _before_stop(work: asyncio.Future[Any], stop: asyncio.Event) -> bool:
    """Wait for the work. Return False, with the work cancelled, if asked to stop before its end."""
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if work.done():
        return True
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return False


@asynccontextmanager
async def _running_pipeline(settings: Settings, url: DatabaseUrl) -> AsyncIterator[IngestPipeline]:
    """Yield the path to the database at work; at the end, what it was given is finished."""
    registry = KitRegistry()
    pipeline = make_pipeline(settings, url, registry, open_media_objects(settings), "hortus sink")
    async with asyncio.TaskGroup() as group:
        working = group.create_task(pipeline.run())
        following = group.create_task(
            follow_announcements(connector(url, "hortus announcements"), [registry.changed])
        )
        listening = group.create_task(keep_listening(connector(url, "hortus listening")))
        try:
            yield pipeline
        finally:
            await pipeline.stop(_DRAIN_SECONDS)
            following.cancel()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
