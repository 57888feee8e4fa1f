"""Pins, bus addresses and ports that several devices of a configuration claim. Pure.

Two devices at one pin hardly work, but nothing breaks and a kit does not refuse: it is worth a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hortus.domain.kits.devices import ConfiguredDevice


class Connection(StrEnum):
    """How a device is connected to the computer of a kit."""

    GPIO = "gpio"
    I2C = "i2c"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedConnection:
    """A connection that is claimed more than once; a device that claims it twice is named twice."""

    connection: Connection
    address: str
    devices: tuple[str, ...]


def claims_of(configuration: Any) -> tuple[tuple[Connection, str], ...]:
    """Return the connections that the settings of a device claim, by the names of the built-in settings."""
    return tuple(_claims(configuration)) if isinstance(configuration, dict) else ()


def shared_connections(devices: Iterable[ConfiguredDevice]) -> list[SharedConnection]:
    """Return the connections that are claimed more than once, in the order in which they are claimed first."""
    claimed: dict[tuple[Connection, str], list[str]] = {}
    for device in devices:
        for claim in claims_of(device.configuration):
            claimed.setdefault(claim, []).append(device.name)
    return [
        SharedConnection(connection=connection, address=address, devices=tuple(names))
        for (connection, address), names in claimed.items()
        if len(names) > 1
    ]


def _claims(configuration: dict[str, Any]) -> Iterator[tuple[Connection, str]]:
    for key, value in configuration.items():
        if key.startswith("gpioAddress"):
            for pin in value if isinstance(value, list) else [value]:
                if isinstance(pin, int) and not isinstance(pin, bool):
                    yield Connection.GPIO, str(pin)
        elif key == "i2cAddress" and isinstance(value, str):
            yield Connection.I2C, _normal_address(value)
        elif key == "serialDeviceFile" and isinstance(value, str):
            yield Connection.SERIAL, value


def _normal_address(text: str) -> str:
    # `0x23` and `35` are the same address.
    try:
        return f"0x{int(text, 0):02x}"
    except ValueError:
        return text
