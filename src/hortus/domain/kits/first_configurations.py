"""Configurations that a new kit can begin with. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hortus.domain.kits.store import STANDARD_INTERVALS, STANDARD_PERIPHERALS, NewPeripheral


class FirstConfiguration(StrEnum):
    """What a person may choose for a real kit."""

    STANDARD = "standard"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetConfiguration:
    """A configuration to create."""

    description: str
    peripherals: Sequence[NewPeripheral]


def _measuring(name: str, definition: str, **settings: Any) -> NewPeripheral:
    intervals = {"measurementInterval": 10, "aggregateInterval": 600}
    return NewPeripheral(definition=definition, name=name, configuration={"intervals": intervals, **settings})


_PICTURES = [f"{hour:02}:{minute:02}:00" for hour in range(24) for minute in (0, 30)]

STANDARD = PresetConfiguration(
    description="Standard virtual sensors",
    peripherals=[
        NewPeripheral(definition=definition, name=name, configuration=STANDARD_INTERVALS)
        for definition, name in STANDARD_PERIPHERALS
    ],
)
"""Sensors that every kit can simulate, so a new kit shows something before any device hangs on it."""

OF_VIRTUAL_KIT = PresetConfiguration(
    description="Virtual devices",
    peripherals=[
        _measuring("Climate", "Virtual barometer"),
        _measuring("Light", "AstroPlant light sensor", i2cAddress="0x23"),
        _measuring("Water", "AstroPlant water temperature sensor"),
        NewPeripheral(definition="Virtual heater", name="Heater", configuration=None),
        NewPeripheral(definition="AstroPlant fans", name="Fans", configuration={"gpioAddresses": [16, 19]}),
        NewPeripheral(
            definition="AstroPlant LED panel",
            name="Lamp",
            configuration={"gpioAddressBlue": 21, "gpioAddressRed": 20, "gpioAddressFarRed": 18},
        ),
        NewPeripheral(
            definition="AstroPlant Camera",
            name="Camera",
            configuration={
                "camera": "piCameraV2",
                "schedule": [{"time": time, "command": "regular"} for time in _PICTURES],
            },
        ),
    ],
)
"""Devices that the simulator knows: readings every 10 s, pictures, and things to command."""


def configuration_of(choice: FirstConfiguration) -> PresetConfiguration | None:
    """Return the configuration of a choice; None for a kit that begins without one."""
    return STANDARD if choice is FirstConfiguration.STANDARD else None


def chosen_configuration(text: str) -> FirstConfiguration:
    """Return the choice that a form has sent; the standard configuration unless it says none."""
    return FirstConfiguration.NONE if text == FirstConfiguration.NONE else FirstConfiguration.STANDARD
