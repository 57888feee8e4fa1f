"""What keeps a configuration from being activated: a kit that could not run it would crash when it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.configurations import devices_of_configuration, kit_is_board, quantity_type_ids
from hortus.domain.kits.control_rules import RuleFault, oversized_rules
from hortus.domain.kits.devices import ConfiguredDevice, devices_by_name, faults_of_configuration
from hortus.domain.kits.figures import MOST_BYTES_IN_ALL, bytes_of, fault_of_figures
from hortus.domain.kits.usable_rules import unusable_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationFaults:
    """The faults of the devices, as sentences, and those of the control rules."""

    devices: Sequence[str] = ()
    rules: Sequence[RuleFault] = ()

    @property
    def any(self) -> bool:
        """Whether there is a fault."""
        return bool(self.devices or self.rules)


async def faults_before_activation(
    connection: AsyncConnection, configuration: RowMapping, control_rules: Any
) -> ActivationFaults:
    """Return all faults of a configuration with these rules."""
    devices = await devices_of_configuration(connection, configuration["id"])
    of_board = await kit_is_board(connection, configuration["kit_id"])
    known_types = await quantity_type_ids(connection)
    # In a thread: there may be many peripherals, and the event loop must stay free.
    return await asyncio.to_thread(_faults, devices, control_rules, known_types, of_board)


def _faults(
    devices: list[ConfiguredDevice], control_rules: Any, known_types: frozenset[int], of_board: bool
) -> ActivationFaults:
    # Rules stored before the size limit existed may be too large to check.
    rules = oversized_rules(control_rules) or unusable_rules(
        control_rules, devices_by_name(devices), known_types
    )
    return ActivationFaults(devices=_faults_of_devices(devices, of_board), rules=rules)


def _faults_of_devices(devices: list[ConfiguredDevice], of_board: bool) -> list[str]:
    # Sizes first: configurations stored before the limit existed may be too large for schema validation.
    figures = [(device.name, fault_of_figures(device.configuration)) for device in devices]
    faults = [f"{name}: {fault}" for name, fault in figures if fault is not None]
    if sum(bytes_of(device.configuration) for device in devices) > MOST_BYTES_IN_ALL:
        faults.append(f"The settings of all peripherals together exceed {MOST_BYTES_IN_ALL} bytes as JSON.")
    return faults or faults_of_configuration(devices, of_board=of_board)
