"""Control of the chamber: a thermostat and a lamp schedule, unless a person commands a device.

A command applies to its device until the next command or until the kit reboots; the other devices remain
automatic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hortus.simulator.chamber import LONGEST_SUBSTEP_SECONDS, Actuators, Chamber, ChamberState
from hortus.simulator.surroundings import DAY_SECONDS, solar_hour

# After a day, a chamber's initial state has almost no effect on its air; the soil is reset at each watering.
_SETTLING_SECONDS = DAY_SECONDS

_HEATER_PERCENT_PER_CELSIUS = 15.0
_FAN_IDLE_PERCENT = 2.0
_FAN_PERCENT_PER_CELSIUS = 10.0
_FAN_PERCENT_PER_HUMIDITY_PERCENT = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimatePlan:
    """The set points of the automatic control. Hours are solar time: the sun is highest at 12."""

    day_temperature_celsius: float = 23.0
    night_temperature_celsius: float = 18.0
    highest_humidity_percent: float = 75.0
    lamp_from_hour: float = 6.0
    lamp_hours: float = 14.0
    lamp_blue_percent: float = 60.0
    lamp_red_percent: float = 80.0
    lamp_far_red_percent: float = 20.0

    def lamp_is_on(self, hour: float) -> bool:
        """Return whether the schedule lights the lamp at this solar hour; it may span midnight."""
        return (hour - self.lamp_from_hour) % 24 < self.lamp_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Fittings:
    """The devices that the chamber has; the others are off whatever the plan says."""

    heater: bool = False
    fan: bool = False
    lamp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """A chamber with its devices and the plan that controls them."""

    chamber: Chamber
    plan: ClimatePlan
    fittings: Fittings

    def actuators(self, state: ChamberState) -> Actuators:
        """Return the outputs of thermostat and schedule in this state."""
        plan = self.plan
        lamp_on = plan.lamp_is_on(solar_hour(self.chamber.site, state.time_seconds))
        wanted = plan.day_temperature_celsius if lamp_on else plan.night_temperature_celsius
        lit = self.fittings.lamp and lamp_on
        return Actuators(
            heater_percent=self._heater_percent(state, wanted),
            fan_percent=self._fan_percent(state, wanted),
            lamp_blue_percent=plan.lamp_blue_percent if lit else 0.0,
            lamp_red_percent=plan.lamp_red_percent if lit else 0.0,
            lamp_far_red_percent=plan.lamp_far_red_percent if lit else 0.0,
        )

    def advance(
        self, state: ChamberState, seconds: float, commanded: Mapping[str, float] | None = None
    ) -> ChamberState:
        """Return the chamber `seconds` later; `commanded` maps fields of Actuators to set values."""
        remaining = seconds
        while remaining > 0:
            part = min(remaining, LONGEST_SUBSTEP_SECONDS)
            actuators = self.actuators(state)
            if commanded:
                actuators = replace(actuators, **commanded)
            state = self.chamber.step(state, actuators, part)
            remaining -= part
        return state

    def state_at(self, time_seconds: float) -> ChamberState:
        """Return the chamber's state at this moment, assuming that nothing was ever commanded.

        Independent of the simulation's start, because it starts at a watering and lets the air settle.
        """
        begin = self.chamber.last_watering_seconds(time_seconds - _SETTLING_SECONDS)
        return self.advance(self.chamber.at_rest(begin), time_seconds - begin)

    def _heater_percent(self, state: ChamberState, wanted_celsius: float) -> float:
        if not self.fittings.heater:
            return 0.0
        return _percent(_HEATER_PERCENT_PER_CELSIUS * (wanted_celsius - state.temperature_celsius))

    def _fan_percent(self, state: ChamberState, wanted_celsius: float) -> float:
        if not self.fittings.fan:
            return 0.0
        too_warm = max(0.0, state.temperature_celsius - wanted_celsius - 1)
        too_humid = max(0.0, state.humidity_percent - self.plan.highest_humidity_percent)
        return _percent(
            _FAN_IDLE_PERCENT
            + _FAN_PERCENT_PER_CELSIUS * too_warm
            + _FAN_PERCENT_PER_HUMIDITY_PERCENT * too_humid
        )


def _percent(value: float) -> float:
    return min(100.0, max(0.0, value))
