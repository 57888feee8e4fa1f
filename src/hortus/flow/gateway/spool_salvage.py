"""Puts a damaged spool aside and saves what can be read of it into a fresh one.

    gateway.sqlite3 (damaged) --linked as--> gateway.damaged-20261129T200500Z.sqlite3, kept for an operator
                              --readable rows--> gateway.salvaging.sqlite3 --> gateway.salvaged.sqlite3
    gateway.salvaged.sqlite3  --replaces--> gateway.sqlite3

A salvage may be interrupted at any point. Until the fresh spool is complete and synced, the damaged one keeps
its name, and the next start begins again; from then on, the next start completes the replacement.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from uuid import UUID

from hortus.base.files import owner_of, sync_directory
from hortus.flow.gateway.errors import SpoolUnavailable
from hortus.flow.gateway.spool_format import INSERT_READING, create
from hortus.flow.gateway.spool_log import log_of
from hortus.flow.gateway.spool_rows import Identity, SpoolRows

log = logging.getLogger(__name__)

MOST_KEPT = 10
"""A disk that damages more spools than this is broken: nothing is acknowledged until someone replaces it."""

_ROWS_AT_ONCE = 1000
# More than any gateway has received since its last transaction that can be read, or ever.
_SKIPPED_NUMBERS = 10**12
_MOST_RANGES_NAMED = 20
_COMPLETE = "gateway.salvaged.sqlite3"
_BEGUN = "gateway.salvaging.sqlite3"
_OPENING = "gateway.opening.sqlite3"

# What became of readings that are no longer in the spool.
_ENDS = ("forwarded", "superseded", "dropped", "thrown-away", "lost")

_SENSORS_OF_READINGS = """
INSERT OR IGNORE INTO sensors (sensor, received, last_contact_ms, address, pinned_address)
SELECT sensor, count(*), max(received_at_ms), address, address FROM readings GROUP BY sensor
"""

_FORGET_IMPOSSIBLE_NUMBERS = """
UPDATE sensors SET newest_forwarded = 0 WHERE newest_forwarded >= (SELECT next_number FROM spool)
"""

# The first row is what lies before the first reading; it may be empty.
_GAPS = """
SELECT before + 1, number - 1 FROM (
    SELECT number, lag(number, 1, 0) OVER (ORDER BY number) AS before FROM (
        SELECT number FROM readings UNION ALL SELECT next_number FROM spool))
WHERE number - before > 1 OR before = 0 ORDER BY number
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Losses:
    """How many readings were saved and lost (None: unknown), and the latter's numbers if these are known."""

    saved: int
    count: int | None
    numbers: str


def preserve_log(path: Path) -> None:
    """Give the log of a spool a second name before SQLite opens it, which removes a log that it cannot use.

    If the spool is sound, call `forget_log`. Raises OSError.
    """
    present, preserved = log_of(path), log_of(path.with_name(_OPENING))
    if present.exists():
        _duplicate(present, preserved)
        sync_directory(path.parent)


def forget_log(path: Path) -> None:
    """Remove the second name of the log. Raises OSError."""
    log_of(path.with_name(_OPENING)).unlink(missing_ok=True)


def put_aside(path: Path, what: str, known_source: UUID | None) -> None:
    """Replace a damaged spool, which nobody has open, by a fresh one with all that can be read of it.

    `what` is wrong with it; `known_source` is its identity as noted elsewhere. Raises SpoolUnavailable, OSError
    or sqlite3.Error if that is not possible now; it can be tried again.
    """
    kept = _keep(path)
    begun, complete = path.with_name(_BEGUN), path.with_name(_COMPLETE)
    try:
        for left_over in (begun, begun.with_name(f"{_BEGUN}-journal")):
            left_over.unlink(missing_ok=True)
        _save(kept, begun, what, known_source)
        begun.replace(complete)
        sync_directory(path.parent)
    except BaseException:
        begun.unlink(missing_ok=True)  # it takes room that is lacking, perhaps
        _do_not_keep(path, kept)
        raise
    finish(path)
    log.warning("The damaged spool is kept as %s; readings are accepted again.", kept)


def finish(path: Path) -> None:
    """Complete a replacement that was interrupted, if any. Raises OSError."""
    complete = path.with_name(_COMPLETE)
    if complete.exists():
        for old in (log_of(path), path.with_name(f"{path.name}-shm")):
            old.unlink(missing_ok=True)  # SQLite would apply a log of another file
        sync_directory(path.parent)
        complete.replace(path)
        sync_directory(path.parent)


def _keep(path: Path) -> Path:
    """Give a damaged spool and its log the names under which they stay; return that of the spool."""
    preserved = log_of(path.with_name(_OPENING))
    present = list(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}"))
    kept = next((each for each in present if path.exists() and each.samefile(path)), None)
    if kept is None:
        if len(present) >= MOST_KEPT:
            raise SpoolUnavailable(
                f"{len(present)} damaged spools are kept in {path.parent}: the disk seems to be broken. "
                "Replace it, and move these files away."
            )
        kept = _unused_name(path)
    if path.exists():
        _duplicate(path, kept)
    if preserved.exists():
        preserved.replace(log_of(kept))
        preserved.unlink(missing_ok=True)  # it is still there if both were names of one file
    sync_directory(path.parent)
    return kept


def _do_not_keep(path: Path, kept: Path) -> None:
    """Undo `_keep`: the damaged spool is still in its place."""
    with contextlib.suppress(OSError):
        if log_of(kept).exists():
            log_of(kept).replace(log_of(path.with_name(_OPENING)))
        kept.unlink(missing_ok=True)


def _duplicate(present: Path, name: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such names."""
    if name.exists() and name.samefile(present):
        return
    name.unlink(missing_ok=True)
    try:
        os.link(present, name)
    except OSError:
        shutil.copyfile(present, name)


def _unused_name(path: Path) -> Path:
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S}Z"
    for number in count(1):
        ending = "" if number == 1 else f"-{number}"
        kept = path.with_name(f"{path.stem}.damaged-{moment}{ending}{path.suffix}")
        if not kept.exists() and not log_of(kept).exists():
            return kept
    raise AssertionError("numbers do not end")


def _save(kept: Path, fresh: Path, what: str, known_source: UUID | None) -> None:
    with SpoolRows(kept, log_of(kept)) as rows:
        identity = rows.identity(known_source)
        with contextlib.closing(create(fresh, identity.source)) as connection:
            connection.execute("BEGIN")
            losses = _copy(rows, identity, connection)
            connection.execute(
                "INSERT INTO damages VALUES (?, ?, ?, ?, ?, ?, 0)",
                (int(time.time() * 1000), what, _name_of(kept), losses.saved, losses.count, losses.numbers),
            )
            connection.execute("COMMIT")
    owner = owner_of(fresh.parent)
    if owner is not None:
        os.chown(fresh, *owner)


def _copy(rows: SpoolRows, identity: Identity, connection: sqlite3.Connection) -> _Losses:
    readings = rows.readings()
    while some := list(islice(readings, _ROWS_AT_ONCE)):
        connection.executemany(INSERT_READING.format(otherwise="IGNORE"), some)
    connection.executemany("INSERT OR IGNORE INTO counters VALUES (?, ?)", rows.counters())
    connection.executemany("INSERT INTO damages VALUES (?, ?, ?, ?, ?, ?, ?)", rows.damages())
    losses = _settle_numbers(connection, identity)
    connection.executemany("INSERT OR IGNORE INTO sensors VALUES (?, ?, ?, ?, ?, ?)", rows.sensors())
    connection.execute(_SENSORS_OF_READINGS)
    connection.execute(_FORGET_IMPOSSIBLE_NUMBERS)
    return losses


def _name_of(kept: Path) -> str:
    return next((str(each.absolute()) for each in (kept, log_of(kept)) if each.exists()), "")


def _settle_numbers(connection: sqlite3.Connection, identity: Identity) -> _Losses:
    """Set the next number and the counters so that they fit again; return what is missing."""
    (saved,) = connection.execute("SELECT count(*) FROM readings").fetchone()
    counters = dict(connection.execute("SELECT name, count FROM counters"))
    stored, skipped = counters.get("stored", 0), counters.get("skipped", 0)
    (largest,) = connection.execute("SELECT coalesce(max(number), 0) FROM readings").fetchone()
    missing = stored - sum(counters.get(end, 0) for end in _ENDS) - saved
    following = max(identity.next_number or 1, stored + skipped + 1, largest + 1)
    if identity.is_newest and identity.next_number == following == stored + skipped + 1 and missing >= 0:
        counters["lost"] = counters.get("lost", 0) + missing
    else:
        # A number must never be given out again, since ids are derived from it: a target that knows an id would
        # take another reading for that one, and drop it.
        following += _SKIPPED_NUMBERS
        counters["stored"] = max(stored, saved)
        counters["skipped"] = following - 1 - counters["stored"]
        missing = None
    connection.execute("UPDATE spool SET next_number = ?", (following,))
    connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", counters.items())
    numbers = "" if missing is None else _numbers(connection, missing)
    return _Losses(saved=saved, count=missing, numbers=numbers)


def _numbers(connection: sqlite3.Connection, missing: int) -> str:
    """Return the numbers of the missing readings, if no others can be meant: `7, 12-20`."""
    first, *between = connection.execute(_GAPS).fetchall()
    # Numbers before the first may have been delivered long ago, those in between hardly.
    for gaps in (between, [first, *between] if first[0] <= first[1] else between):
        if sum(end - begin + 1 for begin, end in gaps) == missing and len(gaps) <= _MOST_RANGES_NAMED:
            return ", ".join(str(begin) if begin == end else f"{begin}-{end}" for begin, end in gaps)
    return ""
