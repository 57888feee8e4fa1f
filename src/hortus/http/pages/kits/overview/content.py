"""The values shown on the overview of a kit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hortus.domain.events.event import Event
from hortus.domain.kits.devices import ConfiguredDevice
from hortus.domain.plants.bands import TargetBand
from hortus.domain.plants.state import Condition, Range
from hortus.domain.presence.store import PresenceRecord
from hortus.domain.series.freshness import Freshness
from hortus.domain.series.listing import ListedSeries
from hortus.flow.commands.latest import LastCommand
from hortus.flow.rpc.fetched import FetchedState
from hortus.http.pages.schema_forms.kinds import translated
from hortus.http.pages.status import Picture

Course = tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series on the page. `is_old`: its last reading is no longer the present value.

    `condition` is that of its target range, None without one; `trouble` a sentence about the sensor.
    """

    name: str
    quantity_type_id: int
    quantity: str
    unit: str
    value: float | None
    at: datetime | None
    is_old: bool
    range: Range
    condition: Condition | None
    whose: str
    course: Course
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorGroup:
    """The series of one peripheral; `kind` is what it is, empty if it is not in the active configuration."""

    name: str
    kind: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuator:
    """A peripheral that takes commands. `last` is None if there was none, or if the viewer may not see it."""

    name: str
    kind: str
    last: LastCommand | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configurations:
    """What the kit runs and should run, and the names of its configurations by their ids."""

    state: FetchedState
    names: Mapping[int, str]
    is_board: bool

    def name_of(self, configuration_id: int | None) -> str:
        """Return the name that people gave a configuration, else its number."""
        return self.names.get(configuration_id or 0) or f"#{configuration_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A kit now. `today_total` is how many events of today there are in all."""

    now: datetime
    zone: tzinfo
    created_at: datetime
    presence: PresenceRecord
    configurations: Configurations
    groups: Sequence[SensorGroup]
    earlier: Sequence[SensorGroup]
    actuators: Sequence[Actuator]
    sees_commands: bool
    picture: Picture | None
    today: Sequence[Event]
    today_total: int

    @property
    def lines(self) -> list[Line]:
        """The series of the active configuration."""
        return [line for group in self.groups for line in group.lines]

    @property
    def first_reading_at(self) -> datetime | None:
        """A reading of any series, if there is one."""
        found = [line.at for group in (*self.groups, *self.earlier) for line in group.lines if line.at]
        return min(found, default=None)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever heard of the kit."""
        return self.presence.judgement.last_contact_at is None and self.first_reading_at is None

    @property
    def old(self) -> int:
        """How many sensors of the active configuration have no recent reading."""
        return sum(line.is_old or line.at is None for line in self.lines)


def groups_of(
    listed: Sequence[ListedSeries],
    devices: Sequence[ConfiguredDevice],
    bands: Sequence[TargetBand],
    courses: Mapping[tuple[str, int], Course],
    now: datetime,
) -> tuple[list[SensorGroup], list[SensorGroup]]:
    """Return the groups of the active configuration, in its order, and those of earlier sensors."""
    by_name: dict[str, list[Line]] = {}
    earlier: dict[str, list[Line]] = {}
    targets = {band.series_id: band for band in reversed(bands)}
    for each in listed:
        key = (each.peripheral_name, each.quantity_type.id)
        line = _line(each, targets.get(each.id), courses.get(key, ()), now)
        (earlier if each.active_peripheral_id is None else by_name).setdefault(each.peripheral_name, []).append(
            line
        )
    present = [
        SensorGroup(name=device.name, kind=translated(device.definition.name), lines=by_name[device.name])
        for device in devices
        if device.name in by_name
    ]
    former = [SensorGroup(name=name, kind="", lines=lines) for name, lines in earlier.items()]
    return present, former


def actuators_of(devices: Sequence[ConfiguredDevice], commands: Mapping[str, LastCommand]) -> list[Actuator]:
    """Return the devices of the configuration that take commands."""
    return [
        Actuator(name=device.name, kind=translated(device.definition.name), last=commands.get(device.name))
        for device in devices
        if device.definition.command_schema is not None
    ]


def _line(listed: ListedSeries, band: TargetBand | None, course: Course, now: datetime) -> Line:
    quantity = listed.quantity_type
    is_old = listed.freshness(now) is Freshness.STALE
    range_ = band.range if band else Range()
    condition: Condition | None = None
    if band is not None:
        is_judged = listed.last_value is not None and not is_old
        condition = range_.condition_of(listed.last_value or 0.0) if is_judged else Condition.NO_DATA
    return Line(
        name=listed.peripheral_name,
        quantity_type_id=quantity.id,
        quantity=quantity.physical_quantity,
        unit=quantity.physical_unit_symbol or quantity.physical_unit,
        value=listed.last_value,
        at=listed.last_at,
        is_old=is_old,
        range=range_,
        condition=condition,
        whose=band.plant_name if band else "",
        course=course,
        trouble=listed.implausible.explanation if listed.implausible else "",
    )
