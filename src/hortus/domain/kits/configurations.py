"""Reading and changing the configurations of a kit and their peripherals.

Those that were deleted are not among them (hortus.domain.kits.deleted_configurations).

Functions that make changes work in the caller's transaction, with the kit locked
(hortus.http.access.kit_access.lock_kit).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Integer, bindparam, delete, func, insert, literal, select, text, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.definitions.tables import PeripheralDefinitionRow, QuantityTypeRow
from hortus.domain.kits.devices import ConfiguredDevice, Definition
from hortus.domain.kits.identity import is_serial_of_board
from hortus.domain.kits.tables import KitConfigurationRow, KitRow, PeripheralRow

CONTROLLER_MODULE = "astroplant_kit.controller"
CONTROLLER_CLASS = "AstroplantControllerV1"

MOST_CONFIGURATIONS = 1000
MOST_PERIPHERALS = 200
"""Far more than any kit needs; stops a runaway script."""

MOST_BYTES = 16 * 1024 * 1024
"""For the text in all configurations of a kit together: listing them returns all of it at once."""

_CONFIGURATIONS = select(KitConfigurationRow.__table__).where(KitConfigurationRow.deleted_at.is_(None))
_PERIPHERALS = select(PeripheralRow.__table__).where(PeripheralRow.deleted_at.is_(None))


class NoRoom(UsageError):
    """A kit has reached a limit."""


class TooMany(NoRoom):
    """A kit or configuration has the maximum number of these."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"There are already {most} {what}, which is the limit. Delete one first.")


class TooLong(NoRoom):
    """The configurations of a kit are too large in total."""

    def __init__(self) -> None:
        super().__init__(
            "All configurations of a kit together can hold "
            f"{MOST_BYTES} bytes of descriptions, rules and settings. Delete one first."
        )


class NameTaken(UsageError):
    """Another peripheral of the configuration has this name; a kit runs only the last one of equal names."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The configuration already has a peripheral named {name}. Choose another name.")


async def find_configuration(connection: AsyncConnection, configuration_id: int) -> RowMapping | None:
    """Return the configuration with this id, or None."""
    statement = _CONFIGURATIONS.where(KitConfigurationRow.id == configuration_id)
    return (await connection.execute(statement)).mappings().one_or_none()


async def configurations_of_kit(
    connection: AsyncConnection, kit_id: int
) -> tuple[Sequence[RowMapping], dict[int, list[RowMapping]]]:
    """Return the kit's configurations, and the peripherals of each by its id, in order of creation."""
    statement = _CONFIGURATIONS.where(KitConfigurationRow.kit_id == kit_id).order_by(KitConfigurationRow.id)
    configurations = (await connection.execute(statement)).mappings().all()
    peripherals: dict[int, list[RowMapping]] = {}
    statement = _PERIPHERALS.where(PeripheralRow.kit_id == kit_id).order_by(PeripheralRow.id)
    for row in (await connection.execute(statement)).mappings():
        peripherals.setdefault(row["kit_configuration_id"], []).append(row)
    return configurations, peripherals


async def create_configuration(connection: AsyncConnection, kit_id: int, description: str | None) -> RowMapping:
    """Create an empty, inactive configuration. Raises NoRoom."""
    row = await _insert_configuration(
        connection,
        {
            "kit_id": kit_id,
            "description": description,
            "controller_symbol_location": CONTROLLER_MODULE,
            "controller_symbol": CONTROLLER_CLASS,
            "control_rules": {},
        },
    )
    await require_bytes(connection, kit_id)
    return row


async def clone_configuration(connection: AsyncConnection, kit_id: int, source: RowMapping) -> RowMapping:
    """Copy a configuration of this or another kit, with its peripherals, to this kit. Raises NoRoom."""
    description = f"Copy of #{source['id']}"
    if source["description"]:
        description += f" - {source['description']}"
    copy = await _insert_configuration(
        connection,
        {
            "kit_id": kit_id,
            "description": description,
            "controller_symbol_location": source["controller_symbol_location"],
            "controller_symbol": source["controller_symbol"],
            "control_rules": source["control_rules"],
        },
    )
    await connection.execute(
        insert(PeripheralRow).from_select(
            ["kit_id", "kit_configuration_id", "peripheral_definition_id", "name", "configuration"],
            select(
                literal(kit_id),
                literal(copy["id"]),
                PeripheralRow.peripheral_definition_id,
                PeripheralRow.name,
                PeripheralRow.configuration,
            )
            .where(PeripheralRow.kit_configuration_id == source["id"])
            .order_by(PeripheralRow.id),
        )
    )
    await require_bytes(connection, kit_id)
    return copy


async def change_configuration(
    connection: AsyncConnection, configuration: RowMapping, values: Mapping[str, Any]
) -> RowMapping:
    """Set these columns and return the whole row. Raises NoRoom.

    If `active` changes, all configurations of the kit become inactive first.
    """
    if not values:
        return configuration
    if "active" in values and values["active"] != configuration["active"]:
        await connection.execute(
            update(KitConfigurationRow)
            .where(KitConfigurationRow.kit_id == configuration["kit_id"], KitConfigurationRow.active)
            .values(active=False)
        )
    statement = (
        update(KitConfigurationRow)
        .where(KitConfigurationRow.id == configuration["id"])
        .values(dict(values))
        .returning(*KitConfigurationRow.__table__.columns)
    )
    row = (await connection.execute(statement)).mappings().one()
    if values.keys() & {"description", "control_rules"}:
        await require_bytes(connection, configuration["kit_id"])
    return row


async def find_peripheral(connection: AsyncConnection, peripheral_id: int) -> RowMapping | None:
    """Return the peripheral with this id, or None."""
    statement = _PERIPHERALS.where(PeripheralRow.id == peripheral_id)
    return (await connection.execute(statement)).mappings().one_or_none()


async def add_peripheral(
    connection: AsyncConnection, configuration: RowMapping, definition: Definition, name: str, settings: Any
) -> RowMapping:
    """Add a peripheral to a configuration. Raises NameTaken or NoRoom."""
    owner = PeripheralRow.kit_configuration_id == configuration["id"]
    await require_room(connection, select(PeripheralRow.id).where(owner), "peripherals", MOST_PERIPHERALS)
    statement = (
        insert(PeripheralRow)
        .values(
            kit_id=configuration["kit_id"],
            kit_configuration_id=configuration["id"],
            peripheral_definition_id=definition.id,
            name=name,
            configuration=settings,
        )
        .returning(*PeripheralRow.__table__.columns)
    )
    row = await _unless_name_taken(connection, statement, name)
    await _note_change(connection, configuration["id"])
    await require_bytes(connection, configuration["kit_id"])
    return row


async def change_peripheral(
    connection: AsyncConnection, peripheral: RowMapping, values: Mapping[str, Any]
) -> RowMapping:
    """Set these columns and return the whole row. Raises NameTaken or NoRoom."""
    if not values:
        return peripheral
    statement = (
        update(PeripheralRow)
        .where(PeripheralRow.id == peripheral["id"])
        .values(dict(values))
        .returning(*PeripheralRow.__table__.columns)
    )
    row = await _unless_name_taken(connection, statement, str(values.get("name")))
    await _note_change(connection, peripheral["kit_configuration_id"])
    await require_bytes(connection, peripheral["kit_id"])
    return row


async def delete_peripheral(connection: AsyncConnection, peripheral: RowMapping) -> None:
    """Delete the peripheral with all its readings and media."""
    await _delete_what_was_sent(connection, peripheral["kit_id"], [peripheral["id"]])
    await connection.execute(delete(PeripheralRow).where(PeripheralRow.id == peripheral["id"]))
    await _note_change(connection, peripheral["kit_configuration_id"])


async def find_definition(connection: AsyncConnection, definition_id: int) -> Definition | None:
    """Return the peripheral definition with this id, or None."""
    statement = select(*_DEFINITION_COLUMNS).where(PeripheralDefinitionRow.id == definition_id)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return Definition(**row) if row else None


async def kit_is_board(connection: AsyncConnection, kit_id: int) -> bool:
    """Return whether this kit is a board."""
    serial = await connection.scalar(select(KitRow.serial).where(KitRow.id == kit_id))
    return serial is not None and is_serial_of_board(serial)


async def devices_of_configuration(
    connection: AsyncConnection, configuration_id: int
) -> list[ConfiguredDevice]:
    """Return the peripherals of a configuration with their definitions."""
    rows = await connection.execute(
        select(PeripheralRow.name.label("peripheral_name"), PeripheralRow.configuration, *_DEFINITION_COLUMNS)
        .join(PeripheralDefinitionRow, PeripheralDefinitionRow.id == PeripheralRow.peripheral_definition_id)
        .where(PeripheralRow.kit_configuration_id == configuration_id)
        .order_by(PeripheralRow.id)
    )
    return [
        ConfiguredDevice(
            name=row["peripheral_name"],
            definition=Definition(**{column.key: row[column.key] for column in _DEFINITION_COLUMNS}),
            configuration=row["configuration"],
        )
        for row in rows.mappings()
    ]


async def quantity_type_ids(connection: AsyncConnection) -> frozenset[int]:
    """Return the ids of all quantity types."""
    return frozenset((await connection.scalars(select(QuantityTypeRow.id))).all())


_DEFINITION_COLUMNS = (
    PeripheralDefinitionRow.id,
    PeripheralDefinitionRow.name,
    PeripheralDefinitionRow.symbol_location,
    PeripheralDefinitionRow.symbol,
    PeripheralDefinitionRow.configuration_schema,
    PeripheralDefinitionRow.command_schema,
)

# In this order: readings have no foreign keys, so the first statement waits for batches that hold a lock on a
# peripheral, and later batches no longer find it. Media are only queued for deletion; their content is in the
# object store.
_DELETE_WHAT_WAS_SENT = tuple(
    text(statement).bindparams(bindparam("peripheral_ids", type_=ARRAY(Integer)))
    for statement in (
        "SELECT id FROM peripherals WHERE id = ANY(:peripheral_ids) ORDER BY id FOR UPDATE",
        """
        INSERT INTO queue_media_pending_deletion (media_id, kit_serial, media_datetime, media_size)
        SELECT m.id, k.serial, m.datetime, m.size FROM media m JOIN kits k ON k.id = m.kit_id
        WHERE m.peripheral_id = ANY(:peripheral_ids)
        ON CONFLICT DO NOTHING
        """,
        "DELETE FROM media WHERE peripheral_id = ANY(:peripheral_ids)",
    )
)
_DELETE_READINGS = tuple(
    text(
        f"DELETE FROM {table} WHERE kit_id = :kit_id AND peripheral_id = ANY(:peripheral_ids)"  # noqa: S608
    ).bindparams(bindparam("peripheral_ids", type_=ARRAY(Integer)))
    for table in ("raw_measurements", "aggregate_measurements")
)


_BYTES_OF_CONFIGURATIONS = text(
    """
    SELECT (SELECT coalesce(sum(coalesce(octet_length(description), 0) + octet_length(control_rules::text)), 0)
            FROM kit_configurations WHERE kit_id = :kit_id AND deleted_at IS NULL)
         + (SELECT coalesce(sum(octet_length(configuration::text)), 0)
            FROM peripherals WHERE kit_id = :kit_id AND deleted_at IS NULL)
    """
)


async def _delete_what_was_sent(
    connection: AsyncConnection, kit_id: int, peripheral_ids: Sequence[int]
) -> None:
    parameters = {"peripheral_ids": list(peripheral_ids)}
    for statement in _DELETE_WHAT_WAS_SENT:
        await connection.execute(statement, parameters)
    for statement in _DELETE_READINGS:
        await connection.execute(statement, parameters | {"kit_id": kit_id})


async def _insert_configuration(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping:
    present = select(KitConfigurationRow.id).where(
        KitConfigurationRow.kit_id == values["kit_id"], KitConfigurationRow.deleted_at.is_(None)
    )
    await require_room(connection, present, "configurations", MOST_CONFIGURATIONS)
    statement = (
        insert(KitConfigurationRow).values(dict(values)).returning(*KitConfigurationRow.__table__.columns)
    )
    return (await connection.execute(statement)).mappings().one()


async def require_room(connection: AsyncConnection, present: Any, what: str, most: int) -> None:
    """Raise TooMany if the statement `present` finds `most` rows already."""
    if len((await connection.scalars(present.limit(most))).all()) >= most:
        raise TooMany(what, most)


async def require_bytes(connection: AsyncConnection, kit_id: int) -> None:
    """Raise TooLong if the configurations of the kit are too large in total."""
    if await connection.scalar(_BYTES_OF_CONFIGURATIONS, {"kit_id": kit_id}) > MOST_BYTES:
        raise TooLong


async def _note_change(connection: AsyncConnection, configuration_id: int) -> None:
    """Let the configuration say when it changed; its devices say nothing of that themselves."""
    await connection.execute(
        update(KitConfigurationRow)
        .where(KitConfigurationRow.id == configuration_id)
        .values(updated_at=func.now())
    )


async def _unless_name_taken(connection: AsyncConnection, statement: Any, name: str) -> RowMapping:
    try:
        async with connection.begin_nested():
            row: RowMapping = (await connection.execute(statement)).mappings().one()
            return row
    except IntegrityError as error:
        raise NameTaken(name) from error
