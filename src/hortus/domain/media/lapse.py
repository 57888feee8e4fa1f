"""The frames of a time-lapse. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from hortus.domain.media.gallery import ShownMedium

MOST_FRAMES = 750
"""31 days of hours, or two years of days."""

HOUR = timedelta(hours=1)
NEAR = timedelta(hours=3)
"""How far the picture of a day may be from its time of day."""


class Every(StrEnum):
    """Which pictures become frames."""

    PICTURE = "picture"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A moment of a time-lapse; `medium` is None if there is no picture of it."""

    at: datetime
    medium: ShownMedium | None


class TooManyFrames(ValueError):
    """The range has more hours or days than a time-lapse has frames."""


def slots_of(every: Every, start: date, end: date, at: time, zone: tzinfo, now: datetime) -> list[datetime]:
    """Return the moments of the frames from one local day to another, both included, up to the present.

    Raises TooManyFrames.
    """
    if every is Every.HOUR:
        first = datetime.combine(start, time(), zone).astimezone(UTC)
        last = datetime.combine(end + timedelta(days=1), time(), zone).astimezone(UTC)
        number = -(-(min(last, now) - first) // HOUR)
        if number > MOST_FRAMES:
            raise TooManyFrames
        return [first + index * HOUR for index in range(max(0, number))]
    days = (end - start).days + 1
    if days > MOST_FRAMES:
        raise TooManyFrames
    moments = (datetime.combine(start + timedelta(days=day), at, zone).astimezone(UTC) for day in range(days))
    return [moment for moment in moments if moment - NEAR <= now]


def framed(slots: Iterable[datetime], media: Sequence[ShownMedium | None]) -> list[Frame]:
    """Return the frames from the first picture to the last one: what is missing in between stays, as a gap."""
    frames = [
        Frame(at=medium.at if medium else slot, medium=medium)
        for slot, medium in zip(slots, media, strict=True)
    ]
    with_picture = [index for index, frame in enumerate(frames) if frame.medium is not None]
    return frames[with_picture[0] : with_picture[-1] + 1] if with_picture else []


def each_picture(media: Iterable[ShownMedium]) -> list[Frame]:
    """Return a frame for every picture; one that cannot be shown is a gap."""
    return [
        Frame(at=medium.at, medium=medium if medium.is_picture else None)
        for medium in media
        if medium.type.startswith("image/")
    ]
