"""How a kit interprets its active configuration and the quantity types (kit-mqtt 4.4 and 4.5)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from hortus.base.errors import OperationalError, describe_error
from hortus.simulator.devices import Device, device_with_symbol
from hortus.simulator.sensors import SensorOutput

logger = logging.getLogger(__name__)

# A shorter interval, even if configured, would let one kit saturate the network.
_SHORTEST_INTERVAL_SECONDS = 0.1


class UnusableConfigurationError(OperationalError):
    """The server's answer is not a valid configuration or list of quantity types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedQuantity:
    """One quantity of an installed sensor; `quantity_type` is its id at the server."""

    channel: SensorOutput
    quantity_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledPicture:
    """A picture that a camera takes every day; the time of day (`HH:MM:SS`) is in the kit's local time."""

    time_of_day: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedPeripheral:
    """A peripheral of the active configuration that the kit can operate."""

    id: int
    name: str
    device: Device
    measured: tuple[FittedQuantity, ...]
    measurement_seconds: float
    aggregate_seconds: float
    schedule: tuple[ScheduledPicture, ...] = ()


def fit_peripherals(configuration_json: str, quantity_types_json: str) -> list[FittedPeripheral]:
    """Return the peripherals to operate, one per name.

    A peripheral that a virtual kit cannot operate is skipped and logged. Raises UnusableConfigurationError if
    the documents as a whole do not conform to kit-mqtt.
    """
    try:
        quantity_types = {
            (entry["physicalQuantity"], entry["physicalUnit"]): _id(entry["id"])
            for entry in json.loads(quantity_types_json)
        }
        entries = list(json.loads(configuration_json)["peripherals"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnusableConfigurationError(
            "The server sent a configuration that cannot be read; look at the kit's active configuration."
        ) from error
    fitted: dict[str, FittedPeripheral] = {}
    for entry in entries:
        peripheral = _fit(entry, quantity_types)
        if peripheral is not None:
            # Of several peripherals with the same name, the real kit runs only the last.
            fitted[peripheral.name] = peripheral
    return list(fitted.values())


def _fit(entry: Any, quantity_types: Mapping[tuple[str, str], int]) -> FittedPeripheral | None:
    try:
        peripheral, definition = entry["peripheral"], entry["definition"]
        name = str(peripheral["name"])
        device = device_with_symbol(definition["symbolLocation"], definition["symbol"])
        if device is None:
            logger.warning("peripheral “%s” has a device that virtual kits do not support", name)
            return None
        intervals = peripheral["configuration"]["intervals"] if device.channels else {}
        return FittedPeripheral(
            id=_id(peripheral["id"]),
            name=name,
            device=device,
            measured=_measured(name, device, quantity_types),
            measurement_seconds=_interval(intervals, "measurementInterval", 60),
            aggregate_seconds=_interval(intervals, "aggregateInterval", 1800),
            schedule=_schedule(peripheral["configuration"], device) if device.pictures else (),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        logger.warning(
            "a peripheral of the configuration cannot be used: %s: %s",
            type(error).__name__,
            describe_error(error),
        )
        return None


def _measured(
    name: str, device: Device, quantity_types: Mapping[tuple[str, str], int]
) -> tuple[FittedQuantity, ...]:
    measured = []
    for channel in device.channels:
        quantity_type = quantity_types.get((channel.physical_quantity, channel.physical_unit))
        if quantity_type is None:
            logger.warning(
                "the server has no quantity type %s for peripheral “%s”", channel.physical_quantity, name
            )
        else:
            measured.append(FittedQuantity(channel=channel, quantity_type=quantity_type))
    return tuple(measured)


def _schedule(configuration: Any, device: Device) -> tuple[ScheduledPicture, ...]:
    entries = []
    for entry in configuration["schedule"]:
        time.fromisoformat(entry["time"])
        if entry["command"] in device.pictures:
            entries.append(ScheduledPicture(time_of_day=entry["time"], command=entry["command"]))
    return tuple(entries)


def _id(value: Any) -> int:
    number = int(value)
    if not -(2**31) <= number < 2**31:
        raise ValueError(f"{number} is not an id: it does not fit into 32 bits")
    return number


def _interval(intervals: Mapping[str, Any], key: str, default_seconds: float) -> float:
    return max(_SHORTEST_INTERVAL_SECONDS, float(intervals.get(key, default_seconds)))
