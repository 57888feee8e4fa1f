"""What all commands share: running, printing, stopping and failing."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, TypeVar

import orjson
import typer
import uvloop
from rich.console import Console
from rich.text import Text

from hortus.base.errors import HortusError
from hortus.base.text import shown, shown_json, shown_lines

T = TypeVar("T")


class Terminal(Console):
    """A console to which untrusted text can be printed, as sentences or in tables.

    Markup is off: "[/x]" in a name must not break a command. Characters that a terminal would obey are escaped,
    including line breaks: a topic with one must not look like two lines of ours.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text in printable form. Everything printed or put into a table passes through here."""
        return super().render_str(shown(text), **options)

    def print_lines(self, text: str, **options: Any) -> None:
        """Print a text that may contain line breaks, such as a description."""
        self.print(Text(shown_lines(text)), **options)


console = Terminal()
messages = Terminal(stderr=True)

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
    """Call the command line; turn a foreseeable failure into one sentence and an exit code."""
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
    """Return the first foreseeable error of a group of errors raised together by parts of one process."""
    if isinstance(error, HortusError):
        return error
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for part in parts if (found := _first_foreseen(part))), None)


def _complain(sentence: str, exit_code: int) -> int:
    messages.print_lines(sentence, style="red", soft_wrap=True)
    return exit_code


class OneLineFormatter(logging.Formatter):
    """Formats an event as one line, whatever untrusted text a topic, a client id or an error contains.

    A traceback follows on separate lines. They are indented, so that none can be mistaken for an event.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the name in the standard library)
        """Return the line of the event itself."""
        record.message = shown(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the lines of the traceback."""
        return indent(shown_lines(super().formatException(ei)), "  ", lambda _line: True)


def configure_logging(level: str) -> None:
    """Log one line per event to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for talkative in ("alembic", "uvicorn", "asyncio"):
        logging.getLogger(talkative).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def stop_requested() -> asyncio.Event:
    """Return an event that is set when the process receives SIGINT or SIGTERM."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event


def print_json(document: object) -> None:
    """Print a document as JSON, indented for people."""
    sys.stdout.write(shown_json(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()) + "\n")
