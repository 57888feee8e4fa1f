"""What all commands share: how they run, print, stop and fail."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
import uvloop
from rich.console import Console

from hortus.errors import HortusError

T = TypeVar("T")

# Without markup: names that people gave are printed, and "[/x]" in one must not end a command.
console = Console(highlight=False, markup=False)
messages = Console(stderr=True, highlight=False, markup=False)

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Data directory of a one-box installation. Without it: DATABASE_URL, else ./hortus-data.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work in an event loop and return its result."""
    return uvloop.run(work)


def fail_clearly(command: Callable[[], None]) -> None:
    """Call the command line; a foreseeable failure becomes one sentence and an exit code, no traceback."""
    try:
        command()
    except HortusError as error:
        sys.exit(_complain(str(error), error.exit_code))
    except BaseExceptionGroup as group:
        foreseen = _first_foreseen(group)
        if foreseen is None:
            raise
        sys.exit(_complain(str(foreseen), foreseen.exit_code))
    except KeyboardInterrupt:
        sys.exit(130)


def _first_foreseen(error: BaseException) -> HortusError | None:
    """Return the first failure with a sentence among those that parts of one process ended with together."""
    if isinstance(error, HortusError):
        return error
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for part in parts if (found := _first_foreseen(part))), None)


def _complain(sentence: str, exit_code: int) -> int:
    messages.print(sentence, style="red", markup=False, soft_wrap=True)
    return exit_code


def configure_logging(level: str) -> None:
    """Log one line per event to standard error."""
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    for talkative in ("alembic", "uvicorn", "asyncio"):
        logging.getLogger(talkative).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def stop_requested() -> asyncio.Event:
    """Return an event that is set when the process is asked to end."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event


def print_json(document: object) -> None:
    """Print a document for programs, on one line per element for people."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
