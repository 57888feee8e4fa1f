"""Which rows of a kit are meant, and the SQL that says so. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Data(StrEnum):
    """What is exported."""

    RAW = "raw"
    AGGREGATE = "aggregate"
    MEDIA = "media"  # what is known of each medium, not its content


@dataclass(frozen=True, slots=True)
class ExportTable:
    """Where rows are: their table, and the time that they are ordered by (and by id, where times are equal)."""

    table: str
    time: str


PLACES = {
    Data.RAW: ExportTable("raw_measurements", "datetime"),
    Data.AGGREGATE: ExportTable("aggregate_measurements", "datetime_start"),
    Data.MEDIA: ExportTable("media", "datetime"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows of one kit are meant; what is None does not restrict.

    `start` is included. `end` is not, except that of aggregates which must have ended by then, those that end
    at that very moment are included (`ended`, http-api 4.9).
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
    """A row's place in the order: time, then id."""

    time: datetime
    id: UUID


@dataclass(slots=True)
class Where:
    """Conditions on a table called `m`, with their arguments."""

    conditions: list[str] = field(default_factory=list)
    arguments: list[object] = field(default_factory=list)

    def add(self, condition: str, *values: object) -> None:
        """Add a condition, in which `{}` stands for each value in turn."""
        self.conditions.append(condition.format(*(self.argument(value) for value in values)))

    def argument(self, value: object) -> str:
        """Return the placeholder of one more argument."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def __str__(self) -> str:
        return " AND ".join(self.conditions)


def conditions(kit_id: int, selection: Selection) -> Where:
    """Return what must hold for the selected rows of the kit."""
    where = Where()
    where.add("m.kit_id = {}", kit_id)
    time = f"m.{PLACES[selection.data].time}"
    if selection.start is not None:
        where.add(f"{time} >= {{}}", selection.start)
    if selection.end is not None and selection.ended:
        # The second says more than http-api 4.9 asks for; from it, PostgreSQL knows which partitions matter.
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
    """Restrict to a stretch of the order: behind one row, up to and including another.

    Comparing the times alone says the same less exactly; from it, PostgreSQL knows which partitions matter.
    """
    time = f"m.{PLACES[data].time}"
    if after is not None:
        where.add(f"{time} >= {{}} AND ({time}, m.id) > ({{}}, {{}})", after.time, after.time, after.id)
    if up_to is not None:
        where.add(f"{time} <= {{}} AND ({time}, m.id) <= ({{}}, {{}})", up_to.time, up_to.time, up_to.id)
