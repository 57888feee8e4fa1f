"""Plausible limits: loading the built-in ones, and finding those of series."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, Integer, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plausibility.rules import Limits

SeriesOfPeripheral = tuple[int, int]
"""The ids of a peripheral and of a quantity type."""


async def load_limits(connection: AsyncConnection, built_in: list[dict[str, Any]]) -> None:
    """Make the built-in limits those of this version, except where people have set their own.

    Limits of types and devices that are not loaded are skipped. The caller commits.
    """
    types = await connection.execute(_TYPES)
    type_ids = {(row.physical_quantity, row.physical_unit): row.id for row in types}
    devices = await connection.execute(_DEVICES)
    device_ids: dict[str | None, int | None] = {None: None, **{row.name: row.id for row in devices}}
    for entry in built_in:
        type_id = type_ids.get((entry["physicalQuantity"], entry["physicalUnit"]))
        device = entry["peripheralDefinition"]
        if type_id is not None and device in device_ids:
            await _load(connection, entry, type_id, device_ids[device])


async def _load(
    connection: AsyncConnection, entry: dict[str, Any], type_id: int, device_id: int | None
) -> None:
    lone = entry["loneErrorValue"] or {"value": None, "within": 0.0, "meaning": ""}
    await connection.execute(
        _LOAD_OF_QUANTITY if device_id is None else _LOAD_OF_DEVICE,
        {
            "type_id": type_id,
            "device_id": device_id,
            "minimum": entry["minimum"],
            "maximum": entry["maximum"],
            "error_values": [float(each["value"]) for each in entry["errorValues"]],
            "error_meanings": [each["meaning"] for each in entry["errorValues"]],
            "lone_error_value": lone["value"],
            "lone_error_within": lone["within"],
            "lone_error_meaning": lone["meaning"],
        },
    )


async def limits_of_peripherals(
    connection: AsyncConnection, peripheral_ids: Collection[int]
) -> dict[SeriesOfPeripheral, Limits]:
    """Return the limits of each quantity by peripheral; without an entry, there are none."""
    rows = await connection.execute(_LIMITS, {"peripheral_ids": sorted(peripheral_ids)})
    return {
        (row.peripheral_id, row.quantity_type_id): Limits(
            minimum=row.minimum,
            maximum=row.maximum,
            error_values=dict(zip(row.error_values, row.error_meanings, strict=True)),
            lone_error_value=row.lone_error_value,
            lone_error_within=row.lone_error_within,
            lone_error_meaning=row.lone_error_meaning,
            device=row.device,
        )
        for row in rows
    }


_TYPES = text("SELECT id, physical_quantity, physical_unit FROM quantity_types")
_DEVICES = text("SELECT id, name FROM peripheral_definitions")

_COLUMNS = (
    "minimum",
    "maximum",
    "error_values",
    "error_meanings",
    "lone_error_value",
    "lone_error_within",
    "lone_error_meaning",
)
_NAMES = ", ".join(_COLUMNS)
_NEW = ", ".join(f"excluded.{name}" for name in _COLUMNS)
_OLD = ", ".join(f"l.{name}" for name in _COLUMNS)


def _load_statement(key: str) -> TextClause:
    # Unchanged limits are not written, so the trigger does not have their rollups recomputed.
    return text(
        f"""
        INSERT INTO plausible_limits AS l (quantity_type_id, peripheral_definition_id, is_own, {_NAMES})
        VALUES (:type_id, :device_id, false, {", ".join(f":{name}" for name in _COLUMNS)})
        ON CONFLICT {key} DO UPDATE SET ({_NAMES}) = ROW ({_NEW})
        WHERE NOT l.is_own AND ({_OLD}) IS DISTINCT FROM ({_NEW})
        """  # noqa: S608  (our own names)
    ).bindparams(bindparam("device_id", type_=Integer()))


_LOAD_OF_QUANTITY = _load_statement("(quantity_type_id) WHERE peripheral_definition_id IS NULL")
_LOAD_OF_DEVICE = _load_statement("(peripheral_definition_id, quantity_type_id)")

_LIMITS = text(
    """
    SELECT DISTINCT ON (p.id, l.quantity_type_id) p.id AS peripheral_id, l.*,
           CASE WHEN l.peripheral_definition_id IS NOT NULL THEN coalesce(d.model, d.name) END AS device
    FROM peripherals p
    JOIN plausible_limits l
      ON l.peripheral_definition_id = p.peripheral_definition_id OR l.peripheral_definition_id IS NULL
    LEFT JOIN peripheral_definitions d ON d.id = l.peripheral_definition_id
    WHERE p.id = ANY(:peripheral_ids)
    ORDER BY p.id, l.quantity_type_id, l.peripheral_definition_id NULLS LAST
    """
).bindparams(bindparam("peripheral_ids", type_=ARRAY(Integer)))
