"""Plausible kits for a demonstration: what grows, the location, the devices."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hortus.simulator.chamber import Chamber
from hortus.simulator.climate import Climate, ClimatePlan
from hortus.simulator.devices import device_defined_as, fittings_of
from hortus.simulator.surroundings import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutPeripheral:
    """One device of a layout: its name in the kit, its peripheral definition and its configuration (JSON)."""

    name: str
    definition_name: str
    configuration: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KitLayout:
    """A kit as a person would set it up. `key` identifies the layout permanently; it also selects the weather.

    The remaining fields are those of Site, Chamber and ClimatePlan.
    """

    key: str
    name: str
    description: str
    latitude_degrees: float
    longitude_degrees: float
    peripherals: tuple[LayoutPeripheral, ...]
    plan: ClimatePlan
    altitude_metres: float = 10.0
    room_temperature_celsius: float = 19.5
    room_daily_swing_celsius: float = 2.0
    window_fraction: float = 0.05
    plants: float = 1.0
    watering_interval_days: float = 3.0

    def climate(self, seed: int) -> Climate:
        """Return the chamber of this kit and its control; the same seed gives the same past and future."""
        site = Site(
            seed=seed ^ zlib.crc32(self.key.encode()),
            latitude_degrees=self.latitude_degrees,
            longitude_degrees=self.longitude_degrees,
            altitude_metres=self.altitude_metres,
            room_temperature_celsius=self.room_temperature_celsius,
            room_daily_swing_celsius=self.room_daily_swing_celsius,
            window_fraction=self.window_fraction,
        )
        devices = [device_defined_as(peripheral.definition_name) for peripheral in self.peripherals]
        return Climate(
            chamber=Chamber(site=site, plants=self.plants, watering_interval_days=self.watering_interval_days),
            plan=self.plan,
            fittings=fittings_of(devices),
        )


def demo_layouts() -> tuple[KitLayout, ...]:
    """Return the kits of the demonstration, each with different plants, devices and weather."""
    return (_BASIL, _LETTUCE, _CHILLI, _MICROGREENS)


def _measuring(
    name: str,
    definition_name: str,
    measurement_seconds: int,
    aggregate_seconds: int,
    **settings: Any,
) -> LayoutPeripheral:
    intervals: Mapping[str, int] = {
        "measurementInterval": measurement_seconds,
        "aggregateInterval": aggregate_seconds,
    }
    return LayoutPeripheral(
        name=name, definition_name=definition_name, configuration={"intervals": intervals, **settings}
    )


def _led_panel(name: str = "Lamp") -> LayoutPeripheral:
    return LayoutPeripheral(
        name=name,
        definition_name="AstroPlant LED panel",
        configuration={"gpioAddressBlue": 21, "gpioAddressRed": 20, "gpioAddressFarRed": 18},
    )


def _fans(name: str = "Fans") -> LayoutPeripheral:
    return LayoutPeripheral(
        name=name, definition_name="AstroPlant fans", configuration={"gpioAddresses": [16, 19]}
    )


def _heater(name: str = "Heater") -> LayoutPeripheral:
    return LayoutPeripheral(name=name, definition_name="Virtual heater", configuration=None)


def _camera(command: str, name: str = "Camera") -> LayoutPeripheral:
    """Return a camera with a picture every ten minutes; its schedule lists each time of the day."""
    times = [f"{minutes // 60:02}:{minutes % 60:02}:00" for minutes in range(0, 24 * 60, 10)]
    return LayoutPeripheral(
        name=name,
        definition_name="AstroPlant Camera",
        configuration={
            "camera": "piCameraV2",
            "schedule": [{"time": time_of_day, "command": command} for time_of_day in times],
        },
    )


_BASIL = KitLayout(
    key="basil",
    name="Basil by the window",
    description="Genovese basil on a south-facing sill, with a little help from lamp and heater.",
    latitude_degrees=52.0907,
    longitude_degrees=5.1214,
    window_fraction=0.08,
    plants=0.8,
    watering_interval_days=2.0,
    plan=ClimatePlan(day_temperature_celsius=24.0, night_temperature_celsius=19.0),
    peripherals=(
        _measuring("Climate", "Virtual barometer", 15, 900),
        _measuring("Daylight", "AstroPlant light sensor", 30, 900, i2cAddress="0x23"),
        _measuring("Air quality", "AstroPlant air CO² sensor", 60, 1800, serialDeviceFile="/dev/ttyS0"),
        _heater(),
        _fans(),
        _led_panel(),
        _camera("regular"),
    ),
)

_LETTUCE = KitLayout(
    key="lettuce",
    name="Lettuce in the cellar",
    description="Butterhead lettuce in water culture, without a ray of sun.",
    latitude_degrees=48.1374,
    longitude_degrees=11.5755,
    altitude_metres=520.0,
    room_temperature_celsius=15.5,
    room_daily_swing_celsius=0.5,
    window_fraction=0.0,
    plants=1.2,
    watering_interval_days=4.0,
    plan=ClimatePlan(
        day_temperature_celsius=20.0,
        night_temperature_celsius=16.0,
        lamp_from_hour=5.0,
        lamp_hours=16.0,
        lamp_blue_percent=80.0,
        lamp_red_percent=100.0,
        lamp_far_red_percent=10.0,
    ),
    peripherals=(
        _measuring("Air", "AstroPlant air temperature sensor", 30, 1800, gpioAddress=17),
        _measuring("Nutrient solution", "AstroPlant water temperature sensor", 60, 1800),
        _measuring("Air quality", "AstroPlant air CO² sensor", 60, 1800, serialDeviceFile="/dev/ttyS0"),
        _measuring("Light", "AstroPlant light sensor", 60, 1800, i2cAddress="0x5c"),
        _led_panel("LED panel"),
        _fans("Ventilation"),
        _camera("regular"),
    ),
)

_CHILLI = KitLayout(
    key="chilli",
    name="Chillies in the greenhouse",
    description="Six chilli plants under glass: hot days, cool nights, and thirst.",
    latitude_degrees=41.3874,
    longitude_degrees=2.1686,
    altitude_metres=60.0,
    room_temperature_celsius=20.0,
    room_daily_swing_celsius=5.0,
    window_fraction=0.22,
    plants=1.4,
    watering_interval_days=2.0,
    plan=ClimatePlan(
        day_temperature_celsius=27.0, night_temperature_celsius=20.0, highest_humidity_percent=70.0
    ),
    peripherals=(
        _measuring("Climate", "Virtual barometer", 20, 900),
        _measuring("Bench thermometer", "Virtual temperature sensor", 20, 900),
        _measuring("Light under glass", "AstroPlant light sensor", 30, 900, i2cAddress="0x23"),
        _measuring("Water butt", "AstroPlant water temperature sensor", 120, 3600),
        _heater("Frost guard"),
        _fans("Roof fans"),
        _camera("uncontrolled", "Greenhouse camera"),
    ),
)

_MICROGREENS = KitLayout(
    key="microgreens",
    name="Microgreens at school",
    description="Radish and cress trays that class 4b looks after.",
    latitude_degrees=-33.9249,
    longitude_degrees=18.4241,
    altitude_metres=25.0,
    room_temperature_celsius=20.5,
    room_daily_swing_celsius=3.0,
    window_fraction=0.03,
    plants=0.5,
    watering_interval_days=1.0,
    plan=ClimatePlan(
        day_temperature_celsius=22.0,
        night_temperature_celsius=17.0,
        lamp_from_hour=7.0,
        lamp_hours=12.0,
        lamp_blue_percent=40.0,
        lamp_red_percent=50.0,
        lamp_far_red_percent=0.0,
    ),
    peripherals=(
        _measuring("Tray climate", "AstroPlant air temperature sensor", 30, 900, gpioAddress=17),
        _measuring("Classroom pressure", "Virtual pressure sensor", 60, 1800),
        _measuring("Light", "AstroPlant light sensor", 30, 900, i2cAddress="0x23"),
        _led_panel("Grow lamp"),
    ),
)
