"""The virtual chamber behaves like a growing chamber, whatever its devices do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hortus.simulator.chamber import SOIL_WATERED, SOIL_WILTING, Actuators, Chamber, ChamberState
from hortus.simulator.climate import Climate, ClimatePlan, Fittings
from hortus.simulator.surroundings import Site, saturated_vapour, surroundings_at

NOON = datetime(2026, 3, 20, 11, 40, tzinfo=UTC).timestamp()  # by the sun, at 5 degrees east
MIDNIGHT = NOON + 12 * 3600
CHAMBER = Chamber(site=Site(seed=1))
ALL_DEVICES = Fittings(heater=True, fan=True, lamp=True)

percents = st.floats(0, 100)
actuators = st.builds(
    Actuators,
    heater_percent=percents,
    fan_percent=percents,
    lamp_blue_percent=percents,
    lamp_red_percent=percents,
    lamp_far_red_percent=percents,
)
sites = st.builds(
    Site,
    seed=st.integers(0, 2**32),
    latitude_degrees=st.floats(-66, 66),
    longitude_degrees=st.floats(-180, 180),
    window_fraction=st.floats(0, 0.3),
)
chambers = st.builds(Chamber, site=sites, plants=st.floats(0, 2), watering_interval_days=st.floats(1, 10))
moments = st.floats(0, 4e9)


@settings(max_examples=150, deadline=None)
@given(chambers, moments, st.lists(st.tuples(actuators, st.floats(0, 20_000)), min_size=1, max_size=12))
def test_it_stays_within_physical_bounds_whatever_the_devices_do(
    chamber: Chamber, begin_seconds: float, commands: list[tuple[Actuators, float]]
) -> None:
    state = chamber.at_rest(begin_seconds)
    for command, seconds in commands:
        state = chamber.step(state, command, seconds)
        assert 0 < state.temperature_celsius < 65
        assert state.vapour_grams_per_cubic_metre > 0
        assert 0 < state.humidity_percent <= 100
        assert 20 < state.carbon_dioxide_ppm < 2000
        assert SOIL_WILTING <= state.soil_moisture_fraction <= SOIL_WATERED
        assert 0 < state.water_temperature_celsius < 65
        assert 0 <= state.light_lux < 40_000
        assert 950 < state.pressure_hpa < 1060


@given(chambers, moments, actuators)
def test_the_same_step_from_the_same_state_gives_the_same_state(
    chamber: Chamber, begin_seconds: float, command: Actuators
) -> None:
    state = chamber.at_rest(begin_seconds)
    assert chamber.step(state, command, 60) == chamber.step(state, command, 60)


def test_days_are_lighter_and_warmer_than_nights() -> None:
    climate = Climate(chamber=CHAMBER, plan=ClimatePlan(), fittings=Fittings())
    for day in range(0, 360, 15):
        at_noon = climate.state_at(NOON + day * 86_400)
        at_midnight = climate.state_at(MIDNIGHT + day * 86_400)
        assert at_noon.light_lux > at_midnight.light_lux == 0
        assert at_noon.temperature_celsius > at_midnight.temperature_celsius


def test_summers_are_lighter_than_winters_on_both_halves_of_the_earth() -> None:
    july, january = (datetime(2026, month, 1, 12, tzinfo=UTC).timestamp() for month in (7, 1))
    for latitude, summer, winter in [(50.0, july, january), (-50.0, january, july)]:
        site = Site(seed=1, latitude_degrees=latitude, longitude_degrees=0.0)
        week = [day * 86_400 for day in range(30)]
        light = [
            sum(surroundings_at(site, begin + offset).daylight_lux for offset in week)
            for begin in (summer, winter)
        ]
        assert light[0] > 2 * light[1]


def after_an_hour(command: Actuators, begin: ChamberState | None = None) -> ChamberState:
    return CHAMBER.step(begin or CHAMBER.at_rest(MIDNIGHT), command, 3600)


def test_the_heater_warms() -> None:
    cold, warm, hot = (after_an_hour(Actuators(heater_percent=heat)) for heat in (0, 10, 100))
    assert warm.temperature_celsius > cold.temperature_celsius + 2
    assert hot.temperature_celsius > warm.temperature_celsius + 10


def test_the_heater_switches_itself_off_before_it_harms() -> None:
    state = CHAMBER.at_rest(NOON)
    for _ in range(24):
        state = CHAMBER.step(state, Actuators(heater_percent=100, lamp_red_percent=100), 3600)
    assert 40 < state.temperature_celsius < 50


def test_the_fan_brings_the_air_of_the_room() -> None:
    stuffy = replace(
        CHAMBER.at_rest(MIDNIGHT),
        temperature_celsius=35.0,
        carbon_dioxide_ppm=1500.0,
        vapour_grams_per_cubic_metre=0.95 * saturated_vapour(35.0),
    )
    still, aired = after_an_hour(Actuators(), stuffy), after_an_hour(Actuators(fan_percent=100), stuffy)
    room = surroundings_at(CHAMBER.site, aired.time_seconds)
    assert abs(aired.temperature_celsius - room.temperature_celsius) < 0.5
    assert abs(aired.carbon_dioxide_ppm - 420) < 10
    assert abs(aired.vapour_grams_per_cubic_metre - room.vapour_grams_per_cubic_metre) < 1
    assert still.temperature_celsius > aired.temperature_celsius + 3
    assert still.carbon_dioxide_ppm > aired.carbon_dioxide_ppm + 300


def test_plants_use_carbon_dioxide_in_light_and_give_it_off_in_the_dark() -> None:
    dark = after_an_hour(Actuators())
    light = after_an_hour(Actuators(lamp_blue_percent=100, lamp_red_percent=100))
    assert dark.carbon_dioxide_ppm > 420 > light.carbon_dioxide_ppm


def test_plants_make_the_air_humid_in_light_and_an_empty_chamber_does_not() -> None:
    lamp = Actuators(lamp_blue_percent=100, lamp_red_percent=100)
    empty = replace(CHAMBER, plants=0.0)
    planted = CHAMBER.step(CHAMBER.at_rest(MIDNIGHT), lamp, 3600)
    bare = empty.step(empty.at_rest(MIDNIGHT), lamp, 3600)
    assert planted.vapour_grams_per_cubic_metre > bare.vapour_grams_per_cubic_metre + 1


def test_soil_dries_until_it_is_watered() -> None:
    climate = Climate(chamber=CHAMBER, plan=ClimatePlan(), fittings=ALL_DEVICES)
    watered = CHAMBER.last_watering_seconds(NOON)
    just_watered = climate.state_at(watered)
    driest = climate.state_at(CHAMBER.last_watering_seconds(watered + 4 * 86_400) - 60)
    again = climate.advance(driest, 120)
    assert just_watered.soil_moisture_fraction == pytest.approx(SOIL_WATERED, abs=0.001)
    assert driest.soil_moisture_fraction < SOIL_WATERED - 0.05
    assert again.soil_moisture_fraction == pytest.approx(SOIL_WATERED, abs=0.001)


def test_the_climate_keeps_plants_alive_through_a_year_without_commands() -> None:
    climate = Climate(chamber=CHAMBER, plan=ClimatePlan(), fittings=ALL_DEVICES)
    for day in range(0, 360, 12):
        state = climate.state_at(NOON + day * 86_400 + (day % 24) * 3600)
        assert 14 < state.temperature_celsius < 30
        assert 25 < state.humidity_percent < 90
        assert 200 < state.carbon_dioxide_ppm < 800


def test_the_state_at_a_moment_does_not_depend_on_where_the_simulation_began() -> None:
    climate = Climate(chamber=CHAMBER, plan=ClimatePlan(), fittings=ALL_DEVICES)
    now = NOON + 1234.0
    long_ago = now - timedelta(days=20).total_seconds()
    lived = climate.advance(climate.state_at(long_ago), now - long_ago)
    found = climate.state_at(now)
    assert found.temperature_celsius == pytest.approx(lived.temperature_celsius, abs=0.05)
    assert found.humidity_percent == pytest.approx(lived.humidity_percent, abs=0.5)
    assert found.carbon_dioxide_ppm == pytest.approx(lived.carbon_dioxide_ppm, abs=3)
    assert found.soil_moisture_fraction == pytest.approx(lived.soil_moisture_fraction, abs=0.005)
    assert found.water_temperature_celsius == pytest.approx(lived.water_temperature_celsius, abs=0.1)


def test_a_command_replaces_the_timetable_for_its_device_only() -> None:
    climate = Climate(chamber=CHAMBER, plan=ClimatePlan(), fittings=ALL_DEVICES)
    begin = climate.state_at(NOON)
    automatic = climate.advance(begin, 600)
    commanded = climate.advance(begin, 600, {"lamp_red_percent": 0.0})
    assert automatic.light_lux - commanded.light_lux == pytest.approx(0.8 * 1540)
