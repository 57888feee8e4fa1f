"""Checks before sending that a kit has the peripheral a command is for, and that it accepts the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from sqlalchemy import JSON, Boolean, Integer, Text, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.running import KITS_WITH_CONFIGURATIONS
from hortus.domain.kits.schemas import SCHEMA_LEADS_NOWHERE
from hortus.flow.commands.command import Question, UnsuitableCommand

# The configuration in use is the one its readings refer to, or else the one it fetched last, even if another
# has been activated since. If neither is known, the kit will fetch the active one when it starts.
_COMMAND_SCHEMA = text(
    f"""
    SELECT d.name AS definition, d.command_schema, c.in_use IS NOT NULL AS has_configuration
    FROM (
        SELECT coalesce(seen.id, f.kit_configuration_id, a.id) AS in_use
        FROM {KITS_WITH_CONFIGURATIONS}
        WHERE k.id = :kit_id
    ) c
    LEFT JOIN peripherals p ON p.kit_configuration_id = c.in_use AND p.name = :peripheral
    LEFT JOIN peripheral_definitions d ON d.id = p.peripheral_definition_id
    """  # noqa: S608 - a constant
).columns(column("definition", Text), column("command_schema", JSON), column("has_configuration", Boolean))


_COMMANDABLE = text(
    f"""
    SELECT p.id, p.name, d.name AS definition, d.command_schema
    FROM (
        SELECT coalesce(seen.id, f.kit_configuration_id, a.id) AS in_use
        FROM {KITS_WITH_CONFIGURATIONS}
        WHERE k.id = :kit_id
    ) c
    JOIN peripherals p ON p.kit_configuration_id = c.in_use
    JOIN peripheral_definitions d ON d.id = p.peripheral_definition_id
    WHERE d.command_schema IS NOT NULL
    ORDER BY p.id
    """  # noqa: S608 - a constant
).columns(
    column("id", Integer), column("name", Text), column("definition", Text), column("command_schema", JSON)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandablePeripheral:
    """A device of the configuration that a kit runs, as far as known, which takes commands."""

    id: int
    name: str
    definition: str
    command_schema: Any


async def commandable_peripherals(connection: AsyncConnection, kit_id: int) -> list[CommandablePeripheral]:
    """Return the devices to which commands can be sent."""
    rows = await connection.execute(_COMMANDABLE, {"kit_id": kit_id})
    return [CommandablePeripheral(**row) for row in rows.mappings()]


async def require_suitable(connection: AsyncConnection, kit_id: int, question: Question) -> None:
    """Raise UnsuitableCommand unless the kit has the peripheral and its device accepts the command.

    The kit itself would report success for an unknown peripheral (kit-mqtt 4.3).
    """
    if question.peripheral is None or question.command_json is None:
        return
    parameters = {"kit_id": kit_id, "peripheral": question.peripheral}
    row = (await connection.execute(_COMMAND_SCHEMA, parameters)).mappings().one()
    if not row["has_configuration"]:
        raise UnsuitableCommand("peripheral", "The kit has no active configuration, so it has no peripherals.")
    if row["definition"] is None:
        raise UnsuitableCommand(
            "peripheral", f"The configuration that the kit runs has no peripheral named {question.peripheral}."
        )
    if row["command_schema"] is None:
        raise UnsuitableCommand(
            "peripheral", f"{question.peripheral} is a {row['definition']}, which takes no commands."
        )
    fault = fault_of_command(row["command_schema"], orjson.loads(question.command_json))
    if fault is not None:
        raise UnsuitableCommand("command", f"{question.peripheral}: {fault}")


def fault_of_command(schema: Any, command: Any) -> str | None:
    """Return the first violation of the definition's command schema as a sentence, or None."""
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError:
        return "its definition has no valid command schema; ask the operator to correct it."
    # An empty registry, so that references to remote schemas are not fetched.
    try:
        error = next(iter(Draft7Validator(schema, registry=Registry()).iter_errors(command)), None)
    except SCHEMA_LEADS_NOWHERE:
        return "its definition has no usable command schema; ask the operator to correct it."
    if error is None:
        return None
    place = ".".join(str(part) for part in error.absolute_path) or "the command"
    return f"{place}: {error.message[:500]}."
