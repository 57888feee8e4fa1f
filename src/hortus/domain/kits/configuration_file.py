"""A configuration as a file that people keep, or carry to another installation.

Devices name their definition by the class of its driver, since ids are those of one installation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_lines, fault_of_name
from hortus.domain.definitions.tables import PeripheralDefinitionRow
from hortus.domain.kits.configurations import (
    MOST_PERIPHERALS,
    add_peripheral,
    change_configuration,
    create_configuration,
    find_definition,
)
from hortus.domain.kits.control_rules import misshapen_rules, oversized_rules
from hortus.domain.kits.devices import (
    MOST_NAME_CHARACTERS,
    ConfiguredDevice,
    Definition,
    crash_by_definition,
    setting_at_fault,
)

FORMAT = "hortus-configuration"
VERSION = 1
MOST_FILE_BYTES = 512 * 1024
MOST_DESCRIPTION_CHARACTERS = 5000
_MOST_FAULTS = 20


class UnusableFile(UsageError):
    """A file that holds no configuration this server can take; `faults` are sentences."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledDevice:
    """A device as a file names it."""

    name: str
    module: str
    symbol: str
    definition_name: str
    settings: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledConfiguration:
    """What a file holds."""

    description: str | None
    control_rules: Any
    devices: tuple[FiledDevice, ...]


def file_of(configuration: RowMapping, devices: Iterable[ConfiguredDevice]) -> bytes:
    """Return a configuration as a file."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "description": configuration["description"],
        "devices": [
            {
                "name": device.name,
                "definition": {
                    "name": device.definition.name,
                    "module": device.definition.symbol_location,
                    "class": device.definition.symbol,
                },
                "settings": device.configuration,
            }
            for device in devices
        ],
        "controlRules": configuration["control_rules"],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_file(content: bytes) -> FiledConfiguration:
    """Return what a file holds. Raises UnusableFile."""
    if len(content) > MOST_FILE_BYTES:
        raise UnusableFile([gettext("The file is larger than %(most)s kB.", most=MOST_FILE_BYTES // 1024)])
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UnusableFile([gettext("This file is not JSON: %(fault)s.", fault=str(error))]) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UnusableFile([gettext("This file is not a configuration that Hortus wrote.")])
    if document.get("version") != VERSION:
        raise UnusableFile([gettext("This file was written by a newer version of Hortus.")])
    description, rules = document.get("description"), document.get("controlRules", {})
    faults = _faults_of_description(description)
    faults += [str(fault) for fault in oversized_rules(rules) or misshapen_rules(rules)]
    devices = _devices(document.get("devices"), faults)
    if faults:
        raise UnusableFile(faults[:_MOST_FAULTS])
    return FiledConfiguration(description=description or None, control_rules=rules, devices=devices)


async def create_from_file(connection: AsyncConnection, kit_id: int, file: FiledConfiguration) -> RowMapping:
    """Create an inactive configuration from a file, with the kit locked. Raises UnusableFile or NoRoom.

    Settings that a kit could not work with are refused, as when they are entered by hand.
    """
    configuration = await create_configuration(connection, kit_id, file.description)
    faults = []
    for device in file.devices:
        definition = await _definition_of(connection, device)
        if definition is None:
            faults.append(
                gettext(
                    "%(device)s: this server has no definition “%(definition)s”.",
                    device=device.name,
                    definition=device.definition_name,
                )
            )
            continue
        crash = crash_by_definition(definition, of_board=False)
        fault = setting_at_fault(definition, device.settings)
        if crash is not None:
            faults.append(crash)
        elif fault is not None:
            faults.append(f"{device.name}: {fault.path}: {fault.message}")
        else:
            await add_peripheral(connection, configuration, definition, device.name, device.settings)
    if faults:
        raise UnusableFile(faults[:_MOST_FAULTS])
    return await change_configuration(connection, configuration, {"control_rules": file.control_rules})


async def _definition_of(connection: AsyncConnection, device: FiledDevice) -> Definition | None:
    table = PeripheralDefinitionRow
    # Several definitions may share a driver; then the name decides.
    definition_id = await connection.scalar(
        select(table.id)
        .where(table.symbol_location == device.module, table.symbol == device.symbol)
        .order_by(table.name != device.definition_name, table.id)
        .limit(1)
    )
    return None if definition_id is None else await find_definition(connection, definition_id)


def _faults_of_description(description: Any) -> list[str]:
    if description is None:
        return []
    if not isinstance(description, str) or len(description) > MOST_DESCRIPTION_CHARACTERS:
        return [gettext("The description is not a text, or it is too long.")]
    fault = fault_of_lines(description)
    return [f"{fault}."] if fault is not None else []


def _devices(entries: Any, faults: list[str]) -> tuple[FiledDevice, ...]:
    if not isinstance(entries, list) or len(entries) > MOST_PERIPHERALS:
        faults.append(gettext("The file has no list of devices, or more than %(most)s.", most=MOST_PERIPHERALS))
        return ()
    devices = []
    names: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        device = _device(entry)
        if device is None:
            faults.append(gettext("Device %(number)s has no name, definition or settings.", number=number))
        elif not 1 <= len(device.name) <= MOST_NAME_CHARACTERS or fault_of_name(device.name) is not None:
            faults.append(
                gettext(
                    "The name of device %(number)s is not a line of 1 to %(most)s characters.",
                    number=number,
                    most=MOST_NAME_CHARACTERS,
                )
            )
        elif device.name in names:
            faults.append(gettext("Two devices are named “%(name)s”.", name=device.name))
        else:
            names.add(device.name)
            devices.append(device)
    return tuple(devices)


def _device(entry: Any) -> FiledDevice | None:
    if not isinstance(entry, dict) or "settings" not in entry or not isinstance(entry.get("definition"), dict):
        return None
    definition = entry["definition"]
    texts = (entry.get("name"), definition.get("module"), definition.get("class"), definition.get("name"))
    if not all(isinstance(text, str) and "\0" not in text for text in texts):
        return None
    return FiledDevice(
        name=entry["name"],
        module=definition["module"],
        symbol=definition["class"],
        definition_name=definition["name"],
        settings=entry["settings"],
    )
