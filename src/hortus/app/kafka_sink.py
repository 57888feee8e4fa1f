"""`hortus sink`: moves records from Kafka to the database, continuously or, with `--from`, as a replay."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Annotated

import typer
from rich.progress import Progress as ProgressBar

from hortus.app.assembly import make_pipeline
from hortus.app.command_line.terminal import configure_logging, console, messages, run, stop_requested
from hortus.app.observation import (
    MetricsAddress,
    MetricsHostOption,
    MetricsPortOption,
    metrics_address,
    observed,
)
from hortus.app.resources import settle_memory
from hortus.app.supervision import process_supervisor, start_following_kits, start_listening_record
from hortus.app.waiting import before_stop, wait_for_current_database, wait_for_topics
from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import OperationalError, UsageError
from hortus.base.settings import Settings, read_settings
from hortus.base.supervision import Supervisor
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.place import open_media_objects
from hortus.flow.ingest.pipeline import IngestPipeline
from hortus.flow.kafka.connection import kafka_connection
from hortus.flow.kafka.replay import Progress, Replay
from hortus.flow.kafka.sink import KafkaSink
from hortus.flow.kafka.topics import StreamChoice, TopicNames

log = logging.getLogger(__name__)

# Sink and replay have waited for their records themselves. What is stored later is read again all the same.
_DRAIN_SECONDS = 0.5
_LOG_SECONDS = 5.0


def sink(
    stream: Annotated[
        StreamChoice,
        typer.Option("--stream", help="What to read; dead letters are read with each of them."),
    ] = StreamChoice.ALL,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Read everything that arrived from this moment on once more, then end. With a time zone: "
            "2026-11-22T14:00:00Z.",
            show_default=False,
        ),
    ] = None,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
) -> None:
    """Move readings from Kafka (KAFKA_HOST, …) to the database (DATABASE_URL)."""
    settings = read_settings()
    configure_logging(settings.log_level)
    if since is None:
        run(run_sink(settings, stream, metrics_address(metrics_host, metrics_port)))
        return
    moment = parse_moment(since)
    with progress_shown() as progress:
        records = run(run_replay(settings, stream, moment, progress))
    if records is None:
        raise ReplayStopped
    console.print(f"Replayed {records} records.")


class ReplayStopped(UsageError):
    """A replay was interrupted."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("The replay was stopped. What it stored stays; run it again to store the rest.")


class OffsetsNotCommitted(OperationalError):
    """Kafka did not confirm the last offsets of a sink that was stopped."""

    def __init__(self) -> None:
        super().__init__(
            "The sink was stopped, but Kafka did not confirm its last offsets. Nothing is lost: the records "
            "after those are read again, which has no effect."
        )


def parse_moment(text: str) -> datetime:
    """Parse a moment written by a person. Raises UsageError if it has no time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(
            f"--from takes a moment with its time zone, such as 2026-11-22T14:00:00Z or "
            f"2026-11-22T15:00+01:00, not {text!r}."
        )
    return moment


@contextmanager
def progress_shown() -> Iterator[Progress]:
    """Yield a progress callback: a bar on a terminal, otherwise a log line now and then."""
    if not messages.is_terminal:
        yield _LoggedProgress()
        return
    with ProgressBar(console=messages) as bar:
        task = bar.add_task("records", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _LoggedProgress:
    """Logs a line every few seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._next or done == total:
            log.info("replayed %d of %d records", done, total)
            self._next = time.monotonic() + _LOG_SECONDS


async def run_sink(settings: Settings, choice: StreamChoice, metrics: MetricsAddress | None = None) -> None:
    """Store records until SIGINT or SIGTERM, then finish work in progress. Raises OffsetsNotCommitted."""
    connection, names = kafka_connection(settings), TopicNames.of(settings)
    topics = names.chosen(choice)
    url = _database_url(settings)
    stop = stop_requested()
    if not (await wait_for_topics(connection, topics, stop) and await _database_is_ready(url, stop)):
        return
    async with process_supervisor() as supervisor, _running_pipeline(settings, url, supervisor) as pipeline:
        sink = KafkaSink(connection, names, topics, pipeline, group=settings.kafka_consumer_group)
        async with observed(metrics, supervisor, pipeline, sink):
            reading = supervisor.start("kafka-readers", sink.run, may_end=True)
            settle_memory()
            log.info("taking %s from Kafka at %s to %s", choice, connection.bootstrap, url.redacted())
            await stop.wait()
            log.info("stopping: finishing the records read")
            sink.stop()
            await asyncio.wait({reading})
    log.info("stopped after %d messages", pipeline.metrics.messages)
    if not sink.has_committed:
        raise OffsetsNotCommitted


async def run_replay(
    settings: Settings, choice: StreamChoice, since: datetime, progress: Progress
) -> int | None:
    """Store the records in Kafka from a moment on again; return their number, or None if interrupted."""
    connection, names = kafka_connection(settings), TopicNames.of(settings)
    topics = names.chosen(choice)
    url = _database_url(settings)
    stop = stop_requested()
    if not (await wait_for_topics(connection, topics, stop) and await _database_is_ready(url, stop)):
        return None
    async with (
        process_supervisor() as supervisor,
        _running_pipeline(settings, url, supervisor, for_operator=True) as pipeline,
    ):
        replay = Replay(connection, names, topics, pipeline, since=since)
        working = asyncio.ensure_future(replay.run(progress))
        return working.result() if await before_stop(working, stop) else None


def _database_url(settings: Settings) -> DatabaseUrl:
    if settings.database_url is None:
        raise UsageError("Set DATABASE_URL to the PostgreSQL that readings go to.")
    return DatabaseUrl.parse(settings.database_url.get_secret_value())


async def _database_is_ready(url: DatabaseUrl, stop: asyncio.Event) -> bool:
    """Wait for the database. Return False if asked to stop first."""
    async with open_engine(url) as engine:
        waiting = asyncio.ensure_future(wait_for_current_database(engine, url))
        if not await before_stop(waiting, stop):
            return False
        waiting.result()
        return True


@asynccontextmanager
async def _running_pipeline(
    settings: Settings, url: DatabaseUrl, supervisor: Supervisor, *, for_operator: bool = False
) -> AsyncIterator[IngestPipeline]:
    """Yield a running pipeline to the database; at the end, it finishes the messages it was given."""
    registry = KitRegistry()
    objects = open_media_objects(settings)
    pipeline = make_pipeline(settings, url, registry, objects, "hortus sink", for_operator=for_operator)
    supervisor.start("storing", pipeline.run, may_end=True)
    start_following_kits(supervisor, url, [registry.changed])
    start_listening_record(supervisor, url)
    try:
        yield pipeline
    finally:
        await pipeline.stop(_DRAIN_SECONDS)
