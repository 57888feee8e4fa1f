"""Models of the sensors: their quantities, noise and resolution."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from hortus.simulator.chamber import ChamberState


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorOutput:
    """One quantity that a sensor reports.

    `noise` is the standard deviation of one reading in the quantity's unit, `noise_fraction` the part of it
    that grows with the value; readings are multiples of `resolution` within `minimum` and `maximum`, as
    specified by the device's data sheet or protocol.
    """

    physical_quantity: str
    physical_unit: str
    true_value: Callable[[ChamberState], float]
    noise: float
    noise_fraction: float = 0.0
    resolution: float
    minimum: float
    maximum: float

    def read(self, state: ChamberState, randomness: random.Random) -> float:
        """Return the sensor's reading in this state."""
        true_value = self.true_value(state)
        deviation = self.noise + self.noise_fraction * true_value
        value = min(self.maximum, max(self.minimum, randomness.gauss(true_value, deviation)))
        # The outer rounding removes binary residue such as 21.400000000000002.
        return round(round(value / self.resolution) * self.resolution, 4)


def _temperature(
    *,
    noise: float,
    resolution: float,
    true_value: Callable[[ChamberState], float] = attrgetter("temperature_celsius"),
) -> SensorOutput:
    return SensorOutput(
        physical_quantity="Temperature",
        physical_unit="Degrees Celsius",
        true_value=true_value,
        noise=noise,
        resolution=resolution,
        minimum=-40.0,
        maximum=85.0,
    )


def _humidity(*, noise: float, resolution: float) -> SensorOutput:
    return SensorOutput(
        physical_quantity="Humidity",
        physical_unit="Percent",
        true_value=attrgetter("humidity_percent"),
        noise=noise,
        resolution=resolution,
        minimum=0.0,
        maximum=100.0,
    )


_VIRTUAL_PRESSURE = SensorOutput(
    physical_quantity="Pressure",
    physical_unit="Hectopascal",
    true_value=attrgetter("pressure_hpa"),
    noise=0.06,
    resolution=0.01,
    minimum=300.0,
    maximum=1100.0,
)

VIRTUAL_TEMPERATURE = (_temperature(noise=0.05, resolution=0.01),)
VIRTUAL_PRESSURE = (_VIRTUAL_PRESSURE,)
VIRTUAL_BAROMETER = (
    _temperature(noise=0.05, resolution=0.01),
    _VIRTUAL_PRESSURE,
    _humidity(noise=0.3, resolution=0.01),
)
# AM2302: 16 bit registers in tenths.
AM2302 = (_temperature(noise=0.1, resolution=0.1), _humidity(noise=0.5, resolution=0.1))
# MH-Z19: whole ppm, measuring range to 5,000.
MH_Z19 = (
    SensorOutput(
        physical_quantity="Concentration",
        physical_unit="Parts per million",
        true_value=attrgetter("carbon_dioxide_ppm"),
        noise=3.0,
        noise_fraction=0.01,
        resolution=1.0,
        minimum=0.0,
        maximum=5000.0,
    ),
)
# BH1750: 16 bit counts of 1/1.2 lux.
BH1750 = (
    SensorOutput(
        physical_quantity="Light intensity",
        physical_unit="Lux",
        true_value=attrgetter("light_lux"),
        noise=0.4,
        noise_fraction=0.015,
        resolution=1 / 1.2,
        minimum=0.0,
        maximum=54612.5,
    ),
)
# DS18B20: 12 bit, sixteenths of a degree.
DS18B20 = (_temperature(noise=0.03, resolution=0.0625, true_value=attrgetter("water_temperature_celsius")),)
