"""What holds depends on the light, and is not judged until the air had time to follow it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.recipes.document import Aim, Band, ByHand, Phase, Photoperiod
from hortus.domain.recipes.quantities import Place, Quantity
from hortus.domain.recipes.targets import LightState, Targets, light_by, targets_at, targets_of_day

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
WARM, COOL, EC = Band(minimum=22, maximum=27), Band(minimum=19, maximum=24), Band(minimum=1.0, maximum=1.6)
PHASE = Phase(
    name="growth",
    ends=ByHand(),
    photoperiod=Photoperiod(hours=16, start=time(6)),
    light={Quantity.AIR_TEMPERATURE: Aim(target=24, band=WARM), Quantity.CO2: Aim(target=900)},
    dark={Quantity.AIR_TEMPERATURE: Aim(band=COOL)},
    day={Quantity.EC: Aim(band=EC), Quantity.DLI: Aim(target=15)},
)
BEGAN = datetime(2026, 11, 1, tzinfo=AMSTERDAM)


def local(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 30, hour, minute, tzinfo=AMSTERDAM)


def holding(at: datetime, phase: Phase = PHASE, **more: Any) -> Targets:
    return targets_at(phase, **{"began_at": BEGAN, "at": at, "zone": AMSTERDAM, **more})


@pytest.mark.parametrize(
    ("at", "place", "band"),
    [
        (local(5, 59), Place.DARK, COOL),
        (local(6), Place.LIGHT, None),
        (local(6, 29), Place.LIGHT, None),
        (local(6, 30), Place.LIGHT, WARM),
        (local(21, 59), Place.LIGHT, WARM),
        (local(22), Place.DARK, None),
        (local(22, 30), Place.DARK, COOL),
    ],
)
def test_neither_band_is_judged_until_half_an_hour_after_a_switch(
    at: datetime, place: Place, band: Band | None
) -> None:
    targets = holding(at)
    assert (targets.place, targets.is_settled) == (place, band is not None)
    assert targets.bands == {Quantity.AIR_TEMPERATURE: band, Quantity.EC: EC}


def test_targets_are_drawn_at_once_and_figures_of_the_day_only_when_it_is_closed() -> None:
    assert holding(local(6)).aims == {**PHASE.light, Quantity.EC: Aim(band=EC)}
    assert holding(local(22)).aims == {**PHASE.dark, Quantity.EC: Aim(band=EC)}
    assert targets_of_day(PHASE) == {Quantity.DLI: Aim(target=15)}


def test_the_beginning_of_a_phase_counts_as_a_switch() -> None:
    assert not holding(local(12), began_at=local(11, 31)).is_settled
    assert holding(local(12), began_at=local(11, 30)).is_settled
    assert holding(local(12), began_at=local(11, 59), settling=timedelta(minutes=1)).is_settled


def test_a_band_for_the_light_only_replaces_others_in_the_dark_too() -> None:
    phase = Phase(name="a", ends=ByHand(), photoperiod=PHASE.photoperiod, light=PHASE.light)
    assert holding(local(3), phase).bands == {Quantity.AIR_TEMPERATURE: None}


def test_without_a_photoperiod_the_measured_light_decides() -> None:
    phase = Phase(name="a", ends=ByHand(), light=PHASE.light, dark=PHASE.dark, day=PHASE.day)
    by_light = holding(local(12), phase, measured=LightState(is_on=True, since=local(8)))
    assert (by_light.place, by_light.bands[Quantity.AIR_TEMPERATURE]) == (Place.LIGHT, WARM)
    assert not holding(local(12), phase, measured=LightState(is_on=False, since=local(11, 45))).is_settled
    unknown = holding(local(12), phase)
    assert (unknown.place, unknown.is_settled) == (None, False)
    assert unknown.bands == {Quantity.AIR_TEMPERATURE: None, Quantity.EC: EC}


@pytest.mark.parametrize(("hours", "is_on"), [(0, False), (24, True)])
def test_light_that_never_changes_has_no_switch(hours: float, is_on: bool) -> None:
    for start in (None, time(6)):
        light = light_by(Photoperiod(hours=hours, start=start), local(12), AMSTERDAM)
        assert light == LightState(is_on=is_on, since=None)


def test_light_over_midnight_belongs_to_the_evening_before() -> None:
    light = light_by(Photoperiod(hours=10, start=time(20)), local(3), AMSTERDAM)
    assert light == LightState(is_on=True, since=datetime(2026, 11, 29, 19, tzinfo=UTC))


def test_lamps_go_by_the_clock_when_it_is_changed() -> None:
    photoperiod = Photoperiod(hours=4, start=time(1))
    until = datetime(2026, 3, 29, 5, tzinfo=AMSTERDAM).astimezone(UTC)  # an hour is left out at 2
    assert light_by(photoperiod, until - timedelta(seconds=1), AMSTERDAM).is_on
    assert light_by(photoperiod, until, AMSTERDAM) == LightState(is_on=False, since=until)


@given(
    st.datetimes(datetime(2018, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    st.times(),
    st.integers(1, 2399).map(lambda hundredths: hundredths / 100),
    st.sampled_from(["UTC", "Africa/Cairo", "Australia/Lord_Howe", "America/Sao_Paulo"]),
)
def test_the_light_has_the_state_of_its_last_switch(
    moment: datetime, start: time, hours: float, zone: str
) -> None:
    photoperiod, at = Photoperiod(hours=hours, start=start), moment.replace(tzinfo=UTC)
    light = light_by(photoperiod, at, ZoneInfo(zone))
    assert light.since is not None
    assert light.since <= at
    assert light_by(photoperiod, light.since, ZoneInfo(zone)) == light
