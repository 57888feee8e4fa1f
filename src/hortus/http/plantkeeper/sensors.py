"""Boards in the form of PlantKeeper's sensor rows: the number typed into the board, and its latest values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.base.quotas import DEFAULT_QUOTAS, Quotas
from hortus.domain.alerts.tables import AlertRow
from hortus.domain.definitions.store import quantity_type_ids_by_key
from hortus.domain.kits.details import MOST_DESCRIPTION_CHARACTERS, change_details
from hortus.domain.kits.tables import KitMembershipRow, KitRow
from hortus.domain.plants.links import unlink_kit
from hortus.domain.plants.measured import latest_of_kits
from hortus.flow.gateway.board_lookup import QUANTITY_TYPES
from hortus.flow.gateway.boards import rename_board, retire_board
from hortus.flow.gateway.owned_boards import register_owned_board
from hortus.flow.gateway.readings import Quantity
from hortus.flow.gateway.tables import BoardRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A board. `owner_id` is the first member with full access, `gateway_id` the gateway of its readings.

    `last_alert` is when a message about it or its plants was last accepted for delivery.
    """

    id: int
    kit_id: int
    gateway_id: int | None
    owner_id: int | None
    name: str
    remark: str
    values: Mapping[Quantity, float]
    created_at: datetime
    updated_at: datetime
    last_alert: datetime | None


async def find_sensor(connection: AsyncConnection, sensor_id: int, now: datetime) -> Sensor | None:
    """Return the sensor with this number, or None."""
    found = await _read(connection, BoardRow.sensor_id == sensor_id, now)
    return found[0] if found else None


async def list_sensors(connection: AsyncConnection, now: datetime) -> list[Sensor]:
    """Return all sensors, by number."""
    return await _read(connection, None, now)


async def list_sensors_of(
    connection: AsyncConnection, user_id: int, now: datetime, *, owned_only: bool
) -> list[Sensor]:
    """Return the sensors that the user shares, or only those with full access, by number."""
    kits = select(KitMembershipRow.kit_id).where(KitMembershipRow.user_id == user_id)
    if owned_only:
        kits = kits.where(KitMembershipRow.access_super)
    return await _read(connection, BoardRow.kit_id.in_(kits), now)


async def sensors_of_kits(
    connection: AsyncConnection, kit_ids: Collection[int], now: datetime
) -> dict[int, Sensor]:
    """Return the sensors among these kits, by kit id; a kit that is not a board has none."""
    found = await _read(connection, BoardRow.kit_id.in_(kit_ids), now) if kit_ids else []
    return {sensor.kit_id: sensor for sensor in found}


async def register_sensor(
    connection: AsyncConnection,
    owner_id: int,
    *,
    name: str,
    remark: str,
    now: datetime,
    quotas: Quotas = DEFAULT_QUOTAS,
) -> int:
    """Register a board for this owner and return the number to type into it. The caller commits.

    Raises UsageError.
    """
    _check_remark(remark)
    board = await register_owned_board(connection, owner_id, name=_named(name), quotas=quotas, now=now)
    if remark:
        await connection.execute(update(KitRow).where(KitRow.id == board.kit_id).values(description=remark))
    return board.sensor_id


async def describe_sensor(
    connection: AsyncConnection,
    sensor: Sensor,
    *,
    name: str | None,
    remark: str | None,
    by: int | None,
    now: datetime,
) -> None:
    """Change a board's name and remark; None keeps what there is. The caller commits. Raises UsageError."""
    if name is not None:
        await rename_board(connection, sensor.kit_id, _named(name))
    if remark is not None:
        _check_remark(remark)
        await change_details(connection, sensor.kit_id, {"description": remark}, by=by, now=now)


def _named(name: str) -> str:
    return name if name.strip() else "Sensor"


def _check_remark(remark: str) -> None:
    if len(remark) > MOST_DESCRIPTION_CHARACTERS:
        raise UsageError(f"A remark may have at most {MOST_DESCRIPTION_CHARACTERS} characters.")


async def retire_sensor(connection: AsyncConnection, sensor: Sensor, now: datetime) -> None:
    """Retire a board: its number is no longer accepted, and its plants are unlinked. The caller commits.

    The kit and its readings stay for its members, who can delete them permanently.
    """
    await unlink_kit(connection, sensor.kit_id, now=now)
    await retire_board(connection, sensor.kit_id)


_SENSORS: Select[*tuple[Any, ...]] = (
    select(
        BoardRow.sensor_id.label("id"),
        BoardRow.kit_id,
        BoardRow.gateway_id,
        select(KitMembershipRow.user_id)
        .where(KitMembershipRow.kit_id == KitRow.id, KitMembershipRow.access_super)
        .order_by(KitMembershipRow.id)
        .limit(1)
        .scalar_subquery()
        .label("owner_id"),
        func.coalesce(KitRow.name, "").label("name"),
        func.coalesce(KitRow.description, "").label("remark"),
        KitRow.created_at,
        func.greatest(KitRow.updated_at, BoardRow.last_contact_at).label("updated_at"),
        select(func.max(AlertRow.message_accepted_at))
        .where(AlertRow.kit_id == KitRow.id)
        .scalar_subquery()
        .label("last_alert"),
    )
    .join(KitRow, KitRow.id == BoardRow.kit_id)
    .order_by(BoardRow.sensor_id)
)


async def _read(
    connection: AsyncConnection, condition: ColumnElement[bool] | None, now: datetime
) -> list[Sensor]:
    statement = _SENSORS if condition is None else _SENSORS.where(condition)
    rows = (await connection.execute(statement)).mappings().all()
    if not rows:
        return []
    ids = await quantity_type_ids_by_key(connection)
    quantities = {ids[key]: quantity for quantity, key in QUANTITY_TYPES.items()}
    latest = await latest_of_kits(connection, [row["kit_id"] for row in rows], now)
    return [
        Sensor(
            **row,
            # Its clients expect the row that they sent, whatever the values are (plantkeeper 4.4).
            values={
                quantities[series.quantity_type_id]: series.newest_value
                for series in latest.get(row["kit_id"], ())
                if series.newest_value is not None and series.quantity_type_id in quantities
            },
        )
        for row in rows
    ]
