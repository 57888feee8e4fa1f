"""The devices that virtual kits support, by the names of the built-in peripheral definitions.

A kit finds a device's driver by module and class (`symbolLocation`, `symbol`); layouts name the definition.
Both lead to the same entry here. Definitions: kit-mqtt 4.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hortus.base.errors import UsageError
from hortus.simulator import sensors
from hortus.simulator.climate import Fittings
from hortus.simulator.sensors import SensorOutput


class CommandError(UsageError):
    """A device cannot carry out a command; the kit sends the message to the sender."""


class UnknownDefinitionError(UsageError):
    """A layout names a peripheral definition that virtual kits do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A kind of peripheral: the quantities it measures, or the actuator that each key of its command sets.

    `commands` maps a key of the JSON command to a field of Actuators, in percent. `pictures` are the commands
    (JSON strings) of a camera.
    """

    definition_name: str
    symbol_location: str
    symbol: str
    channels: tuple[SensorOutput, ...] = ()
    commands: Mapping[str, str] | None = None
    pictures: tuple[str, ...] = ()

    def picture_of(self, command: Any) -> str:
        """Return the kind of picture that this JSON command requests from a camera. Raises CommandError."""
        if command not in self.pictures:
            raise CommandError(f"the command must be one of: {', '.join(self.pictures)}")
        return str(command)

    def settings_of(self, command: Any) -> dict[str, float]:
        """Return the fields of Actuators that this JSON command sets, in percent.

        Raises CommandError with a message for the person who sent it.
        """
        if self.commands is None:
            # A device without commands fails with an empty message in kit 1.0.0b8.
            raise CommandError("")
        keys = ", ".join(self.commands)
        if not isinstance(command, dict):
            raise CommandError(f"the command must be an object with: {keys}")
        settings = {}
        for key, field in self.commands.items():
            if key in command:
                settings[field] = _percent(key, command[key])
        if not settings:
            raise CommandError(f"the command has none of: {keys}")
        return settings


_SIMULATION = "astroplant_simulation"
_LIBRARY = "astroplant_peripheral_device_library"

DEVICES = (
    Device(
        definition_name="Virtual temperature sensor",
        symbol_location=f"{_SIMULATION}.sensors",
        symbol="Temperature",
        channels=sensors.VIRTUAL_TEMPERATURE,
    ),
    Device(
        definition_name="Virtual pressure sensor",
        symbol_location=f"{_SIMULATION}.sensors",
        symbol="Pressure",
        channels=sensors.VIRTUAL_PRESSURE,
    ),
    Device(
        definition_name="Virtual barometer",
        symbol_location=f"{_SIMULATION}.sensors",
        symbol="Barometer",
        channels=sensors.VIRTUAL_BAROMETER,
    ),
    Device(
        definition_name="Virtual heater",
        symbol_location=f"{_SIMULATION}.actuators",
        symbol="Heater",
        commands={"heat": "heater_percent"},
    ),
    Device(
        definition_name="Virtual random camera",
        symbol_location=f"{_SIMULATION}.cameras",
        symbol="Random",
        pictures=("uniform", "art"),
    ),
    Device(
        definition_name="Local data logger",
        symbol_location="astroplant_kit.peripheral",
        symbol="LocalDataLogger",
    ),
    Device(
        definition_name="AstroPlant air temperature sensor",
        symbol_location=f"{_LIBRARY}.dht22",
        symbol="Dht22",
        channels=sensors.AM2302,
    ),
    Device(
        definition_name="AstroPlant air CO² sensor",
        symbol_location=f"{_LIBRARY}.mh_z19",
        symbol="MhZ19",
        channels=sensors.MH_Z19,
    ),
    Device(
        definition_name="AstroPlant light sensor",
        symbol_location=f"{_LIBRARY}.bh1750",
        symbol="Bh1750",
        channels=sensors.BH1750,
    ),
    Device(
        definition_name="AstroPlant water temperature sensor",
        symbol_location=f"{_LIBRARY}.ds18b20",
        symbol="Ds18b20",
        channels=sensors.DS18B20,
    ),
    Device(
        definition_name="AstroPlant fans",
        symbol_location=f"{_LIBRARY}.pwm",
        symbol="Pwm",
        commands={"intensity": "fan_percent"},
    ),
    Device(
        definition_name="AstroPlant LED panel",
        symbol_location=f"{_LIBRARY}.led_panel",
        symbol="LedPanel",
        commands={
            "blue": "lamp_blue_percent",
            "red": "lamp_red_percent",
            "farRed": "lamp_far_red_percent",
        },
    ),
    Device(
        definition_name="AstroPlant Camera",
        symbol_location=f"{_LIBRARY}.pi_camera_v2",
        symbol="PiCameraV2",
        pictures=("uncontrolled", "regular", "nir", "ndvi"),
    ),
)

_BY_SYMBOL = {(device.symbol_location, device.symbol): device for device in DEVICES}
_BY_DEFINITION_NAME = {device.definition_name: device for device in DEVICES}


def device_with_symbol(symbol_location: str, symbol: str) -> Device | None:
    """Return the device that this driver operates, or None if virtual kits do not support it."""
    return _BY_SYMBOL.get((symbol_location, symbol))


def device_defined_as(definition_name: str) -> Device:
    """Return the device of a built-in peripheral definition. Raises UnknownDefinitionError."""
    try:
        return _BY_DEFINITION_NAME[definition_name]
    except KeyError:
        raise UnknownDefinitionError(
            f"Virtual kits do not know the peripheral definition “{definition_name}”; "
            "use one of the built-in definitions."
        ) from None


def fittings_of(devices: list[Device]) -> Fittings:
    """Return the actuators that these devices give a chamber."""
    fields = {field for device in devices for field in (device.commands or {}).values()}
    return Fittings(
        heater="heater_percent" in fields,
        fan="fan_percent" in fields,
        lamp="lamp_red_percent" in fields,
    )


def _percent(key: str, value: Any) -> float:
    # bool is an int in Python, but `true` is not an intensity.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CommandError(f"{key} must be a number")
    return float(min(100, max(0, value)))
