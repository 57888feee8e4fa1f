"""The one tree of errors that Hortus raises on purpose.

HortusError
├── UsageError            a person asked for something that cannot be done as asked; exit code 2
│   └── (per capability)  e.g. a kit that does not exist, a directory in use
└── OperationalError      the surroundings fail: database down, port in use; exit code 1

The message of each is one or two sentences for a person and says what to do. The command line prints the
message without a traceback; the HTTP side maps the type to a status, once, at its edge.
"""

from __future__ import annotations

from typing import ClassVar


class HortusError(Exception):
    """Something foreseeable went wrong; the message says what to do about it."""

    exit_code: ClassVar[int] = 1


class UsageError(HortusError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class OperationalError(HortusError):
    """A part that Hortus needs (database, port, directory, broker) is not usable now."""
