"""The last days of a quantity of a plant as pages show them: shares of days, and a picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from hortus.domain.plants.state import Range
from hortus.domain.plants.week import DAYS, DayInRange, HourOfPlant, days_in_range

WIDTH = 600
HEIGHT = 120
_MARGIN = 4
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekPicture:
    """The hours of the last days in an SVG: the line in stretches, the envelope, and the target band.

    `low` and `high` are the values at the bottom and the top. `band` has the upper edge and the height, None
    without a range; `edges` are the bounds inside the picture. `nights` are where days begin.
    """

    lines: Sequence[str]
    envelopes: Sequence[str]
    band: tuple[float, float] | None
    edges: Sequence[float]
    days: Sequence[float]
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """The last days of a quantity."""

    days: Sequence[DayInRange]
    picture: WeekPicture | None

    @property
    def measured(self) -> int:
        """The number of hours with readings."""
        return sum(day.measured for day in self.days)

    @property
    def without_readings(self) -> int:
        """The number of hours that had none."""
        return sum(day.hours for day in self.days) - self.measured

    @property
    def percent(self) -> int | None:
        """The share of the hours with readings that were in range. Rounded down: 99.9 % is not all."""
        return 100 * sum(day.inside for day in self.days) // self.measured if self.measured else None


def week_of(hours: Sequence[HourOfPlant], range_: Range, now: datetime, zone: tzinfo) -> Week:
    """Return the last days of a quantity by its target range."""
    days = days_in_range(hours, range_, now, zone)
    first = datetime(days[0].day.year, days[0].day.month, days[0].day.day, tzinfo=zone)
    shown = [hour for hour in hours if hour.start + _HOUR > first]
    return Week(days=days, picture=picture_of(shown, range_, first, now) if shown else None)


def picture_of(hours: Sequence[HourOfPlant], range_: Range, start: datetime, now: datetime) -> WeekPicture:
    """Return the picture of these hours from `start` to now. No line crosses an hour without readings."""
    bounds = [each for each in (range_.minimum, range_.maximum) if each is not None]
    low = min([hour.minimum for hour in hours] + bounds)
    high = max([hour.maximum for hour in hours] + bounds)
    air = (high - low) * 0.06 or 1.0
    low, high = low - air, high + air
    length = max(now - start, _HOUR)

    def x(moment: datetime) -> float:
        return round(max(0.0, min(1.0, (moment - start) / length)) * WIDTH, 1)

    def y(value: float) -> float:
        share = (value - low) / (high - low)
        return round(HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN), 1)

    top = 0.0 if range_.maximum is None else y(range_.maximum)
    bottom = float(HEIGHT) if range_.minimum is None else y(range_.minimum)
    middle = _HOUR / 2
    lines, envelopes = [], []
    for stretch in _stretches(hours):
        points = [(x(hour.start + middle), hour) for hour in stretch]
        if len(points) == 1:
            at, hour = points[0]
            points = [(at - 1.5, hour), (at + 1.5, hour)]
        lines.append(" ".join(f"{at:.1f},{y(hour.mean)}" for at, hour in points))
        upper = [f"{at:.1f},{y(hour.maximum)}" for at, hour in points]
        lower = [f"{at:.1f},{y(hour.minimum)}" for at, hour in reversed(points)]
        envelopes.append(" ".join(upper + lower))
    return WeekPicture(
        lines=lines,
        envelopes=envelopes,
        band=None if not bounds else (top, round(bottom - top, 1)),
        edges=[y(each) for each in bounds],
        days=[x(start + timedelta(days=day)) for day in range(1, DAYS)],
        low=low,
        high=high,
    )


def _stretches(hours: Sequence[HourOfPlant]) -> list[list[HourOfPlant]]:
    stretches: list[list[HourOfPlant]] = []
    for hour in hours:
        if stretches and hour.start - stretches[-1][-1].start <= _HOUR:
            stretches[-1].append(hour)
        else:
            stretches.append([hour])
    return stretches
