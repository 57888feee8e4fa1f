"""Selections of a kit's rows, and the SQL conditions that express them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Data(StrEnum):
    """The kind of data that is exported."""

    RAW = "raw"
    AGGREGATE = "aggregate"
    MEDIA = "media"  # the metadata of each medium, not its content


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table of rows, and the time column that orders them (then by id, where times are equal)."""

    table: str
    time: str


PLACES = {
    Data.RAW: ExportTable("raw_measurements", "datetime"),
    Data.AGGREGATE: ExportTable("aggregate_measurements", "datetime_start"),
    Data.MEDIA: ExportTable("media", "datetime"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A selection of one kit's rows; a field that is None does not restrict.

    `start` is inclusive. `end` is exclusive, except for aggregates selected by the end of their window, where
    those ending exactly at `end` are included (`ended`, http-api 4.9).
    """

    data: Data
    start: datetime | None = None
    end: datetime | None = None
    ended: bool = False
    configuration_id: int | None = None
    peripheral_id: int | None = None
    quantity_type_id: int | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A row's position in the order: time, then id."""

    time: datetime
    id: UUID


@dataclass(slots=True)
class Where:
    """Conditions on a table with the alias `m`, and their arguments. `kit` is the placeholder of its kit."""

    conditions: list[str] = field(default_factory=list)
    arguments: list[object] = field(default_factory=list)
    kit: str = ""

    def add(self, condition: str, *values: object) -> None:
        """Add a condition in which each `{}` stands for the next value."""
        self.conditions.append(condition.format(*(self.argument(value) for value in values)))

    def argument(self, value: object) -> str:
        """Add an argument and return its placeholder."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def __str__(self) -> str:
        return " AND ".join(self.conditions)


def conditions(kit_id: int, selection: Selection) -> Where:
    """Return the conditions for the selected rows of the kit."""
    where = Where()
    where.kit = where.argument(kit_id)
    where.add(f"m.kit_id = {where.kit}")
    time = f"m.{PLACES[selection.data].time}"
    if selection.start is not None:
        where.add(f"{time} >= {{}}", selection.start)
    if selection.end is not None and selection.ended:
        # The second condition goes beyond http-api 4.9; it lets PostgreSQL prune partitions.
        where.add(f"m.datetime_end <= {{}} AND {time} <= {{}}", selection.end, selection.end)
    elif selection.end is not None:
        where.add(f"{time} < {{}}", selection.end)
    for column, value in (
        ("kit_configuration_id", selection.configuration_id),
        ("peripheral_id", selection.peripheral_id),
        ("quantity_type_id", selection.quantity_type_id),
    ):
        if value is not None:
            where.add(f"m.{column} = {{}}", value)
    return where


def between(where: Where, data: Data, after: Position | None, up_to: Position | None) -> None:
    """Restrict to the rows after one position, up to and including another.

    The additional comparison of times alone is implied; it lets PostgreSQL prune partitions.
    """
    time = f"m.{PLACES[data].time}"
    if after is not None:
        where.add(f"{time} >= {{}} AND ({time}, m.id) > ({{}}, {{}})", after.time, after.time, after.id)
    if up_to is not None:
        where.add(f"{time} <= {{}} AND ({time}, m.id) <= ({{}}, {{}})", up_to.time, up_to.time, up_to.id)
