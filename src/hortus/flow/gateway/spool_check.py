"""Whether a spool file is sound: looked at when it is opened, before anything is acknowledged from it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hortus.flow.gateway.errors import SpoolDamaged
from hortus.flow.gateway.spool_format import FORMAT, PAGE_BYTES, has_digests, has_its_tables, identity_digest
from hortus.flow.gateway.spool_log import LogState

_DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# What never changes in the first 100 bytes of a spool, by where it begins (sqlite.org/fileformat2.html, 1.3).
_HEADER = {
    0: b"SQLite format 3\0" + PAGE_BYTES.to_bytes(2),
    20: b"\0\x40\x20\x20",
    44: b"\0\0\0\4",
    56: b"\0\0\0\1\0\0\0\0",
    72: bytes(20),
}
_HEADER_BYTES = 100
# Where it says whether the file has a log, or else is read-only for this version of SQLite.
_LOG_VERSIONS_AT, _LOG_VERSIONS = 18, (b"\1\1", b"\2\2")

_NUMBERS_GIVEN_OUT = "SELECT coalesce(sum(count), 0) FROM counters WHERE name IN ('stored', 'skipped')"

_WRONG_VALUES = """
SELECT EXISTS (SELECT 1 FROM counters WHERE typeof(name) <> 'text' OR typeof(count) <> 'integer' OR count < 0)
    OR EXISTS (
        SELECT 1 FROM sensors, spool WHERE typeof(newest_forwarded) <> 'integer'
            OR newest_forwarded >= next_number OR typeof(address) <> 'text' OR typeof(pinned_address) <> 'text'
            OR typeof(received) <> 'integer' OR typeof(last_contact_ms) <> 'integer')
    OR EXISTS (SELECT 1 FROM readings, spool WHERE number >= next_number OR number < 1
            OR state NOT IN (0, 1) OR (state = 1) <> (typeof(reason) = 'text' AND typeof(detail) = 'text'))
"""


def is_damage(error: Exception) -> bool:
    """Return whether an error means that the file is damaged, rather than that the disk is full, or busy.

    A number can only exist already if the next one is no longer what we wrote.
    """
    # Python raises the latter for an error message of SQLite that quotes a damaged table.
    if isinstance(error, SpoolDamaged | UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY or code & 0xFF in _DAMAGE_CODES)


def require_file(path: Path) -> None:
    """Check what SQLite takes for a new file, or for none. Raises SpoolDamaged or OSError."""
    if not path.exists():
        raise SpoolDamaged("the file is missing")
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header:
        raise SpoolDamaged("the file is empty")
    is_whole = all(header[at : at + len(fixed)] == fixed for at, fixed in _HEADER.items())
    if not is_whole or header[_LOG_VERSIONS_AT : _LOG_VERSIONS_AT + 2] not in _LOG_VERSIONS:
        raise SpoolDamaged("the file does not begin as a spool does")


def require_sound(connection: sqlite3.Connection, log: LogState) -> None:
    """Check all of a file that nobody else works on. `log` is what its log was before it was opened.

    Raises SpoolDamaged, and sqlite3.Error if the disk fails.
    """
    try:
        (result,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if result != "ok":
            raise SpoolDamaged(f"SQLite's check says: {' '.join(result.split())}")
        _require_own_sense(connection)
        _require_whole_log(connection, log)
    except (sqlite3.OperationalError, TypeError, ValueError) as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) != sqlite3.SQLITE_ERROR:
            raise
        raise SpoolDamaged(f"its tables are not those of a spool: {error}") from error


def _require_own_sense(connection: sqlite3.Connection) -> None:
    """Check what SQLite cannot know about the values. Raises SpoolDamaged; missing tables raise others."""
    row, *others = connection.execute("SELECT * FROM spool").fetchall()
    is_format_1 = not has_digests(connection)
    if is_format_1:
        is_itself = row["format"] == 1
    else:
        is_itself = row["digest"] == identity_digest(row["format"], row["source"])
    if others or not is_itself or not isinstance(row["next_number"], int):
        raise SpoolDamaged("its identity is damaged")
    if row["format"] > FORMAT:
        return  # a newer version may have other tables
    if not has_its_tables(connection):
        raise SpoolDamaged("its tables are not those of a spool")
    (given_out,) = connection.execute(_NUMBERS_GIVEN_OUT).fetchone()
    if row["next_number"] != given_out + 1:
        raise SpoolDamaged("its numbers and counters do not fit")
    if connection.execute(_WRONG_VALUES).fetchone()[0]:
        raise SpoolDamaged("values of its tables are not those of a spool")


def _require_whole_log(connection: sqlite3.Connection, log: LogState) -> None:
    if not has_digests(connection):
        return  # older versions did not record whether the file was in use
    (in_use,) = connection.execute("SELECT in_use FROM spool").fetchone()
    if in_use and not log.is_there:
        raise SpoolDamaged("the log of its last transactions is missing or damaged")
    _busy, frames_in_use, _written = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if log.lacks_transactions(frames_in_use):
        raise SpoolDamaged("the log of its last transactions is damaged")
