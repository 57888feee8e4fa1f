"""Makes sense of the rows of a damaged spool, and leaves out what cannot be what was written."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from hortus.flow.gateway.readings import LARGEST_SENSOR_ID
from hortus.flow.gateway.spool_format import FORMAT, SET_ASIDE, WAITING, identity_digest, reading_digest
from hortus.flow.gateway.spool_pages import Row, SpoolPages, Value, Walk

LARGEST_NUMBER = 2**53
# Where a fresh file has its tables, in case the list of tables is what is damaged.
_FIRST_PAGES = {"spool": 2, "readings": 3, "sensors": 5, "counters": 6, "damages": 8}
_COLUMNS = {"spool": {3, 5}, "readings": {10, 11}, "sensors": {6}, "counters": {2}, "damages": {7}}

_EARLIEST_MS, _LATEST_MS = 946_684_800_000, 4_102_444_800_000  # the years 2000 and 2100
_COUNTER = re.compile(r"[a-z-]{1,40}(:[a-z-]{1,40})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identity of a spool, and the number of its next reading as the file says it.

    `is_newest`: no later transaction can have said otherwise.
    """

    source: UUID
    next_number: int | None
    is_newest: bool


class SpoolRows:
    """The rows of a damaged spool and its log. A context manager."""

    def __init__(self, database: Path, log: Path) -> None:
        self._pages = SpoolPages(database, log)
        self._roots = _FIRST_PAGES | dict(self._listed_tables())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pages.__exit__(kind, error, trace)

    def identity(self, known_source: UUID | None) -> Identity:
        """Return the identity; if it is damaged, with the source that was noted elsewhere, or a new one."""
        source, next_number, in_use = known_source, None, True
        for row in self._rows("spool"):
            file_format, text, number, *digests = row.values
            in_use = bool(digests and digests[-1])
            if isinstance(number, int) and 1 <= number <= LARGEST_NUMBER:
                next_number = number
            trusted = digests[:1] == [identity_digest(FORMAT, str(text))] if digests else file_format == 1
            if trusted or source is None:
                with contextlib.suppress(ValueError):
                    source = UUID(str(text))
        is_newest = self._pages.has_whole_log or not (self._pages.has_log or in_use)
        return Identity(source=source or uuid4(), next_number=next_number, is_newest=is_newest)

    def readings(self) -> Iterator[tuple[Value, ...]]:
        """Yield the readings that are what was written, as rows to insert."""
        for row in self._rows("readings"):
            _, sensor, received_at_ms, address, *rest = row.values
            values, (state, reason, detail), digest = rest[:3], rest[3:6], rest[6:]
            fixed = (row.rowid, sensor, received_at_ms, address, *map(_float, values))
            if is_whole(fixed, digest[0] if digest else None):
                is_set_aside = state == SET_ASIDE and isinstance(reason, str) and isinstance(detail, str)
                ending = (SET_ASIDE, reason, detail) if is_set_aside else (WAITING, None, None)
                yield *fixed, *ending, reading_digest(*fixed)  # type: ignore[arg-type]

    def counters(self) -> Iterator[tuple[Value, ...]]:
        """Yield names and counts."""
        for row in self._rows("counters"):
            name, count = row.values
            if isinstance(name, str) and _COUNTER.fullmatch(name) and _is_count(count):
                yield row.values

    def sensors(self) -> Iterator[tuple[Value, ...]]:
        """Yield the boards."""
        for row in self._rows("sensors"):
            _, received, contact_ms, address, pinned, newest = row.values
            if (
                _is_sensor(row.rowid)
                and _is_moment(contact_ms)
                and all(map(_is_address, (address, pinned)))
                and all(map(_is_count, (received, newest)))
            ):
                yield row.rowid, *row.values[1:]

    def damages(self) -> Iterator[tuple[Value, ...]]:
        """Yield earlier damages."""
        for row in self._rows("damages"):
            found_at_ms, what, kept_as, saved, lost, lost_numbers, seen = row.values
            if (
                _is_moment(found_at_ms)
                and all(isinstance(each, str) for each in (what, kept_as, lost_numbers))
                and all(map(_is_count, (saved, seen, lost or 0)))
            ):
                yield row.values

    def _rows(self, table: str) -> Iterator[Row]:
        walk = Walk()
        for row in self._pages.rows(self._roots[table], walk):
            if len(row.values) in _COLUMNS[table]:
                yield row
        if walk.met_damage:
            for row in self._pages.stray_rows(walk):
                if len(row.values) in _COLUMNS[table]:
                    yield row

    def _listed_tables(self) -> Iterator[tuple[str, int]]:
        for row in self._pages.rows(1, Walk()):
            match row.values:
                case ("table", str() as name, _, int() as root, _) if name in _FIRST_PAGES:
                    yield name, root


def is_whole(fixed: tuple[Value, ...], digest: Value) -> bool:
    """Return whether the columns of a reading that never change, and its digest, are what was written.

    Readings that an older version wrote have no digest: they are whole if they make sense.
    """
    number, sensor, received_at_ms, address, *values = fixed
    if not (isinstance(address, str) and all(map(_is_float, values))):
        return False
    if digest is not None:
        return digest == reading_digest(*fixed)  # type: ignore[arg-type]
    return (
        _is_count(number)
        and number != 0
        and _is_sensor(sensor)
        and _is_moment(received_at_ms)
        and _is_address(address)
    )


def _float(value: Value) -> Value:
    """Return a value of a REAL column as it was written: SQLite keeps whole numbers as integers."""
    return float(value) if isinstance(value, int) else value


def _is_float(value: Value) -> bool:
    return value is None or isinstance(value, float)


def _is_count(value: Value) -> bool:
    return isinstance(value, int) and 0 <= value <= LARGEST_NUMBER


def _is_sensor(value: Value) -> bool:
    return isinstance(value, int) and 1 <= value <= LARGEST_SENSOR_ID


def _is_moment(value: Value) -> bool:
    return isinstance(value, int) and _EARLIEST_MS < value < _LATEST_MS


def _is_address(value: Value) -> bool:
    if not isinstance(value, str):
        return False
    with contextlib.suppress(ValueError):
        ip_address(value.partition("%")[0])
        return True
    return False
