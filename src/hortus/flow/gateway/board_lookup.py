"""Looks up the kit of a board, and the peripherals for its quantities."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.definitions.tables import ExpectedQuantityTypeRow, QuantityTypeRow
from hortus.domain.kits.tables import KitConfigurationRow, KitRow, PeripheralRow
from hortus.flow.gateway.readings import Quantity
from hortus.flow.gateway.tables import BoardRow

QUANTITY_TYPES = {
    Quantity.TEMPERATURE: ("Temperature", "Degrees Celsius"),
    # Soil, not air: AstroPlant's `Humidity, Percent` is a different quantity (plantkeeper 6).
    Quantity.HUMIDITY: ("Soil moisture", "Percent of calibrated span"),
    Quantity.LIGHT: ("Light level", "PlantKeeper scale 0–2000"),
}
_QUANTITIES = {key: quantity for quantity, key in QUANTITY_TYPES.items()}

# If it was deleted, the last one that was active: ingest then quarantines values under its peripherals, from
# where they can be replayed once the configuration is brought back.
_CONFIGURATION_OF_BOARD = (
    select(KitConfigurationRow.id)
    .where(
        KitConfigurationRow.kit_id == KitRow.id,
        KitConfigurationRow.active | KitConfigurationRow.deleted_while_active,
    )
    .order_by(KitConfigurationRow.active.desc(), KitConfigurationRow.deleted_at.desc())
    .limit(1)
    .correlate(KitRow)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueDestination:
    """The peripheral and the quantity type that a value is stored under."""

    peripheral_id: int
    quantity_type_id: int


UNKNOWN_PERIPHERAL = ValueDestination(peripheral_id=0, quantity_type_id=0)
"""An id that no peripheral has: the pipeline's checks quarantine such a value with a reason (P3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBoard:
    """A board's kit, and the destinations of its values in its configuration."""

    kit_id: int
    serial: str
    places: dict[Quantity, ValueDestination]


async def find_boards(
    connection: AsyncConnection, gateway_id: int, sensor_ids: Collection[int], *, claim: bool = True
) -> dict[int, KnownBoard]:
    """Return those of these boards whose readings this gateway may deliver (P5).

    A board registered without a gateway is assigned to the first one that delivers its readings; if `claim` is
    false, it stays unassigned.
    """
    may_bring = BoardRow.gateway_id == gateway_id
    if claim:
        await connection.execute(
            update(BoardRow)
            .where(BoardRow.sensor_id.in_(sensor_ids), BoardRow.gateway_id.is_(None))
            .values(gateway_id=gateway_id)
        )
    else:
        may_bring |= BoardRow.gateway_id.is_(None)
    rows = await connection.execute(
        select(
            BoardRow.sensor_id,
            BoardRow.kit_id,
            KitRow.serial,
            PeripheralRow.id.label("peripheral_id"),
            QuantityTypeRow.id.label("quantity_type_id"),
            QuantityTypeRow.physical_quantity,
            QuantityTypeRow.physical_unit,
        )
        .join(KitRow, KitRow.id == BoardRow.kit_id)
        .outerjoin(KitConfigurationRow, KitConfigurationRow.id == _CONFIGURATION_OF_BOARD)
        .outerjoin(PeripheralRow, PeripheralRow.kit_configuration_id == KitConfigurationRow.id)
        .outerjoin(
            ExpectedQuantityTypeRow,
            ExpectedQuantityTypeRow.peripheral_definition_id == PeripheralRow.peripheral_definition_id,
        )
        .outerjoin(QuantityTypeRow, QuantityTypeRow.id == ExpectedQuantityTypeRow.quantity_type_id)
        .where(BoardRow.sensor_id.in_(sensor_ids), may_bring)
        .order_by(PeripheralRow.id)
    )
    boards: dict[int, KnownBoard] = {}
    for row in rows:
        board = boards.setdefault(row.sensor_id, KnownBoard(kit_id=row.kit_id, serial=row.serial, places={}))
        quantity = _QUANTITIES.get((row.physical_quantity, row.physical_unit))
        if quantity is not None:
            place = ValueDestination(peripheral_id=row.peripheral_id, quantity_type_id=row.quantity_type_id)
            board.places.setdefault(quantity, place)
    return boards
