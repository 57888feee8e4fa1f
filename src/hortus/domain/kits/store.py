"""Creating, listing and deleting kits, and adding configurations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.database.access_changes import announce_kit_access
from hortus.base.errors import UsageError
from hortus.domain.definitions.tables import ExpectedQuantityTypeRow, PeripheralDefinitionRow
from hortus.domain.kits.broker_verifier import broker_verifier
from hortus.domain.kits.identity import (
    hash_password,
    is_serial,
    is_serial_of_board,
    make_password,
    make_serial,
)
from hortus.domain.kits.tables import KitConfigurationRow, KitLastSeenRow, KitRow, PeripheralRow

_SERIAL_ATTEMPTS = 5

STANDARD_PERIPHERALS = (
    ("Virtual temperature sensor", "Temperature"),
    ("Virtual pressure sensor", "Pressure"),
    ("Virtual barometer", "Climate"),
)
"""Definitions and names of the peripherals in a standard configuration. No virtual sensor measures only
humidity; the barometer measures temperature, pressure and humidity."""

STANDARD_INTERVALS = {"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}}


class KitNotFound(UsageError):
    """No kit has this serial."""

    def __init__(self, serial: str) -> None:
        super().__init__(f"There is no kit with the serial {serial}. `hortus kit list` shows all kits.")


class UnusableSerial(UsageError):
    """No new kit can have this serial."""

    def __init__(self, serial: str) -> None:
        super().__init__(
            f"No new kit can have the serial {serial}: it is taken, that of a board, or no serial at all."
        )


class AccountChanges(Protocol):
    """Receives changes of kit accounts that an external broker must follow."""

    async def password_set(self, connection: AsyncConnection, serial: str, password: str) -> None:
        """Handle a new kit, or a new password of a kit."""

    async def kit_deleted(self, connection: AsyncConnection, serial: str) -> None:
        """Handle the deletion of a kit."""


class NoExternalBroker:
    """Ignores changes of accounts: the built-in endpoint reads the kits table itself."""

    async def password_set(self, connection: AsyncConnection, serial: str, password: str) -> None:
        """Do nothing."""

    async def kit_deleted(self, connection: AsyncConnection, serial: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKit:
    """The details of a kit to create. Coordinates are in degrees."""

    name: str | None = None
    description: str | None = None
    latitude: Decimal | None = None
    longitude: Decimal | None = None
    public_dashboard: bool = False
    show_on_map: bool = False
    time_zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedKit:
    """A new kit and its password, which is not stored anywhere in plain text."""

    id: int
    serial: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPeripheral:
    """A peripheral to create: the name of its definition, its own name, and its configuration (JSON)."""

    definition: str
    name: str
    configuration: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedPeripheral:
    """A new peripheral with the ids of the quantity types that it is expected to measure."""

    id: int
    name: str
    quantity_types: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKit:
    """A kit as lists show it."""

    id: int
    serial: str
    name: str | None
    last_seen: datetime | None
    peripherals: int


class KitStore:
    """Creates and deletes kits and sets their passwords. The caller commits."""

    def __init__(self, account_changes: AccountChanges | None = None) -> None:
        self._account_changes = account_changes or NoExternalBroker()

    async def create(self, connection: AsyncConnection, kit: NewKit) -> CreatedKit:
        """Create a kit with a new serial and password."""
        password = make_password()
        hashes = await _hashes_of(password)
        for attempt in range(_SERIAL_ATTEMPTS):
            serial = make_serial()
            try:
                async with connection.begin_nested():
                    kit_id = await self._insert(connection, kit, serial, hashes)
            except IntegrityError:
                if attempt == _SERIAL_ATTEMPTS - 1:
                    raise
                continue  # the serial is taken; with 55 random bits, the next one will be free
            await self._account_changes.password_set(connection, serial, password)
            return CreatedKit(id=kit_id, serial=serial, password=password)
        raise AssertionError("unreachable")

    async def create_with_serial(self, connection: AsyncConnection, kit: NewKit, serial: str) -> CreatedKit:
        """Create a kit for a device that has a serial already. Raises UnusableSerial."""
        if not is_serial(serial) or is_serial_of_board(serial):
            raise UnusableSerial(serial)
        password = make_password()
        hashes = await _hashes_of(password)
        try:
            async with connection.begin_nested():
                kit_id = await self._insert(connection, kit, serial, hashes)
        except IntegrityError as error:
            raise UnusableSerial(serial) from error
        await self._account_changes.password_set(connection, serial, password)
        return CreatedKit(id=kit_id, serial=serial, password=password)

    async def set_password(self, connection: AsyncConnection, serial: str) -> str:
        """Set a new random password for the kit and return it. Raises KitNotFound."""
        password = make_password()
        changed = await connection.execute(
            update(KitRow).where(KitRow.serial == serial).values(await _hashes_of(password))
        )
        if changed.rowcount == 0:
            raise KitNotFound(serial)
        await self._account_changes.password_set(connection, serial, password)
        return password

    async def delete(self, connection: AsyncConnection, serial: str) -> None:
        """Delete the kit with everything that it ever sent. Raises KitNotFound.

        Its peripherals are locked first: this waits for batches that hold locks on them, and later batches no
        longer find them, so no reading is left behind without its kit.
        """
        kit_id = await kit_id_of(connection, serial)
        parameters = {"kit_id": kit_id}
        for statement in _DELETE_KIT:
            await connection.execute(text(statement), parameters)
        await connection.execute(delete(KitRow).where(KitRow.id == kit_id))
        await announce_kit_access(connection, kit_id)
        await self._account_changes.kit_deleted(connection, serial)

    async def _insert(
        self, connection: AsyncConnection, kit: NewKit, serial: str, hashes: Mapping[str, str]
    ) -> int:
        kit_id: int | None = await connection.scalar(
            insert(KitRow)
            .values(
                serial=serial,
                **hashes,
                name=kit.name,
                description=kit.description,
                latitude=kit.latitude,
                longitude=kit.longitude,
                privacy_public_dashboard=kit.public_dashboard,
                privacy_show_on_map=kit.show_on_map,
                time_zone=kit.time_zone,
            )
            .returning(KitRow.id)
        )
        assert kit_id is not None
        return kit_id


async def _hashes_of(password: str) -> dict[str, str]:
    """Return the columns for a password, computed in a thread: hashing takes tens of milliseconds."""
    return await asyncio.to_thread(
        lambda: {"password_hash": hash_password(password), "broker_password": broker_verifier(password)}
    )


_DELETE_KIT = (
    "SELECT id FROM peripherals WHERE kit_id = :kit_id ORDER BY id FOR UPDATE",
    """
    INSERT INTO queue_media_pending_deletion (media_id, kit_serial, media_datetime, media_size)
    SELECT m.id, k.serial, m.datetime, m.size FROM media m JOIN kits k ON k.id = m.kit_id
    WHERE m.kit_id = :kit_id
    """,
    "DELETE FROM media WHERE kit_id = :kit_id",
    "DELETE FROM raw_measurements WHERE kit_id = :kit_id",
    "DELETE FROM aggregate_measurements WHERE kit_id = :kit_id",
    "DELETE FROM quarantine WHERE kit_id = :kit_id",
    "DELETE FROM ingest_ledger WHERE kit_id = :kit_id",
    "DELETE FROM ingest_ledger_reasons WHERE kit_id = :kit_id",
)


async def kit_id_of(connection: AsyncConnection, serial: str) -> int:
    """Return the id of the kit with this serial. Raises KitNotFound."""
    kit_id = await connection.scalar(select(KitRow.id).where(KitRow.serial == serial))
    if kit_id is None:
        raise KitNotFound(serial)
    return kit_id


async def list_kits(connection: AsyncConnection) -> list[ListedKit]:
    """Return all kits in order of creation, with the number of peripherals in their active configurations."""
    peripherals = (
        select(func.count())
        .select_from(PeripheralRow)
        .join(KitConfigurationRow, KitConfigurationRow.id == PeripheralRow.kit_configuration_id)
        .where(PeripheralRow.kit_id == KitRow.id, KitConfigurationRow.active)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(KitRow.id, KitRow.serial, KitRow.name, KitLastSeenRow.datetime_last_seen, peripherals)
        .outerjoin(KitLastSeenRow, KitLastSeenRow.kit_id == KitRow.id)
        .order_by(KitRow.id)
    )
    return [
        ListedKit(id=kit_id, serial=serial, name=name, last_seen=last_seen, peripherals=count)
        for kit_id, serial, name, last_seen, count in rows
    ]


async def add_configuration(
    connection: AsyncConnection,
    kit_id: int,
    *,
    description: str | None,
    peripherals: Sequence[NewPeripheral],
    active: bool,
) -> list[CreatedPeripheral]:
    """Add a configuration with these peripherals to a kit. If `active`, it replaces the active one."""
    if active:
        await connection.execute(
            update(KitConfigurationRow)
            .where(KitConfigurationRow.kit_id == kit_id, KitConfigurationRow.active)
            .values(active=False)
        )
    configuration_id = await connection.scalar(
        insert(KitConfigurationRow)
        .values(
            kit_id=kit_id,
            description=description,
            controller_symbol_location="astroplant_kit.controller",
            controller_symbol="AstroplantControllerV1",
            control_rules={},
            active=active,
        )
        .returning(KitConfigurationRow.id)
    )
    assert configuration_id is not None
    return [
        await _add_peripheral(connection, kit_id, configuration_id, peripheral) for peripheral in peripherals
    ]


async def add_standard_configuration(connection: AsyncConnection, kit_id: int) -> list[CreatedPeripheral]:
    """Add an active configuration with virtual temperature, pressure and humidity sensors to a kit."""
    peripherals = [
        NewPeripheral(definition=definition, name=name, configuration=STANDARD_INTERVALS)
        for definition, name in STANDARD_PERIPHERALS
    ]
    return await add_configuration(
        connection, kit_id, description="Standard virtual sensors", peripherals=peripherals, active=True
    )


async def _add_peripheral(
    connection: AsyncConnection, kit_id: int, configuration_id: int, peripheral: NewPeripheral
) -> CreatedPeripheral:
    definition_id = await connection.scalar(
        select(PeripheralDefinitionRow.id).where(PeripheralDefinitionRow.name == peripheral.definition)
    )
    if definition_id is None:
        raise UsageError(
            f"There is no peripheral definition named {peripheral.definition!r}. "
            "`hortus db definitions` loads the built-in ones."
        )
    peripheral_id = await connection.scalar(
        insert(PeripheralRow)
        .values(
            kit_id=kit_id,
            kit_configuration_id=configuration_id,
            peripheral_definition_id=definition_id,
            name=peripheral.name,
            configuration=peripheral.configuration,
        )
        .returning(PeripheralRow.id)
    )
    assert peripheral_id is not None
    quantity_types = await connection.scalars(
        select(ExpectedQuantityTypeRow.quantity_type_id)
        .where(ExpectedQuantityTypeRow.peripheral_definition_id == definition_id)
        .order_by(ExpectedQuantityTypeRow.quantity_type_id)
    )
    return CreatedPeripheral(id=peripheral_id, name=peripheral.name, quantity_types=tuple(quantity_types.all()))
