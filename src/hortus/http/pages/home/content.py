"""What Home shows, from what was read: the kits as cards or rows, and what needs a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hortus.domain.alerts.inbox import BoxCounts
from hortus.domain.plants.state import Condition, Range, Reading, judge, worst
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.series.freshness import Freshness, freshness
from hortus.http.pages.alerts.lines import AlertLine
from hortus.http.pages.plant_status import PlantsOfKit
from hortus.http.pages.status import KitStatus, StatusPage, StatusSeries

READINGS_OF_CARD = 4
_COLUMNS = 6

_SILENT_KITS_ARE_NEWS_FOR = timedelta(days=7)
"""A kit that nobody is told of, and that has been silent for longer, was put away."""

_ORDER_OF_STATES = (
    PresenceState.OFFLINE,
    PresenceState.LATE,
    PresenceState.NEVER,
    PresenceState.ONLINE,
)
_NO_PLANTS = PlantsOfKit()


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeReading:
    """A series of a kit with its target range. `is_old`: a sensor that should have reported has not."""

    series: StatusSeries
    range: Range
    condition: Condition | None
    is_old: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeKit:
    """A kit: its readings, those with a target range first. `readings` is None if they could not be read."""

    kit: KitStatus
    plants: PlantsOfKit
    readings: Sequence[HomeReading] | None

    @property
    def name(self) -> str:
        return self.kit.name or self.kit.serial

    @property
    def worst(self) -> Condition | None:
        """The worst condition of its plants, or None without plants."""
        return None if self.plants.worst is None else self.plants.worst.condition

    def of_quantity(self, quantity_type_id: int) -> HomeReading | None:
        """Return the reading of a quantity: the worst one that is judged, else the first."""
        found = [each for each in self.readings or () if each.series.key.quantity_type_id == quantity_type_id]
        judged = [each for each in found if each.condition is not None]
        if not judged:
            return found[0] if found else None
        condition = worst(each.condition for each in judged)
        return next(each for each in judged if each.condition is condition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A quantity in the table of kits."""

    quantity_type_id: int
    name: str
    unit: str

    @property
    def key(self) -> str:
        return f"q{self.quantity_type_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Home as one viewer sees it. `needs` are the alerts and `silent` the kits that need a person."""

    status: StatusPage
    kits: Sequence[HomeKit]
    needs: Sequence[AlertLine]
    silent: Sequence[KitStatus]
    counts: BoxCounts

    @property
    def things(self) -> int:
        """How many things need a person, shown or not."""
        return self.counts.open + len(self.silent)

    @property
    def not_stored(self) -> Sequence[HomeKit]:
        """The shown kits of which messages were set aside or refused."""
        return [each for each in self.kits if each.kit.counts.quarantined + each.kit.counts.refused]

    @property
    def columns(self) -> Sequence[Column]:
        """The quantities that most of the kits measure."""
        return _columns(self.kits)


def home_kits(
    status: StatusPage, plants: Mapping[int, PlantsOfKit], fresh_for: timedelta
) -> tuple[HomeKit, ...]:
    """Return the kits of a page with their readings judged by the target ranges of their plants."""
    return tuple(
        HomeKit(
            kit=kit,
            plants=plants.get(kit.id, _NO_PLANTS),
            readings=None
            if kit.series is None
            else readings_of(kit.series, plants.get(kit.id, _NO_PLANTS), status.now, fresh_for),
        )
        for kit in status.kits
    )


def readings_of(
    series: Iterable[StatusSeries], plants: PlantsOfKit, now: datetime, fresh_for: timedelta
) -> list[HomeReading]:
    """Return the readings of a kit: those with a target range first, then in the order of the kit."""
    found = [_reading(each, plants.ranges.get(each.key, ()), now, fresh_for) for each in series]
    return sorted(found, key=lambda each: each.condition is None)


def silent_kits(status: StatusPage, *, is_admin: bool) -> list[KitStatus]:
    """Return the kits of a page that are silent and of which no alert says so (yet), for whom it concerns.

    These are members, and for kits without members the administrators.
    """
    return [
        kit
        for kit in status.kits
        if kit.presence.state is PresenceState.OFFLINE
        and (kit.is_viewers or (is_admin and kit.is_nobodys))
        and not kit.has_silence_alert
        and kit.presence.last_contact_at is not None
        and status.now - kit.presence.last_contact_at < _SILENT_KITS_ARE_NEWS_FOR
    ]


def sorted_kits(kits: Sequence[HomeKit], sort: str, *, downwards: bool) -> list[HomeKit]:
    """Return the kits in the order that a column of the table asks for; those without a value come last."""

    def place(each: HomeKit) -> tuple[object, ...] | None:
        if sort == "name":
            return (each.name.lower(),)
        if sort == "state":
            return (_ORDER_OF_STATES.index(each.kit.presence.state),)
        if sort == "condition":
            return None if each.worst is None else (_ORDER_OF_CONDITIONS.index(each.worst),)
        reading = each.of_quantity(int(sort[1:]))
        return None if reading is None or reading.series.last is None else (reading.series.last.value,)

    placed = [(place(each), each) for each in kits]
    with_value = [pair for pair in placed if pair[0] is not None]
    with_value.sort(key=lambda pair: pair[0] or (), reverse=downwards)
    return [each for _, each in with_value] + [each for where, each in placed if where is None]


_ORDER_OF_CONDITIONS = (Condition.LOW, Condition.HIGH, Condition.NO_DATA, Condition.OK)


def _reading(series: StatusSeries, ranges: Sequence[Range], now: datetime, fresh_for: timedelta) -> HomeReading:
    last = series.last
    reading = None if last is None else Reading(value=last.value, at=last.at)
    judged = [(range_, judge(range_, reading, now, fresh_for)) for range_ in ranges]
    condition = worst(each for _, each in judged) if judged else None
    age_seconds = None if last is None else (now - last.at).total_seconds()
    is_old = last is not None and freshness(age_seconds, last.interval_seconds) is Freshness.STALE
    return HomeReading(
        series=series,
        range=next((range_ for range_, each in judged if each is condition), Range()),
        condition=condition,
        is_old=is_old,
    )


def _columns(kits: Sequence[HomeKit]) -> list[Column]:
    kits_by_column: dict[Column, int] = {}
    for each in kits:
        of_kit = {
            Column(quantity_type_id=key.quantity_type_id, name=series.quantity, unit=series.unit)
            for series in each.kit.series or ()
            for key in (series.key,)
        }
        for column in of_kit:
            kits_by_column[column] = kits_by_column.get(column, 0) + 1
    most = sorted(kits_by_column, key=lambda column: (-kits_by_column[column], column.quantity_type_id))
    return sorted(most[:_COLUMNS], key=lambda column: column.quantity_type_id)
