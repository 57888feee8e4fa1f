"""The physics of a small growing chamber: some hundred litres with a lamp, a heater, a fan and plants.

First-order models, pure and deterministic: the same chamber, state, actuators and seconds give the same new
state. Each quantity relaxes exponentially towards the equilibrium of its drivers, so a step of any length stays
within physical bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hortus.simulator.surroundings import (
    DAY_SECONDS,
    OUTSIDE_CARBON_DIOXIDE_PPM,
    Site,
    Surroundings,
    chance,
    saturated_vapour,
    surroundings_at,
)

# Drivers (sun, the heater's cut-out) are assumed constant for this long; well below the fastest time constant.
LONGEST_SUBSTEP_SECONDS = 300.0

# Heat: the closed chamber follows the room with 45 minutes; a fan at full power makes that six times faster.
_THERMAL_SECONDS = 45 * 60.0
_FAN_HEAT_EXCHANGE = 5.0
# The virtual heater interprets its command as percent although its definition allows 0-10 only; with 40 °C at
# full power the greatest valid command warms the chamber by a visible 4 °C.
_HEATER_CELSIUS = 40.0
_HEATER_CUT_OUT_CELSIUS = 45.0
_LAMP_CELSIUS = 3.0
_SUN_CELSIUS_PER_LUX = 0.0004
_WATER_SECONDS = 5 * 3600.0

# Air: leaks exchange half a chamber per hour, the fan up to 20.
_LEAK_PER_HOUR = 0.5
_FAN_EXCHANGE_PER_HOUR = 20.0

# Light of the LED panel at 100 %: photons usable by plants (µmol/m²/s) and the lux that a meter shows. Far red
# drives hardly any photosynthesis and is nearly invisible.
_BLUE_PHOTONS, _BLUE_LUX = 60.0, 540.0
_RED_PHOTONS, _RED_LUX = 140.0, 1540.0
_FAR_RED_PHOTONS, _FAR_RED_LUX = 10.0, 28.0
_SUN_PHOTONS_PER_LUX = 0.0185
_HALF_PHOTOSYNTHESIS_PHOTONS = 150.0

# Plants, per hour: carbon dioxide absorbed and respired (ppm of the chamber's air), water released (g/m³).
_UPTAKE_PPM = 700.0
_HALF_UPTAKE_PPM = 300.0
_RESPIRATION_PPM = 70.0
_SOIL_EVAPORATION_GRAMS = 3.0
_TRANSPIRATION_GRAMS = 22.0

# Soil: volume of water per volume of soil.
SOIL_WATERED = 0.42
SOIL_WILTING = 0.08
_SOIL_DRYING_PER_HOUR = 0.006
_SOIL_TRANSPIRATION_PER_HOUR = 0.035


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuators:
    """The output of the chamber's devices, each in percent of full power."""

    heater_percent: float = 0.0
    fan_percent: float = 0.0
    lamp_blue_percent: float = 0.0
    lamp_red_percent: float = 0.0
    lamp_far_red_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChamberState:
    """The chamber at one moment of its own time (seconds since the Unix epoch)."""

    time_seconds: float
    temperature_celsius: float
    vapour_grams_per_cubic_metre: float
    carbon_dioxide_ppm: float
    soil_moisture_fraction: float
    water_temperature_celsius: float
    light_lux: float
    pressure_hpa: float

    @property
    def humidity_percent(self) -> float:
        """Relative humidity of the air, 0 to 100."""
        return min(100.0, 100 * self.vapour_grams_per_cubic_metre / saturated_vapour(self.temperature_celsius))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chamber:
    """A chamber at a site. `plants` is how much grows in it: 0 = empty, 1 = a full crop."""

    site: Site
    plants: float = 1.0
    watering_interval_days: float = 3.0

    def step(self, state: ChamberState, actuators: Actuators, seconds: float) -> ChamberState:
        """Return the chamber's state `seconds` later, with unchanged actuators."""
        remaining = seconds
        while remaining > LONGEST_SUBSTEP_SECONDS:
            state = self._substep(state, actuators, LONGEST_SUBSTEP_SECONDS)
            remaining -= LONGEST_SUBSTEP_SECONDS
        return self._substep(state, actuators, remaining)

    def last_watering_seconds(self, time_seconds: float) -> float:
        """Return the time of the last watering: once per interval, at an hour that differs each time."""
        interval = self.watering_interval_days * DAY_SECONDS
        index = math.floor(time_seconds / interval)
        watered = self._watering_seconds(index)
        return watered if watered <= time_seconds else self._watering_seconds(index - 1)

    def at_rest(self, time_seconds: float) -> ChamberState:
        """Return a freshly watered chamber in equilibrium with its room, as the start of a simulation."""
        around = surroundings_at(self.site, time_seconds)
        return ChamberState(
            time_seconds=time_seconds,
            temperature_celsius=around.temperature_celsius,
            vapour_grams_per_cubic_metre=around.vapour_grams_per_cubic_metre,
            carbon_dioxide_ppm=OUTSIDE_CARBON_DIOXIDE_PPM,
            soil_moisture_fraction=SOIL_WATERED,
            water_temperature_celsius=around.temperature_celsius,
            light_lux=around.daylight_lux,
            pressure_hpa=around.pressure_hpa,
        )

    def _watering_seconds(self, index: int) -> float:
        # Within the first half day of the interval, so that two waterings are never close together.
        interval = self.watering_interval_days * DAY_SECONDS
        return index * interval + 0.5 * DAY_SECONDS * chance(self.site.seed, 6, index)

    def _substep(self, state: ChamberState, actuators: Actuators, seconds: float) -> ChamberState:
        time_seconds = state.time_seconds + seconds
        around = surroundings_at(self.site, time_seconds)
        photosynthesis = _photosynthesis(around, actuators)
        temperature = _air_temperature(state, around, actuators, seconds)
        vapour = self._vapour(state, around, actuators, photosynthesis, temperature, seconds)
        return ChamberState(
            time_seconds=time_seconds,
            temperature_celsius=temperature,
            vapour_grams_per_cubic_metre=vapour,
            carbon_dioxide_ppm=self._carbon_dioxide(state, actuators, photosynthesis, seconds),
            soil_moisture_fraction=self._soil_moisture(state, photosynthesis, seconds),
            water_temperature_celsius=_relax(
                state.water_temperature_celsius, temperature, seconds / _WATER_SECONDS
            ),
            light_lux=around.daylight_lux + _lamp_lux(actuators),
            pressure_hpa=around.pressure_hpa,
        )

    def _vapour(
        self,
        state: ChamberState,
        around: Surroundings,
        actuators: Actuators,
        photosynthesis: float,
        temperature_celsius: float,
        seconds: float,
    ) -> float:
        # Leaves and soil release water in proportion to how far the air is below saturation.
        saturated = saturated_vapour(temperature_celsius)
        available = (state.soil_moisture_fraction - SOIL_WILTING) / (SOIL_WATERED - SOIL_WILTING)
        given_off = available * (_SOIL_EVAPORATION_GRAMS + _TRANSPIRATION_GRAMS * self.plants * photosynthesis)
        exchange = _exchange_per_hour(actuators)
        rate = given_off / saturated + exchange
        balance = (given_off + exchange * around.vapour_grams_per_cubic_metre) / rate
        # The excess over saturation condenses on the walls.
        return min(saturated, _relax(state.vapour_grams_per_cubic_metre, balance, rate * seconds / 3600))

    def _carbon_dioxide(
        self, state: ChamberState, actuators: Actuators, photosynthesis: float, seconds: float
    ) -> float:
        exchange = _exchange_per_hour(actuators)
        uptake = _UPTAKE_PPM * self.plants * photosynthesis / (state.carbon_dioxide_ppm + _HALF_UPTAKE_PPM)
        rate = exchange + uptake
        balance = (_RESPIRATION_PPM * self.plants + exchange * OUTSIDE_CARBON_DIOXIDE_PPM) / rate
        return _relax(state.carbon_dioxide_ppm, balance, rate * seconds / 3600)

    def _soil_moisture(self, state: ChamberState, photosynthesis: float, seconds: float) -> float:
        now = state.time_seconds + seconds
        watered = self.last_watering_seconds(now)
        drying_since = max(state.time_seconds, watered)
        moisture = SOIL_WATERED if watered > state.time_seconds else state.soil_moisture_fraction
        lacking = 1 - state.humidity_percent / 100
        rate = lacking * (_SOIL_DRYING_PER_HOUR + _SOIL_TRANSPIRATION_PER_HOUR * self.plants * photosynthesis)
        return _relax(moisture, SOIL_WILTING, rate * (now - drying_since) / 3600)


def _relax(value: float, balance: float, time_constants: float) -> float:
    return balance + (value - balance) * math.exp(-time_constants)


def _air_temperature(state: ChamberState, around: Surroundings, actuators: Actuators, seconds: float) -> float:
    # The cut-out reduces heating power over the last five degrees, as the bimetal of a real heater would.
    allowed = min(1.0, max(0.0, (_HEATER_CUT_OUT_CELSIUS - state.temperature_celsius) / 5))
    lamp = (actuators.lamp_blue_percent + actuators.lamp_red_percent + actuators.lamp_far_red_percent) / 300
    warming = (
        _HEATER_CELSIUS * allowed * actuators.heater_percent / 100
        + _LAMP_CELSIUS * lamp
        + _SUN_CELSIUS_PER_LUX * around.daylight_lux
    )
    conductance = 1 + _FAN_HEAT_EXCHANGE * actuators.fan_percent / 100
    balance = around.temperature_celsius + warming / conductance
    return _relax(state.temperature_celsius, balance, conductance * seconds / _THERMAL_SECONDS)


def _exchange_per_hour(actuators: Actuators) -> float:
    return _LEAK_PER_HOUR + _FAN_EXCHANGE_PER_HOUR * actuators.fan_percent / 100


def _photosynthesis(around: Surroundings, actuators: Actuators) -> float:
    """Return the plants' rate of photosynthesis in this light, 0 to 1; it saturates in strong light."""
    photons = (
        _SUN_PHOTONS_PER_LUX * around.daylight_lux
        + (
            _BLUE_PHOTONS * actuators.lamp_blue_percent
            + _RED_PHOTONS * actuators.lamp_red_percent
            + _FAR_RED_PHOTONS * actuators.lamp_far_red_percent
        )
        / 100
    )
    return photons / (photons + _HALF_PHOTOSYNTHESIS_PHOTONS)


def _lamp_lux(actuators: Actuators) -> float:
    return (
        _BLUE_LUX * actuators.lamp_blue_percent
        + _RED_LUX * actuators.lamp_red_percent
        + _FAR_RED_LUX * actuators.lamp_far_red_percent
    ) / 100
