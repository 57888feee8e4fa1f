"""How fast a substrate dries, and in how many hours it will reach a threshold. Pure.

A straight line is fitted to the time since drainage. Below the comfortable range drying slows down, so the line
forecasts too early, which is the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import fmean

from hortus.domain.figures.limits import OutOfRange
from hortus.domain.figures.samples import Sample, usable
from hortus.domain.figures.student import two_sided_t
from hortus.domain.figures.watering import MOISTURE_POINTS

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_DRAINAGE = timedelta(hours=2)
_SHORTEST = timedelta(hours=6)
_LONGEST = timedelta(hours=72)
_LEAST_READINGS = 8
_CONFIDENCE = 0.8
_FURTHEST_HOURS = 7 * 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drying:
    """A line through the moisture since drainage, in points."""

    at: datetime
    """The time of the last value, from which forecasts count."""
    points: float
    """The value of the line at that time."""
    points_per_hour: float
    """The drying rate; negative if it gets wetter."""
    error_per_hour: float
    """The standard error of the rate."""
    readings: int


class Outlook(StrEnum):
    """What can be said of the time until a threshold."""

    EXPECTED = "expected"
    REACHED = "reached"
    DOES_NOT_DRY = "doesNotDry"
    MORE_THAN_A_WEEK = "moreThanAWeek"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The hours until a threshold, with those between which it lies with 80 % confidence.

    Hours are given only if the outlook is `EXPECTED`; `latest_hours` may be beyond a week. To be shown in words
    and with the interval, never to the minute.
    """

    outlook: Outlook
    hours: float | None = None
    earliest_hours: float | None = None
    latest_hours: float | None = None


def drying_since(moisture_points: Iterable[Sample], peak_at: datetime, now: datetime) -> Drying | None:
    """Return how the substrate dries since the peak of the last watering; None without enough readings.

    Uses what was measured from 2 h after the peak, at most the last 72 h, whole days from 24 h on, because it
    dries differently by day and by night. Neighbouring readings are too alike to count as evidence each, so
    hourly means are fitted: at least 8 over at least 6 h.
    """
    samples = usable(moisture_points, MOISTURE_POINTS).samples
    since = [each for each in samples if peak_at + _DRAINAGE <= each.at <= now]
    if not since:
        return None
    length = _whole_days(min(since[-1].at - since[0].at, _LONGEST))
    hourly = _hourly([each for each in since if each.at >= since[-1].at - length])
    if len(hourly) < _LEAST_READINGS or length < _SHORTEST:
        return None
    return fit(hourly)


def fit(samples: Sequence[Sample]) -> Drying:
    """Return the line of least squares through three or more samples in order, in points and hours."""
    last_at = samples[-1].at
    hours = [(each.at - last_at) / _HOUR for each in samples]
    values = [each.value for each in samples]
    mean_hour, mean_value = fmean(hours), fmean(values)
    spread = sum((each - mean_hour) ** 2 for each in hours)
    slope = (
        sum((hour - mean_hour) * (value - mean_value) for hour, value in zip(hours, values, strict=True))
        / spread
    )
    now = mean_value - slope * mean_hour
    residual = sum((value - now - slope * hour) ** 2 for hour, value in zip(hours, values, strict=True))
    error = math.sqrt(residual / (len(samples) - 2) / spread)
    return Drying(at=last_at, points=now, points_per_hour=-slope, error_per_hour=error, readings=len(samples))


def hours_until(drying: Drying, threshold_points: float) -> Forecast:
    """Return when the moisture will fall to a threshold if it goes on drying at this rate."""
    left = drying.points - threshold_points
    if left <= 0:
        return Forecast(outlook=Outlook.REACHED)
    margin = two_sided_t(_CONFIDENCE, drying.readings - 2) * drying.error_per_hour
    slowest, fastest = drying.points_per_hour - margin, drying.points_per_hour + margin
    if slowest <= 0:
        return Forecast(outlook=Outlook.DOES_NOT_DRY)
    hours = left / drying.points_per_hour
    if hours > _FURTHEST_HOURS:
        return Forecast(outlook=Outlook.MORE_THAN_A_WEEK)
    return Forecast(
        outlook=Outlook.EXPECTED, hours=hours, earliest_hours=left / fastest, latest_hours=left / slowest
    )


def hours_until_exponentially(
    points: float, threshold_points: float, final_points: float, rate_per_hour: float
) -> float:
    """Return the hours until a threshold if the excess over a final moisture shrinks by a constant rate.

    Points must not be below the threshold, that must be above the final moisture, and the rate above 0, or
    OutOfRange is raised.
    """
    if not (points >= threshold_points > final_points and rate_per_hour > 0):
        raise OutOfRange("The threshold must lie between the present and the final moisture.")
    return math.log((points - final_points) / (threshold_points - final_points)) / rate_per_hour


def _whole_days(length: timedelta) -> timedelta:
    return length // _DAY * _DAY if length >= _DAY else length


def _hourly(samples: Sequence[Sample]) -> list[Sample]:
    """Return the mean of each hour, counted from the first sample, at the mean of its times."""
    first = samples[0].at
    hours: dict[int, list[Sample]] = {}
    for each in samples:
        hours.setdefault((each.at - first) // _HOUR, []).append(each)
    return [_mean(each) for each in hours.values()]


def _mean(samples: Sequence[Sample]) -> Sample:
    first = samples[0].at
    later = sum((each.at - first for each in samples), timedelta()) / len(samples)
    return Sample(first + later, fmean(each.value for each in samples))
