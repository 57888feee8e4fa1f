"""The values shown on the page of a plant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import RowMapping

from hortus.domain.plants.links import PlantLink
from hortus.domain.plants.state import Condition, Range, Reading, worst
from hortus.domain.plants.store import Plant
from hortus.http.pages.status import SeriesKey
from hortus.http.pages.week import Week
from hortus.http.pages.wording import OutOfRange


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantQuantity:
    """One quantity of a plant. `condition` is None if it is not judged; `source` names what measures it.

    `trouble` is a sentence about the sensor, if its newest reading cannot have been measured.
    `chart` is the address of its chart; empty without a source. `is_own`: the range is the plant's own, and not
    that of its species. `week` is None if nothing measures it, or it has no range.
    """

    quantity_type_id: int
    name: str
    unit: str
    condition: Condition | None
    range: Range
    reading: Reading | None
    source: str
    trouble: str | None
    chart: str = ""
    is_own: bool = False
    week: Week | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantAlert:
    """One alert of a plant. `value` and `range` are those when it opened; `over_at` is None while it is open.

    `may_be_seen`: it concerns the viewer, and nobody has marked it as seen yet.
    """

    id: int
    quantity: str
    unit: str
    condition: Condition
    value: float | None
    range: Range
    opened_at: datetime
    seen_at: datetime | None
    over_at: datetime | None
    is_withdrawn: bool
    may_be_seen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantStatus:
    """A plant as the viewer may see it. `links` are the current ones, `past_links` those that have ended."""

    now: datetime
    plant: Plant
    condition: Condition
    out_of_range: tuple[OutOfRange, ...]
    quantities: tuple[PlantQuantity, ...]
    links: tuple[PlantLink, ...]
    past_links: tuple[PlantLink, ...]
    may_edit: bool
    alerts: tuple[PlantAlert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantLine:
    """A plant in a list."""

    id: int
    name: str
    condition: Condition
    out_of_range: tuple[OutOfRange, ...]
    species_name: str | None = None
    photo_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantsOfKit:
    """The first plants that a kit measures, and how many more there are.

    `ranges` are those of these plants for the series of the kit by which they are judged.
    """

    lines: Sequence[PlantLine] = ()
    more: int = 0
    ranges: Mapping[SeriesKey, Sequence[Range]] = field(default_factory=dict)

    @property
    def worst(self) -> PlantLine | None:
        """The first of these plants that are worst off; None without plants."""
        condition = worst(line.condition for line in self.lines)
        return next((line for line in self.lines if line.condition is condition), None)


def plant_alert(row: RowMapping, *, concerns_viewer: bool) -> PlantAlert:
    """Return an alert as the page shows it, from a row of hortus.domain.alerts.store."""
    return PlantAlert(
        id=row["id"],
        quantity=row["physical_quantity"],
        unit=row["physical_unit_symbol"] or row["physical_unit"],
        condition=Condition(row["condition"]),
        value=row["value"],
        range=Range(minimum=row["minimum"], maximum=row["maximum"]),
        opened_at=row["opened_at"],
        seen_at=row["seen_at"],
        over_at=row["over_at"],
        is_withdrawn=row["ending"] == "withdrawn",
        may_be_seen=concerns_viewer and row["over_at"] is None and row["seen_at"] is None,
    )
