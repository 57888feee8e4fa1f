"""Configurations to begin with: the devices of a usual kit, at the connections of its kit of parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.definitions.tables import PeripheralDefinitionRow
from hortus.domain.kits.configurations import add_peripheral, create_configuration, find_definition
from hortus.domain.kits.store import STANDARD_INTERVALS


class UnknownDefinition(UsageError):
    """A device is of a definition that this server does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no peripheral definition named {name!r}. "
            "`hortus db definitions` loads the built-in ones."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetDevice:
    """A device of a preset: the name of its definition, its own name in English, and its settings."""

    definition: str
    name: str
    settings: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A configuration to begin with. Texts are in English."""

    key: str
    name: str
    about: str
    devices: tuple[PresetDevice, ...]


def _sensor(definition: str, name: str, **settings: object) -> PresetDevice:
    return PresetDevice(definition=definition, name=name, settings={**STANDARD_INTERVALS, **settings})


_LED_PANEL = {"gpioAddressBlue": 21, "gpioAddressRed": 20, "gpioAddressFarRed": 18}
_EVERY_NOON = [{"time": "12:00:00", "command": "regular"}]

PRESETS: tuple[Preset, ...] = (
    Preset(
        key="astroplant",
        name=gettext_noop("AstroPlant kit"),
        about=gettext_noop("Air, CO₂, light and water sensors, fans, LED panel and camera."),
        devices=(
            _sensor("AstroPlant air temperature sensor", gettext_noop("Air"), gpioAddress=17),
            _sensor("AstroPlant air CO² sensor", gettext_noop("Carbon dioxide"), serialDeviceFile="/dev/ttyS0"),
            _sensor("AstroPlant light sensor", gettext_noop("Light"), i2cAddress="0x23"),
            _sensor("AstroPlant water temperature sensor", gettext_noop("Water")),
            PresetDevice(
                definition="AstroPlant fans", name=gettext_noop("Fans"), settings={"gpioAddresses": [16, 19]}
            ),
            PresetDevice(
                definition="AstroPlant LED panel", name=gettext_noop("LED panel"), settings=_LED_PANEL
            ),
            PresetDevice(
                definition="AstroPlant Camera",
                name=gettext_noop("Camera"),
                settings={"camera": "piCameraV2", "schedule": _EVERY_NOON},
            ),
        ),
    ),
    Preset(
        key="virtual",
        name=gettext_noop("Virtual kit"),
        about=gettext_noop("A simulated barometer, heater and camera, to try things."),
        devices=(
            _sensor("Virtual barometer", gettext_noop("Climate")),
            PresetDevice(definition="Virtual heater", name=gettext_noop("Heater"), settings=None),
            PresetDevice(
                definition="Virtual random camera",
                name=gettext_noop("Camera"),
                settings={"schedule": [{"time": "12:00:00", "command": "uniform"}]},
            ),
        ),
    ),
)

PRESETS_BY_KEY: Mapping[str, Preset] = {preset.key: preset for preset in PRESETS}


async def create_from_preset(
    connection: AsyncConnection, kit_id: int, preset: Preset, description: str
) -> RowMapping:
    """Create an inactive configuration with the devices of a preset, named in the language of the request.

    Raises UnknownDefinition or NoRoom. The caller has locked the kit.
    """
    configuration = await create_configuration(connection, kit_id, description)
    for device in preset.devices:
        definition_id = await connection.scalar(
            select(PeripheralDefinitionRow.id).where(PeripheralDefinitionRow.name == device.definition)
        )
        definition = await find_definition(connection, definition_id) if definition_id is not None else None
        if definition is None:
            raise UnknownDefinition(device.definition)
        await add_peripheral(connection, configuration, definition, gettext(device.name), device.settings)
    return configuration


async def usable_presets(connection: AsyncConnection) -> list[Preset]:
    """Return the presets of whose devices this server has all definitions."""
    known = frozenset((await connection.scalars(select(PeripheralDefinitionRow.name))).all())
    return [preset for preset in PRESETS if all(device.definition in known for device in preset.devices)]
