"""What a phase wants at a moment, and what it wants of a closed day. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hortus.domain.recipes.counting import ONE_DAY, lights_on, local_time
from hortus.domain.recipes.document import Aim, Band, Phase, Photoperiod
from hortus.domain.recipes.quantities import MEANINGS, Place, Quantity

SETTLING = timedelta(minutes=30)
"""How long after a switch of the light neither band is judged: temperature needs time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightState:
    """Whether the light is on, and since when; None: it never changes."""

    is_on: bool
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What holds at a moment. `place` is light or dark; None if nothing says which.

    `aims` are to be drawn. `bands` are to be judged by, in place of those of the plant and its species; None:
    the quantity is not judged now, not even by theirs.
    """

    place: Place | None
    is_settled: bool
    aims: Mapping[Quantity, Aim]
    bands: Mapping[Quantity, Band | None]


def targets_at(
    phase: Phase,
    *,
    began_at: datetime,
    at: datetime,
    zone: ZoneInfo,
    measured: LightState | None = None,
    settling: timedelta = SETTLING,
) -> Targets:
    """Return what a phase that began at `began_at` wants at a moment, of quantities that have a value then.

    `measured` is the light as measured, which counts if the phase has no photoperiod; None: not known. The
    start of the phase counts as a switch, since its bands may be others.
    """
    light = light_by(phase.photoperiod, at, zone) if phase.photoperiod else measured
    place = None if light is None else Place.LIGHT if light.is_on else Place.DARK
    is_settled = light is not None and all(
        at - switch >= settling for switch in (began_at, light.since) if switch is not None
    )
    aims = {**phase.day, **(phase.environment(place) if place else {})}
    return Targets(
        place=place,
        is_settled=is_settled,
        aims={quantity: aim for quantity, aim in aims.items() if not MEANINGS[quantity].is_daily},
        bands=_bands(phase, place if is_settled else None),
    )


def targets_of_day(phase: Phase) -> dict[Quantity, Aim]:
    """Return what a phase wants of the figures of a local day, which are judged when it is closed."""
    return {quantity: aim for quantity, aim in phase.day.items() if MEANINGS[quantity].is_daily}


def light_by(photoperiod: Photoperiod, at: datetime, zone: ZoneInfo) -> LightState:
    """Return whether the light is on by the photoperiod, which goes by the clock also when that is changed."""
    if photoperiod.start is None or photoperiod.hours in (0, 24):
        return LightState(is_on=photoperiod.hours > 0, since=None)
    today = at.astimezone(zone).date()
    switches = []
    for day in (today - ONE_DAY, today):
        off = datetime.combine(day, photoperiod.start) + timedelta(hours=photoperiod.hours)
        switches += [(lights_on(photoperiod, day, zone), True), (local_time(off, zone), False)]
    since, is_on = max(switch for switch in switches if switch[0] <= at)
    return LightState(is_on=is_on, since=since)


def _bands(phase: Phase, judged: Place | None) -> dict[Quantity, Band | None]:
    """Return the bands of the day and of the place that is judged, and None for those of other places."""
    bands: dict[Quantity, Band | None] = {}
    for place in Place:
        for quantity, aim in phase.environment(place).items():
            if aim.band is not None and not MEANINGS[quantity].is_daily:
                holds = place in (Place.DAY, judged)
                bands[quantity] = aim.band if holds else bands.get(quantity)
    return bands
