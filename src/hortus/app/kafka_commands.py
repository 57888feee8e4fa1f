"""The command `hortus sink`, and the options that it shares with `hortus ingest`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from rich.progress import Progress as ProgressBar

from hortus.app.command_line.terminal import configure_logging, console, messages, run
from hortus.app.kafka_observation import MetricsAddress
from hortus.app.kafka_sink import run_replay, run_sink
from hortus.base.errors import UsageError
from hortus.base.settings import read_settings
from hortus.flow.kafka.replay import Progress
from hortus.flow.kafka.topics import StreamChoice

log = logging.getLogger(__name__)

MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        min=0,
        max=65535,
        help="Serve /metrics, /healthz and /readyz on this port.",
        show_default=False,
    ),
]
MetricsHostOption = Annotated[str, typer.Option("--metrics-host", help="Address for --metrics-port.")]

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
    """Take readings from Kafka (KAFKA_HOST, …) to the database (DATABASE_URL)."""
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
    """Somebody ended a replay."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("The replay was stopped. What it stored stays; run it again to store the rest.")


def metrics_address(host: str, port: int | None) -> MetricsAddress | None:
    """Return where to serve metrics, or None without a port."""
    return None if port is None else MetricsAddress(host=host, port=port)


def parse_moment(text: str) -> datetime:
    """Return the moment that a person wrote. Raises UsageError for one without a time zone."""
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
    """Yield how to tell of progress: a bar for a person at a terminal, else a line now and then."""
    if not messages.is_terminal:
        yield _LoggedProgress()
        return
    with ProgressBar(console=messages) as bar:
        task = bar.add_task("records", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _LoggedProgress:
    """Writes a line every few seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._next or done == total:
            log.info("replayed %d of %d records", done, total)
            self._next = time.monotonic() + _LOG_SECONDS
