"""Samples of a quantity, and the periods over which figures are computed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hortus.domain.figures.limits import Limits


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """A value with its time, which is kept in UTC. Raises ValueError for a time without zone."""

    at: datetime
    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _utc(self.at))


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A period of time, such as a local day; `end` is exclusive. Kept in UTC.

    Raises ValueError for times without zone, or if it does not end after its start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", _utc(self.start))
        object.__setattr__(self, "end", _utc(self.end))
        if self.end <= self.start:
            raise ValueError("A period must end after its start.")

    @property
    def seconds(self) -> float:
        """The elapsed time, which is 82,800 or 90,000 s for days on which clocks change."""
        return (self.end - self.start).total_seconds()

    def shared_with(self, other: Period) -> Period | None:
        """Return the part that lies in another period too, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class Usable:
    """Usable samples in order of time, one per moment, and how many moments had a value that was not usable."""

    samples: tuple[Sample, ...]
    left_out: int = 0


def usable(samples: Iterable[Sample], limits: Limits) -> Usable:
    """Return the usable samples, whatever the order in which they came and however often.

    Of different values at the same moment, the highest is used.
    """
    good: set[Sample] = set()
    bad: set[datetime] = set()
    for each in samples:
        if limits.hold(each.value):
            good.add(each)
        else:
            bad.add(each.at)
    one_per_moment = {each.at: each for each in sorted(good)}
    return Usable(tuple(one_per_moment.values()), len(bad))


def local_day(day: date, zone: ZoneInfo, starts_at: time = time.min) -> Period:
    """Return a local day, from midnight or another hour to the same hour of the next day by the clock."""
    return Period(
        datetime.combine(day, starts_at, zone), datetime.combine(day + timedelta(days=1), starts_at, zone)
    )


def hours_of(period: Period) -> list[Period]:
    """Return the hours of a period, counted from its start. The last one may be shorter."""
    hours = []
    start = period.start
    while start < period.end:
        end = min(start + timedelta(hours=1), period.end)
        hours.append(Period(start, end))
        start = end
    return hours


def _utc(moment: datetime) -> datetime:
    # Times in the same zone are subtracted by the clock on the wall, which is wrong when clocks change.
    if moment.tzinfo is None:
        raise ValueError("A time needs a zone.")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
