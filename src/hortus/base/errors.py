"""The tree of errors that Hortus raises deliberately.

    HortusError
    ├── UsageError            a request that cannot be carried out as it stands; exit code 2
    │   └── (per capability)  e.g. an unknown kit, a directory in use
    └── OperationalError      the environment fails: database down, port in use; exit code 1

Each message is one or two sentences for a person and says what to do. The command line prints the message
without a traceback; the HTTP side maps the type to a status once, at its edge.
"""

from __future__ import annotations

from typing import ClassVar


class HortusError(Exception):
    """A foreseeable failure; the message says what to do about it."""

    exit_code: ClassVar[int] = 1


class UsageError(HortusError):
    """The request cannot be carried out as it stands."""

    exit_code = 2


class OperationalError(HortusError):
    """Something that Hortus depends on (database, port, directory, broker) is currently unusable."""


def describe_error(error: BaseException) -> str:
    """Return an error as one line that is never empty: not every exception has a text."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    # The text of SQLAlchemy's errors continues with the statement and its parameters.
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    if text:
        return text
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
