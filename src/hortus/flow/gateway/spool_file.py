"""The spool on disk: an SQLite file in which readings wait for their target. Synchronous, single-threaded.

Each transaction is synced before it counts as done (WAL with synchronous=FULL). A reading's number is never
reused, even after the reading is deleted, because its permanent id is derived from it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from hortus.flow.gateway.errors import SpoolDamaged, SpoolNotUsable
from hortus.flow.gateway.readings import ReceivedReading, SensorReading, reading_id
from hortus.flow.gateway.spool_check import require_file, require_sound
from hortus.flow.gateway.spool_format import (
    INSERT_READING,
    PAGE_BYTES,
    SET_ASIDE,
    WAITING,
    connect,
    reading_digest,
    require_current,
    skip_numbers,
    upgrade,
)
from hortus.flow.gateway.spool_log import LogState
from hortus.flow.gateway.spool_rows import is_whole

# Readings are dropped before the file reaches its limit, since dropping needs some space itself.
_FULL_SHARE = 0.95
_SHARE_DROPPED_AT_ONCE = 0.01

# Skips from sensor to sensor along the index, so that a long queue costs no more than a short one.
_NEWEST_NUMBERS = """
WITH RECURSIVE each(sensor) AS (
    SELECT min(sensor) FROM readings WHERE state = ?1
    UNION ALL
    SELECT (SELECT min(r.sensor) FROM readings r WHERE r.state = ?1 AND r.sensor > each.sensor)
    FROM each WHERE each.sensor IS NOT NULL
)
SELECT sensor, (SELECT max(number) FROM readings r WHERE r.state = ?1 AND r.sensor = each.sensor)
FROM each WHERE sensor IS NOT NULL
"""

_SET_ASIDE_CHOSEN = " WHERE state = ?1 AND (?2 IS NULL OR sensor = ?2) AND (?3 IS NULL OR number = ?3)"

_TOUCH_SENSOR = """
INSERT INTO sensors (sensor, received, last_contact_ms, address, pinned_address) VALUES (?, 1, ?, ?, ?)
ON CONFLICT (sensor) DO UPDATE SET
    received = received + 1, last_contact_ms = excluded.last_contact_ms, address = excluded.address
"""

_COUNT = "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An arriving reading. `set_aside`: reason and detail if it must not be forwarded."""

    reading: SensorReading
    received_at_ms: int
    address: str
    set_aside: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledReading:
    """A reading in the spool, with its number."""

    number: int
    received: ReceivedReading


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideReading:
    """A reading that is not forwarded, with the reason."""

    spooled: SpooledReading
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorContact:
    """A board as known to the gateway; `last_contact_ms` is since the epoch."""

    sensor_id: int
    received: int
    last_contact_ms: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolDepth:
    """The spool's depth: waiting readings, arrival of the oldest (ms since the epoch), readings set aside."""

    waiting: int
    oldest_waiting_ms: int | None
    set_aside: int
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolDamage:
    """A damage of the spool, after which it was replaced: `what` was wrong, and what became of its readings.

    `kept_as` is the path of the damaged file, if there was one; `lost` is None if it is unknown how many are.
    """

    found_at_ms: int
    what: str
    kept_as: str
    saved: int
    lost: int | None
    lost_numbers: str


class SpoolFile:
    """An open spool. Every method is one transaction."""

    def __init__(self, connection: sqlite3.Connection, most_bytes: int) -> None:
        self._connection = connection
        row = connection.execute("SELECT source, next_number FROM spool").fetchone()
        self.source = UUID(row[0])
        self._next_number: int = row[1]
        self._most_pages = max(16, most_bytes // PAGE_BYTES)
        connection.execute(f"PRAGMA max_page_count = {self._most_pages}")

    @classmethod
    def begin_use(cls, path: Path, *, most_bytes: int, log: LogState) -> SpoolFile:
        """Check an existing spool and open it for the only gateway that works on it.

        `log` is the state of its log before anything opened it. Raises SpoolDamaged, SpoolNotUsable, OSError or
        sqlite3.Error.
        """
        require_file(path)
        connection = connect(path)
        try:
            require_sound(connection, log)
            upgrade(connection, path)
            skip_numbers(connection)
            # Written to the file itself; then the log has to be there until the file is closed. So it is not
            # emptied here: the log of a gateway that is killed before its first reading would look lost.
            connection.execute("UPDATE spool SET in_use = 1")
            connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
            return cls(connection, most_bytes)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def open(cls, path: Path, *, most_bytes: int) -> SpoolFile:
        """Open the spool of a gateway that is running. Raises SpoolNotUsable."""
        try:
            require_file(path)
            connection = connect(path)
            try:
                require_current(connection, path)
                return cls(connection, most_bytes)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, SpoolDamaged, TypeError) as error:
            raise SpoolNotUsable(f"The spool {path} cannot be read: {error}.") from error

    def end_use(self) -> None:
        """Close the file; from now on it needs no log. Raises sqlite3.Error."""
        try:
            self._connection.execute("UPDATE spool SET in_use = 0")
        finally:
            self.close()

    def close(self) -> None:
        self._connection.close()

    # Arrival

    def append(self, arrivals: Sequence[Arrival], counts: Counter[str]) -> None:
        """Store readings durably, together with the counts collected meanwhile."""
        try:
            self._append(arrivals, counts)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            self._make_room(len(arrivals))
            self._append(arrivals, counts)

    def _append(self, arrivals: Sequence[Arrival], counts: Counter[str]) -> None:
        if self._used_pages() > self._most_pages * _FULL_SHARE:
            self._make_room(len(arrivals))
        with self._transaction() as execute:
            first = self._next_number
            self._connection.executemany(
                INSERT_READING.format(otherwise="ABORT"),
                (_row(first + index, arrival) for index, arrival in enumerate(arrivals)),
            )
            self._connection.executemany(
                _TOUCH_SENSOR,
                (
                    (each.reading.sensor_id, each.received_at_ms, each.address, each.address)
                    for each in arrivals
                ),
            )
            execute("UPDATE spool SET next_number = ?", (first + len(arrivals),))
            set_aside = Counter(f"set-aside:{each.set_aside[0]}" for each in arrivals if each.set_aside)
            self._connection.executemany(
                _COUNT, (counts + set_aside + Counter({"stored": len(arrivals)})).items()
            )
        self._next_number = first + len(arrivals)

    def _make_room(self, wanted: int) -> None:
        """Drop the oldest readings, in any state, and count them (G4)."""
        with self._transaction() as execute:
            (total,) = execute("SELECT count(*) FROM readings").fetchone()
            share = max(wanted, int(total * _SHARE_DROPPED_AT_ONCE), 100)
            dropped = execute(
                "DELETE FROM readings WHERE number IN (SELECT number FROM readings ORDER BY number LIMIT ?)",
                (share,),
            ).rowcount
            execute(_COUNT, ("dropped", dropped))

    # Forwarding

    def oldest_waiting(self, limit: int) -> list[SpooledReading]:
        """Return the readings that have waited longest, in order of arrival."""
        # By number alone: the index by sensor would need a sort. Readings set aside are skipped.
        rows = self._connection.execute(
            "SELECT * FROM readings NOT INDEXED WHERE state = ? ORDER BY number LIMIT ?",
            (WAITING, limit),
        )
        return [self._spooled(row) for row in rows]

    def newest_numbers(self) -> dict[int, int]:
        """Return the boards that have waiting readings, and the number of the newest one of each."""
        return dict(map(tuple, self._connection.execute(_NEWEST_NUMBERS, (WAITING,))))

    def newest_waiting(self, sensor_id: int) -> SpooledReading | None:
        """Return the newest waiting reading of a board, unless a newer one has already been forwarded.

        That happens to a reading that was set aside and is retried: it would overwrite newer values.
        """
        row = self._connection.execute(
            "SELECT * FROM readings WHERE state = ? AND sensor = ? ORDER BY number DESC LIMIT 1",
            (WAITING, sensor_id),
        ).fetchone()
        if row is None:
            return None
        (newest,) = self._connection.execute(
            "SELECT coalesce(max(newest_forwarded), 0) FROM sensors WHERE sensor = ?", (sensor_id,)
        ).fetchone()
        if row["number"] < newest:
            self._supersede(sensor_id, newest)
            return None
        return self._spooled(row)

    def forwarded(self, readings: Sequence[SpooledReading]) -> None:
        """Delete readings that the target has accepted."""
        with self._transaction() as execute:
            gone = self._delete(reading.number for reading in readings)
            execute(_COUNT, ("forwarded", gone))

    def forwarded_newest(self, reading: SpooledReading) -> None:
        """Delete the newest reading of a board, which the target has accepted, and older waiting ones (G6)."""
        sensor_id = reading.received.reading.sensor_id
        with self._transaction() as execute:
            execute(_COUNT, ("forwarded", self._delete([reading.number])))
            execute(
                "UPDATE sensors SET newest_forwarded = max(newest_forwarded, ?) WHERE sensor = ?",
                (reading.number, sensor_id),
            )
        self._supersede(sensor_id, reading.number)

    def set_aside(self, refused: Iterable[tuple[SpooledReading, str, str]]) -> None:
        """Mark readings as not to be forwarded, each with reason and detail."""
        with self._transaction() as execute:
            for reading, reason, detail in refused:
                execute(
                    "UPDATE readings SET state = ?, reason = ?, detail = ? WHERE number = ?",
                    (SET_ASIDE, reason, detail, reading.number),
                )
                execute(_COUNT, (f"set-aside:{reason}", 1))

    def _supersede(self, sensor_id: int, number: int) -> None:
        with self._transaction() as execute:
            older = execute(
                "DELETE FROM readings WHERE state = ? AND sensor = ? AND number < ?",
                (WAITING, sensor_id, number),
            ).rowcount
            execute(_COUNT, ("superseded", older))

    # Operator commands

    def list_set_aside(self, *, sensor_id: int | None = None, limit: int = 1000) -> list[SetAsideReading]:
        """Return readings that are set aside, newest first."""
        rows = self._connection.execute(
            "SELECT * FROM readings WHERE state = ?1 AND (?2 IS NULL OR sensor = ?2)"
            " ORDER BY number DESC LIMIT ?3",
            (SET_ASIDE, sensor_id, limit),
        )
        return [
            SetAsideReading(spooled=self._spooled(row), reason=row["reason"], detail=row["detail"])
            for row in rows
        ]

    def retry(self, numbers: Sequence[int] | None, sensor_id: int | None) -> int:
        """Return readings that are set aside to the queue; return how many."""
        statement = "UPDATE readings SET state = 0, reason = NULL, detail = NULL"
        return self._change_set_aside(statement, "retried", numbers, sensor_id)

    def drop(self, numbers: Sequence[int] | None, sensor_id: int | None) -> int:
        """Delete readings that are set aside; return how many."""
        return self._change_set_aside("DELETE FROM readings", "thrown-away", numbers, sensor_id)

    def _change_set_aside(
        self, statement: str, counter: str, numbers: Sequence[int] | None, sensor_id: int | None
    ) -> int:
        chosen: Sequence[int | None] = [None] if numbers is None else numbers
        with self._transaction() as execute:
            changed = sum(
                execute(statement + _SET_ASIDE_CHOSEN, (SET_ASIDE, sensor_id, number)).rowcount
                for number in chosen
            )
            execute(_COUNT, (counter, changed))
        return changed

    def damages(self) -> list[SpoolDamage]:
        """Return the damages that no operator has seen yet, the first one first."""
        rows = self._connection.execute("SELECT * FROM damages WHERE NOT seen ORDER BY found_at_ms, rowid")
        return [
            SpoolDamage(**{key: row[key] for key in row.keys() if key != "seen"})  # noqa: SIM118
            for row in rows
        ]

    def note_damages_seen(self) -> int:
        """Note that an operator has seen all damages; return how many were new."""
        with self._transaction() as execute:
            return execute("UPDATE damages SET seen = 1 WHERE NOT seen").rowcount

    # Statistics

    def count(self, counts: Counter[str]) -> None:
        """Add to the counters."""
        with self._transaction():
            self._connection.executemany(_COUNT, counts.items())

    def counters(self) -> dict[str, int]:
        """Return all counters since the spool was created."""
        return {
            row["name"]: row["count"]
            for row in self._connection.execute("SELECT name, count FROM counters ORDER BY name")
        }

    def depth(self) -> SpoolDepth:
        """Return the number of readings in the spool by state, and its size."""
        count = "SELECT count(*) FROM readings WHERE state = ?"
        (waiting,) = self._connection.execute(count, (WAITING,)).fetchone()
        (set_aside,) = self._connection.execute(count, (SET_ASIDE,)).fetchone()
        oldest = self.oldest_waiting(1) if waiting else []
        return SpoolDepth(
            waiting=waiting,
            oldest_waiting_ms=oldest[0].received.received_at_ms if oldest else None,
            set_aside=set_aside,
            used_bytes=self._used_pages() * PAGE_BYTES,
        )

    def sensors(self) -> list[SensorContact]:
        """Return all boards ever heard, ordered by id."""
        rows = self._connection.execute(
            "SELECT sensor, received, last_contact_ms, address FROM sensors ORDER BY sensor"
        )
        return [
            SensorContact(sensor_id=sensor, received=received, last_contact_ms=moment, address=address)
            for sensor, received, moment, address in rows
        ]

    def pinned_addresses(self) -> dict[int, str]:
        """Return the address from which each board was first heard."""
        return {
            row["sensor"]: row["pinned_address"]
            for row in self._connection.execute("SELECT sensor, pinned_address FROM sensors")
        }

    # Helpers

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection.execute
            self._connection.execute("COMMIT")
        except BaseException:
            # A failed statement may already have ended the transaction, as with a full disk.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _delete(self, numbers: Iterable[int]) -> int:
        return self._connection.executemany(
            "DELETE FROM readings WHERE number = ?", ((number,) for number in numbers)
        ).rowcount

    def _used_pages(self) -> int:
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        return int(pages - free)

    def _spooled(self, row: sqlite3.Row) -> SpooledReading:
        number, sensor_id = row["number"], row["sensor"]
        if not is_whole(tuple(row)[:7], row["digest"]):
            raise SpoolDamaged(f"reading {number} is not what was written")
        return SpooledReading(
            number=number,
            received=ReceivedReading(
                id=reading_id(self.source, sensor_id, number),
                received_at_ms=row["received_at_ms"],
                address=row["address"],
                reading=SensorReading(
                    sensor_id=sensor_id,
                    temperature=row["temperature"],
                    humidity=row["humidity"],
                    light=row["light"],
                ),
            ),
        )


def _row(number: int, arrival: Arrival) -> tuple[int | float | str | None, ...]:
    reading = arrival.reading
    reason, detail = arrival.set_aside or (None, None)
    fixed = (
        *(number, reading.sensor_id, arrival.received_at_ms, arrival.address),
        *(reading.temperature, reading.humidity, reading.light),
    )
    return (
        *fixed,
        SET_ASIDE if arrival.set_aside else WAITING,
        reason,
        detail,
        reading_digest(*fixed),
    )
