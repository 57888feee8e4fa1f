"""What a spool file looks like: its tables, its version, and the digests by which damaged rows are recognised.

SQLite has no checksums: a bit that flips in a value goes unnoticed. So each reading has a digest of its own,
and so has the identity of the spool, from which the ids of all its readings are derived.
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from hortus.flow.gateway.errors import SpoolNotUsable

SPOOL_NAME = "gateway.sqlite3"
FORMAT = 2
PAGE_BYTES = 4096
_BUSY_MS = 2000

# No transaction has as many readings.
_SKIPPED_AFTER_A_KILL = 10_000

WAITING = 0
SET_ASIDE = 1

# `next_number` is always one more than the counters `stored` and `skipped`, which is checked when it is opened.
# `in_use` is 1 in the file itself, not only in its log, for as long as a gateway works on it.
_SPOOL_AND_READINGS = """
CREATE TABLE spool (format INTEGER NOT NULL, source TEXT NOT NULL, next_number INTEGER NOT NULL,
    digest INTEGER, in_use INTEGER NOT NULL DEFAULT 0);
CREATE TABLE readings (
    number INTEGER PRIMARY KEY,
    sensor INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    address TEXT NOT NULL,
    temperature REAL, humidity REAL, light REAL,
    state INTEGER NOT NULL,
    reason TEXT, detail TEXT,
    digest INTEGER
);
CREATE INDEX readings_by_sensor ON readings (state, sensor, number);
CREATE TABLE sensors (
    sensor INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    last_contact_ms INTEGER NOT NULL,
    address TEXT NOT NULL,
    pinned_address TEXT NOT NULL,
    newest_forwarded INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""

_DAMAGES = """
CREATE TABLE damages (
    found_at_ms INTEGER NOT NULL,
    what TEXT NOT NULL,
    kept_as TEXT NOT NULL,
    saved INTEGER NOT NULL,
    lost INTEGER,
    lost_numbers TEXT NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0
);
"""

_FROM_1_TO_2 = f"""
ALTER TABLE spool ADD COLUMN digest INTEGER;
ALTER TABLE spool ADD COLUMN in_use INTEGER NOT NULL DEFAULT 0;
ALTER TABLE readings ADD COLUMN digest INTEGER;
{_DAMAGES}
"""

INSERT_READING = (
    "INSERT OR {otherwise} INTO readings (number, sensor, received_at_ms, address, temperature, humidity,"
    " light, state, reason, detail, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


_COLUMNS_OF = {
    "table": "SELECT * FROM pragma_table_info(?)",
    "index": "SELECT * FROM pragma_index_info(?)",
}


def connect(path: Path) -> sqlite3.Connection:
    """Open an existing file, to be used by one thread at a time. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        # A text that is no longer UTF-8 is recognised by its row's digest.
        connection.text_factory = _text
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def create(path: Path, source: UUID) -> sqlite3.Connection:
    """Create an empty spool under a name that is not in use yet. Raises sqlite3.Error or OSError."""
    path.touch(exist_ok=False)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(f"BEGIN; {_SPOOL_AND_READINGS} {_DAMAGES}")
        connection.execute(
            "INSERT INTO spool (format, source, next_number, digest) VALUES (?, ?, 1, ?)",
            (FORMAT, str(source), identity_digest(FORMAT, str(source))),
        )
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables of an older version up to date. Raises SpoolNotUsable for those of a newer one."""
    (found, source) = connection.execute("SELECT format, source FROM spool").fetchone()
    if found > FORMAT:
        raise SpoolNotUsable(
            f"The spool {path} was written by a newer version of Hortus. Install that version or a later one."
        )
    if found < FORMAT:
        connection.executescript(f"BEGIN IMMEDIATE; {_FROM_1_TO_2}")
        connection.execute("UPDATE spool SET format = ?, digest = ?", (FORMAT, identity_digest(FORMAT, source)))
        connection.execute("COMMIT")


def skip_numbers(connection: sqlite3.Connection) -> None:
    """After a kill or a power failure, skip the numbers that the last transaction may have given out.

    A disk that does not sync what it says it has synced can lose that transaction, although its readings were
    acknowledged and delivered. The ids of new ones must not be the same.
    """
    statement = "UPDATE spool SET next_number = next_number + ? WHERE in_use <> 0"
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute(statement, (_SKIPPED_AFTER_A_KILL,)).rowcount:
        connection.execute(
            "INSERT INTO counters VALUES ('skipped', ?)"
            " ON CONFLICT (name) DO UPDATE SET count = count + excluded.count",
            (_SKIPPED_AFTER_A_KILL,),
        )
    connection.execute("COMMIT")


def require_current(connection: sqlite3.Connection, path: Path) -> None:
    """Raise SpoolNotUsable if the gateway that is running here is of another version than this program."""
    (found,) = connection.execute("SELECT format FROM spool").fetchone()
    if found != FORMAT:
        raise SpoolNotUsable(
            f"The gateway that uses the spool {path} is of another version of Hortus. Restart it, or use the "
            "commands of its version."
        )


def has_its_tables(connection: sqlite3.Connection) -> bool:
    """Return whether the tables are those of a spool of this version, or those of format 1."""
    reference = sqlite3.connect(":memory:")
    try:
        reference.executescript(_SPOOL_AND_READINGS + _DAMAGES)
        wanted = _columns(reference)
    finally:
        reference.close()
    found = _columns(connection)
    if has_digests(connection):
        return found == wanted
    del wanted["damages"]
    # Columns were only ever added at the end.
    return found.keys() == wanted.keys() and all(
        columns == wanted[table][: len(columns)] for table, columns in found.items()
    )


def _columns(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return the columns of each table and index, with their types and what else is declared about them."""
    statement = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    return {
        name: [tuple(row) for row in connection.execute(columns, (name,))]
        for kind, columns in _COLUMNS_OF.items()
        for (name,) in connection.execute(statement, (kind,)).fetchall()
    }


def has_digests(connection: sqlite3.Connection) -> bool:
    """Return whether this file has the columns of format 2, whatever number it gives itself."""
    columns = connection.execute("SELECT name FROM pragma_table_info('spool')")
    return "digest" in {name for (name,) in columns}


def identity_digest(file_format: int, source: str) -> int:
    """Return the digest of a spool's format and identity."""
    return zlib.crc32(f"{file_format}/{source}".encode())


def reading_digest(number: int, sensor: int, received_at_ms: int, address: str, *values: float | None) -> int:
    """Return the digest of all that never changes about a reading; values are in the order of the columns."""
    exact = (None if value is None else float(value) for value in values)
    return zlib.crc32(repr((number, sensor, received_at_ms, address, *exact)).encode("utf-8", "replace"))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
