"""Keeps the spool's file in working order: opens it, checks it, and replaces it when it is damaged.

Synchronous. The identity of the spool is also written to a small file beside it. So a spool that has vanished
is noticed, and the ids of readings stay the same when the identity in the file itself is damaged.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

from hortus.base.errors import HortusError, describe_error
from hortus.base.files import sync_directory, write_private_file
from hortus.flow.gateway import spool_salvage
from hortus.flow.gateway.errors import SpoolDamaged, SpoolUnavailable
from hortus.flow.gateway.spool_check import is_damage
from hortus.flow.gateway.spool_file import SpoolFile
from hortus.flow.gateway.spool_format import SPOOL_NAME, create
from hortus.flow.gateway.spool_log import LogState, log_of, log_state

log = logging.getLogger(__name__)

_IDENTITY_NAME = "gateway.identity"
_NEW_NAME = "gateway.new.sqlite3"

# After a failed attempt to replace a damaged file, boards are refused at once for so long.
_PAUSE_SECONDS = 5.0

T = TypeVar("T")


class SpoolKeeper:
    """The file of a spool in a directory that no other gateway uses."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._path = directory / SPOOL_NAME
        self._most_bytes = most_bytes
        self._file: SpoolFile | None = None
        self._again_at = 0.0
        self._trouble = ""

    def open(self) -> None:
        """Open the spool, creating it if there never was one. Damage is repaired.

        Raises SpoolNotUsable, SpoolUnavailable, OSError or sqlite3.Error.
        """
        spool_salvage.finish(self._path)
        if not any(each.exists() for each in (self._path, log_of(self._path), self._identity_path)):
            self._create()
        spool_salvage.preserve_log(self._path)
        log_before = log_state(log_of(self._path))
        try:
            self._file = SpoolFile.begin_use(self._path, most_bytes=self._most_bytes, log=log_before)
        except (SpoolDamaged, sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            self._replace(str(error))
        else:
            spool_salvage.forget_log(self._path)
        self._note_identity()

    def use(self, function: Callable[[SpoolFile], T]) -> T:
        """Call the function with the open file, once more if damage was found and repaired.

        Raises SpoolUnavailable if the disk fails, and what the function raises.
        """
        try:
            return self._use(function)
        except (SpoolDamaged, sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise SpoolUnavailable(
                f"The disk does not take or give readings now: {describe_error(error)}."
            ) from error

    def close(self) -> None:
        """Close the file. Raises sqlite3.Error."""
        if self._file is not None:
            self._file.end_use()

    def _use(self, function: Callable[[SpoolFile], T]) -> T:
        file = self._opened()
        try:
            return function(file)
        except (SpoolDamaged, sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            spool_salvage.preserve_log(self._path)
            file.close()
            self._file = None
            self._replace(str(error))
        return function(self._opened())

    def _opened(self) -> SpoolFile:
        """Return the open file; if it could not be opened or replaced before, try that again."""
        if self._file is None:
            if time.monotonic() < self._again_at:
                raise SpoolUnavailable(self._trouble)
            try:
                self.open()
            except (HortusError, sqlite3.Error, OSError) as error:
                self._trouble = describe_error(error)
                self._again_at = time.monotonic() + _PAUSE_SECONDS
                raise SpoolUnavailable(self._trouble) from error
        assert self._file is not None, "it was opened"
        return self._file

    def _replace(self, what: str) -> None:
        log.error("The spool is damaged: %s. What can be read of it is saved.", what)
        spool_salvage.put_aside(self._path, what, self._noted_identity())
        self._file = SpoolFile.begin_use(self._path, most_bytes=self._most_bytes, log=LogState(is_there=True))

    def _create(self) -> None:
        new = self._path.with_name(_NEW_NAME)
        new.unlink(missing_ok=True)
        create(new, uuid4()).close()
        new.replace(self._path)
        sync_directory(self._path.parent)

    @property
    def _identity_path(self) -> Path:
        return self._path.with_name(_IDENTITY_NAME)

    def _noted_identity(self) -> UUID | None:
        with contextlib.suppress(OSError, ValueError):
            return UUID(self._identity_path.read_text("ascii").strip())
        return None

    def _note_identity(self) -> None:
        assert self._file is not None
        if self._noted_identity() != self._file.source:
            write_private_file(self._identity_path, f"{self._file.source}\n")
