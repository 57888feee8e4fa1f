"""What administrators do with definitions and limits. Each function writes the log; the caller commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.administration.log import Deed, note_deed
from hortus.domain.definitions import own
from hortus.domain.definitions.own import OwnDevice, OwnQuantity
from hortus.domain.definitions.queries import list_definitions, list_quantity_types
from hortus.domain.definitions.store import built_in_definitions
from hortus.domain.definitions.tables import PeripheralDefinitionRow, QuantityTypeRow
from hortus.domain.plausibility.limits import load_limits
from hortus.domain.plausibility.own_limits import ListedLimits, drop_own_limits, list_limits, set_limits
from hortus.domain.series.definition_use import (
    kits_by_device,
    kits_by_quantity,
    require_unused_device,
    require_unused_quantity,
)

_MOST_LISTED = 500


class BuiltIn(UsageError):
    """A built-in definition cannot be changed."""

    def __init__(self) -> None:
        super().__init__("This definition comes with Hortus and cannot be changed. Define one of your own.")


class DefinitionNotFound(UsageError):
    """No definition has this id."""

    def __init__(self) -> None:
        super().__init__("There is no such definition.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedQuantity:
    """A quantity type, and how many kits have a peripheral that measures it. `limits` are of the quantity."""

    id: int
    physical_quantity: str
    physical_unit: str
    symbol: str | None
    decimals: int | None
    is_built_in: bool
    kits: int
    limits: ListedLimits | None

    @property
    def name(self) -> str:
        """The quantity with its unit."""
        return f"{self.physical_quantity} ({self.physical_unit})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDevice:
    """A kind of peripheral with all that defines it, and how many kits have one. `limits` are its own."""

    id: int
    is_built_in: bool
    kits: int
    definition: OwnDevice
    limits: Sequence[ListedLimits]


async def list_all_quantities(connection: AsyncConnection) -> Sequence[ListedQuantity]:
    """Return all quantity types by id."""
    rows = await list_quantity_types(connection, None, _MOST_LISTED)
    kits = await kits_by_quantity(connection)
    limits = {each.quantity_type_id: each for each in await list_limits(connection) if each.device_id is None}
    return [
        ListedQuantity(
            id=row["id"],
            physical_quantity=row["physical_quantity"],
            physical_unit=row["physical_unit"],
            symbol=row["physical_unit_symbol"],
            decimals=row["decimals"],
            is_built_in=(row["physical_quantity"], row["physical_unit"]) in own.built_in_quantities(),
            kits=kits.get(row["id"], 0),
            limits=limits.get(row["id"]),
        )
        for row in rows
    ]


async def list_all_devices(connection: AsyncConnection) -> Sequence[ListedDevice]:
    """Return all kinds of peripherals by id."""
    rows, expected = await list_definitions(connection, None, _MOST_LISTED)
    kits = await kits_by_device(connection)
    limits = await list_limits(connection)
    return [
        ListedDevice(
            id=row["id"],
            is_built_in=row["name"] in own.built_in_devices(),
            kits=kits.get(row["id"], 0),
            definition=OwnDevice(
                name=row["name"],
                description=row["description"],
                brand=row["brand"],
                model=row["model"],
                symbol_location=row["symbol_location"],
                symbol=row["symbol"],
                configuration_schema=row["configuration_schema"],
                command_schema=row["command_schema"],
                quantity_types=expected.get(row["id"], ()),
            ),
            limits=[each for each in limits if each.device_id == row["id"]],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionEditor:
    """Changes definitions on behalf of a person."""

    acting: str

    async def create_quantity(self, connection: AsyncConnection, quantity: OwnQuantity) -> int:
        """Add a quantity type; return its id. Raises what `own.create_quantity` raises."""
        created = await own.create_quantity(connection, quantity)
        name = f"{quantity.physical_quantity} ({quantity.physical_unit})"
        await note_deed(connection, self.acting, Deed.QUANTITY_CREATED, name)
        return created

    async def change_quantity(
        self, connection: AsyncConnection, identifier: int, *, symbol: str | None, decimals: int | None
    ) -> None:
        """Change how values of an own quantity are shown. Raises DefinitionNotFound or BuiltIn."""
        name = await self._own_quantity(connection, identifier)
        await own.change_quantity(connection, identifier, symbol=symbol, decimals=decimals)
        await note_deed(connection, self.acting, Deed.QUANTITY_CHANGED, name)

    async def delete_quantity(self, connection: AsyncConnection, identifier: int) -> None:
        """Delete an own quantity type. Raises DefinitionNotFound, BuiltIn or DefinitionInUse."""
        name = await self._own_quantity(connection, identifier)
        await require_unused_quantity(connection, identifier)
        await own.delete_quantity(connection, identifier)
        await note_deed(connection, self.acting, Deed.QUANTITY_DELETED, name)

    async def create_device(self, connection: AsyncConnection, device: OwnDevice) -> int:
        """Add a kind of peripheral; return its id. Raises what `own.create_device` raises."""
        created = await own.create_device(connection, device)
        await note_deed(connection, self.acting, Deed.DEVICE_CREATED, device.name)
        return created

    async def change_device(self, connection: AsyncConnection, identifier: int, device: OwnDevice) -> None:
        """Change an own kind of peripheral; configurations that exist are not checked again.

        Raises DefinitionNotFound, BuiltIn, or DefinitionInUse if kits have one and its schemas would change.
        """
        before = await self._own_device(connection, identifier)
        schemas = (before.configuration_schema, before.command_schema)
        if schemas != (device.configuration_schema, device.command_schema):
            await require_unused_device(connection, identifier)
        await own.change_device(connection, identifier, device)
        await note_deed(connection, self.acting, Deed.DEVICE_CHANGED, before.name)

    async def delete_device(self, connection: AsyncConnection, identifier: int) -> None:
        """Delete an own kind of peripheral. Raises DefinitionNotFound, BuiltIn or DefinitionInUse."""
        name = (await self._own_device(connection, identifier)).name
        await require_unused_device(connection, identifier)
        await own.delete_device(connection, identifier)
        await note_deed(connection, self.acting, Deed.DEVICE_DELETED, name)

    async def set_limits(
        self,
        connection: AsyncConnection,
        quantity_type_id: int,
        device_id: int | None,
        *,
        minimum: float | None,
        maximum: float | None,
    ) -> None:
        """Set limits in place of the built-in ones. Raises DefinitionNotFound or WrongLimits."""
        name = await self._name_of_limits(connection, quantity_type_id, device_id)
        await set_limits(connection, quantity_type_id, device_id, minimum=minimum, maximum=maximum)
        await note_deed(connection, self.acting, Deed.LIMITS_SET, name)

    async def reset_limits(
        self, connection: AsyncConnection, quantity_type_id: int, device_id: int | None
    ) -> None:
        """Go back to the built-in limits, or to none. Raises DefinitionNotFound."""
        name = await self._name_of_limits(connection, quantity_type_id, device_id)
        await drop_own_limits(connection, quantity_type_id, device_id)
        await load_limits(connection, built_in_definitions()["plausibleLimits"])
        await note_deed(connection, self.acting, Deed.LIMITS_RESET, name)

    async def _own_quantity(self, connection: AsyncConnection, identifier: int) -> str:
        quantity, unit = await _quantity(connection, identifier)
        if (quantity, unit) in own.built_in_quantities():
            raise BuiltIn
        return f"{quantity} ({unit})"

    async def _own_device(self, connection: AsyncConnection, identifier: int) -> Any:
        row = (
            await connection.execute(
                select(PeripheralDefinitionRow.__table__).where(PeripheralDefinitionRow.id == identifier)
            )
        ).one_or_none()
        if row is None:
            raise DefinitionNotFound
        if row.name in own.built_in_devices():
            raise BuiltIn
        return row

    async def _name_of_limits(
        self, connection: AsyncConnection, quantity_type_id: int, device_id: int | None
    ) -> str:
        quantity, unit = await _quantity(connection, quantity_type_id)
        name = f"{quantity} ({unit})"
        if device_id is None:
            return name
        device = await connection.scalar(
            select(PeripheralDefinitionRow.name).where(PeripheralDefinitionRow.id == device_id)
        )
        if device is None:
            raise DefinitionNotFound
        return f"{name}, {device}"


async def _quantity(connection: AsyncConnection, identifier: int) -> tuple[str, str]:
    row = (
        await connection.execute(
            select(QuantityTypeRow.physical_quantity, QuantityTypeRow.physical_unit).where(
                QuantityTypeRow.id == identifier
            )
        )
    ).one_or_none()
    if row is None:
        raise DefinitionNotFound
    return row.physical_quantity, row.physical_unit
