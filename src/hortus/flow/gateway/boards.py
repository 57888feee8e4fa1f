"""Boards as kits: registers new boards, adopts boards that were heard, lists and retires them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, delete, func, insert, select, text, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.base.text import require_name
from hortus.domain.accounts.tables import UserRow
from hortus.domain.alerts.silence import withdraw_silence
from hortus.domain.kits.members import add_member
from hortus.domain.kits.store import NewPeripheral, add_configuration
from hortus.domain.kits.tables import KitMembershipRow, KitRow
from hortus.flow.gateway.readings import LARGEST_SENSOR_ID
from hortus.flow.gateway.tables import BoardRow, GatewayRow, WaitingBoardRow, WaitingReadingRow
from hortus.flow.gateway.unnumbered import WHAT_TO_DO

BOARD_PERIPHERALS = (
    ("PlantKeeper thermometer", "Thermometer"),
    ("PlantKeeper soil probe", "Soil probe"),
    ("PlantKeeper light sensor", "Light sensor"),
)
"""Definition and name of each peripheral of a board. They never change, so its series never break."""

_OWNER = (
    select(UserRow.username)
    .join(KitMembershipRow, KitMembershipRow.user_id == UserRow.id)
    .where(KitMembershipRow.kit_id == KitRow.id, KitMembershipRow.access_super)
    .order_by(KitMembershipRow.id)
    .limit(1)
    .scalar_subquery()
    .label("owner")
)

# Matches no password: a board has no account at any MQTT broker.
_NO_PASSWORD = "!"  # noqa: S105
LONGEST_BOARD_NAME = 40
# Discarded readings are still counted, with the gateway that delivered them (P3).
_FORGET_WAITING_BOARD = """
WITH gone AS (
    DELETE FROM waiting_boards WHERE sensor_id = :sensor_id RETURNING gateway_id, kept + dropped AS readings
)
UPDATE gateways SET dropped_readings = dropped_readings + gone.readings FROM gone
WHERE gateways.id = gone.gateway_id
"""
_LOWEST_FREE = """
SELECT min(number) FROM (
    SELECT 1 AS number UNION SELECT sensor_id + 1 FROM boards WHERE sensor_id < 2147483647
    UNION SELECT sensor_id + 1 FROM waiting_boards WHERE sensor_id < 2147483647
    UNION SELECT substring(serial FROM 4)::int + 1 FROM kits WHERE serial ~ '^pk-[0-9]{1,9}$'
) AS follows
WHERE NOT EXISTS (SELECT 1 FROM boards WHERE sensor_id = number)
  AND NOT EXISTS (SELECT 1 FROM waiting_boards WHERE sensor_id = number)
  AND NOT EXISTS (SELECT 1 FROM kits WHERE serial = 'pk-' || number)
"""
# Boards without a name send under numbers that someone typed into them.
_FIRST_UNHEARD = """
SELECT min(number) FROM (
    SELECT :following AS number UNION SELECT sensor_id + 1 FROM waiting_boards
    WHERE sensor_id >= :following AND sensor_id < 2147483647
) AS follows
WHERE NOT EXISTS (SELECT 1 FROM waiting_boards WHERE sensor_id = number)
"""
_NUMBERING_LOCK = "SELECT pg_advisory_xact_lock(hashtext('hortus boards'))"


class NoSensorId(UsageError):
    """The number cannot be a board's sensor id."""

    def __init__(self, sensor_id: int) -> None:
        super().__init__(
            f"0 is no sensor id: a board sends it when none was entered. {WHAT_TO_DO}"
            if sensor_id == 0
            else f"A sensor id is a whole number from 1 to {LARGEST_SENSOR_ID}."
        )


class BoardExists(UsageError):
    """A board with this sensor id is already registered."""

    def __init__(self, sensor_id: int) -> None:
        super().__init__(f"Sensor {sensor_id} is registered already. `hortus board list` shows all boards.")


class BoardWaits(UsageError):
    """A board that nobody has named sends under this sensor id already."""

    def __init__(self, sensor_id: int) -> None:
        super().__init__(
            f"A board that has no name yet sends as sensor {sensor_id}, and its readings wait. If it is this "
            f"one: `hortus board adopt {sensor_id} --name NAME`. If not, choose another number."
        )


class BoardNotHeard(UsageError):
    """No unregistered board with this sensor id was heard."""

    def __init__(self, sensor_id: int) -> None:
        super().__init__(
            f"No unknown sensor {sensor_id} was heard. `hortus board list` shows those that wait; "
            f"`hortus board add --sensor {sensor_id} --name NAME` registers it beforehand."
        )


class SeveralGateways(UsageError):
    """Several gateways heard a board with this sensor id."""

    def __init__(self, sensor_id: int, names: list[str]) -> None:
        super().__init__(
            f"Sensor {sensor_id} was heard through several gateways: {', '.join(names)}. "
            "Say which one is meant with --gateway."
        )
        self.names = names


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredBoard:
    """A board's sensor id, which a user types into it, and the serial of its kit."""

    sensor_id: int
    serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBoard:
    """A board as shown in lists. `silent_since` is set if it has been silent for longer than expected.

    `owner` is the user name of the first member with full access.
    """

    sensor_id: int
    serial: str
    name: str | None
    owner: str | None
    gateway: str | None
    last_contact_at: datetime | None
    last_address: str | None
    silent_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingBoard:
    """A board that was heard and has not been named yet; its newest readings are kept."""

    sensor_id: int
    gateway: str
    first_contact_at: datetime
    last_contact_at: datetime
    last_address: str | None
    kept: int
    dropped: int


async def register_board(
    connection: AsyncConnection, *, name: str, sensor_id: int | None = None, gateway_id: int | None = None
) -> RegisteredBoard:
    """Create a kit for a board, with the next free sensor id if none is given. The caller commits.

    A sensor id that was used before and that no board has any more is reunited with its kit and readings; it is
    never assigned to another board automatically. Raises BoardExists, BoardWaits or UsageError.
    """
    return await _register(connection, name, sensor_id, gateway_id, is_heard=False)


async def _register(
    connection: AsyncConnection, name: str, sensor_id: int | None, gateway_id: int | None, *, is_heard: bool
) -> RegisteredBoard:
    _check_name(name)
    await connection.exec_driver_sql(_NUMBERING_LOCK)
    if sensor_id is None:
        sensor_id = await _next_sensor_id(connection)
    require_sensor_id(sensor_id)
    serial = f"pk-{sensor_id}"
    if await connection.scalar(select(BoardRow.kit_id).where(BoardRow.sensor_id == sensor_id)) is not None:
        raise BoardExists(sensor_id)
    if not is_heard and await _is_waiting(connection, sensor_id):
        raise BoardWaits(sensor_id)
    board = {"sensor_id": sensor_id, "gateway_id": gateway_id}
    retired_kit_id = await connection.scalar(
        update(KitRow).where(KitRow.serial == serial).values(name=name).returning(KitRow.id)
    )
    if retired_kit_id is not None:
        await connection.execute(insert(BoardRow).values(kit_id=retired_kit_id, **board))
        return RegisteredBoard(sensor_id=sensor_id, serial=serial)
    kit_id = await connection.scalar(
        insert(KitRow).values(serial=serial, name=name, password_hash=_NO_PASSWORD).returning(KitRow.id)
    )
    assert kit_id is not None
    await connection.execute(insert(BoardRow).values(kit_id=kit_id, **board))
    await add_configuration(
        connection,
        kit_id,
        description="PlantKeeper board",
        peripherals=[
            NewPeripheral(definition=definition, name=each, configuration={})
            for definition, each in BOARD_PERIPHERALS
        ],
        active=True,
    )
    return RegisteredBoard(sensor_id=sensor_id, serial=serial)


async def adopt_board(
    connection: AsyncConnection, sensor_id: int, *, name: str, gateway: str | None = None
) -> RegisteredBoard:
    """Name a board that was heard. The caller commits, and then releases its kept readings.

    A registered board that is now heard through another gateway is moved to that gateway.
    Raises BoardNotHeard, SeveralGateways or UsageError.
    """
    _check_name(name)
    require_sensor_id(sensor_id)
    waiting = (
        await connection.execute(
            select(WaitingBoardRow.gateway_id, GatewayRow.name)
            .join(GatewayRow, GatewayRow.id == WaitingBoardRow.gateway_id)
            .where(WaitingBoardRow.sensor_id == sensor_id)
            .where((GatewayRow.name == gateway) if gateway is not None else GatewayRow.name.is_not(None))
            .order_by(GatewayRow.name)
            .with_for_update(of=WaitingBoardRow)
        )
    ).all()
    if not waiting:
        raise BoardNotHeard(sensor_id)
    if len(waiting) > 1:
        raise SeveralGateways(sensor_id, [row.name for row in waiting])
    gateway_id = waiting[0].gateway_id
    serial = await connection.scalar(
        update(BoardRow)
        .where(BoardRow.sensor_id == sensor_id, KitRow.id == BoardRow.kit_id)
        .values(gateway_id=gateway_id)
        .returning(KitRow.serial)
    )
    if serial is None:
        return await _register(connection, name, sensor_id, gateway_id, is_heard=True)
    await connection.execute(update(KitRow).where(KitRow.serial == serial).values(name=name))
    return RegisteredBoard(sensor_id=sensor_id, serial=serial)


async def forget_waiting_board(connection: AsyncConnection, sensor_id: int) -> int:
    """Discard an unknown board and its kept readings; return their number.

    Raises BoardNotHeard or NoSensorId.
    """
    require_sensor_id(sensor_id)
    readings = await connection.execute(
        delete(WaitingReadingRow).where(WaitingReadingRow.sensor_id == sensor_id)
    )
    boards = await connection.execute(text(_FORGET_WAITING_BOARD), {"sensor_id": sensor_id})
    if boards.rowcount == 0:
        raise BoardNotHeard(sensor_id)
    return readings.rowcount


async def list_boards(connection: AsyncConnection, now: datetime) -> list[ListedBoard]:
    """Return all registered boards by sensor id. A board never heard counts as silent since its creation."""
    rows = await connection.execute(
        select(
            BoardRow.sensor_id,
            KitRow.serial,
            KitRow.name,
            _OWNER,
            GatewayRow.name.label("gateway"),
            BoardRow.last_contact_at,
            BoardRow.last_address,
            BoardRow.silent_after_seconds,
            func.coalesce(BoardRow.last_contact_at, KitRow.created_at).label("quiet_since"),
        )
        .join(KitRow, KitRow.id == BoardRow.kit_id)
        .outerjoin(GatewayRow, GatewayRow.id == BoardRow.gateway_id)
        .order_by(BoardRow.sensor_id)
    )
    return [
        ListedBoard(
            sensor_id=row.sensor_id,
            serial=row.serial,
            name=row.name,
            owner=row.owner,
            gateway=row.gateway,
            last_contact_at=row.last_contact_at,
            last_address=row.last_address,
            silent_since=(
                row.quiet_since if (now - row.quiet_since).total_seconds() > row.silent_after_seconds else None
            ),
        )
        for row in rows
    ]


async def list_waiting_boards(connection: AsyncConnection) -> list[WaitingBoard]:
    """Return the boards that were heard and have not been named yet."""
    rows = await connection.execute(
        select(
            WaitingBoardRow.sensor_id,
            GatewayRow.name.label("gateway"),
            WaitingBoardRow.first_contact_at,
            WaitingBoardRow.last_contact_at,
            WaitingBoardRow.last_address,
            WaitingBoardRow.kept,
            WaitingBoardRow.dropped,
        )
        .join(GatewayRow, GatewayRow.id == WaitingBoardRow.gateway_id)
        .order_by(WaitingBoardRow.sensor_id, GatewayRow.name)
    )
    return [WaitingBoard(**row) for row in rows.mappings()]


async def rename_board(connection: AsyncConnection, kit_id: int, name: str) -> None:
    """Give a board another name. The caller commits. Raises UsageError."""
    _check_name(name)
    await connection.execute(update(KitRow).where(KitRow.id == kit_id).values(name=name))


async def retire_board(connection: AsyncConnection, kit_id: int) -> None:
    """Stop accepting readings of a board. Its kit and all its measurements are kept. The caller commits."""
    await connection.execute(delete(BoardRow).where(BoardRow.kit_id == kit_id))
    await withdraw_silence(connection, kit_id)


async def give_board(connection: AsyncConnection, sensor_id: int, user_id: int, now: datetime) -> None:
    """Give a user full access to a registered board, and so a place in the user's list of sensors.

    Members that it has already stay. The caller commits.
    """
    kit_id = await connection.scalar(select(BoardRow.kit_id).where(BoardRow.sensor_id == sensor_id))
    assert kit_id is not None, "it is registered"
    await add_member(connection, kit_id, user_id, access_super=True, access_configure=True, now=now)
    await connection.execute(
        update(KitMembershipRow)
        .where(KitMembershipRow.kit_id == kit_id, KitMembershipRow.user_id == user_id)
        .values(access_super=True, access_configure=True)
    )


def require_sensor_id(sensor_id: int) -> None:
    """Raise NoSensorId for a number that a board with a sensor id cannot send."""
    if not 1 <= sensor_id <= LARGEST_SENSOR_ID:
        raise NoSensorId(sensor_id)


async def _is_waiting(connection: AsyncConnection, sensor_id: int) -> bool:
    waiting = select(WaitingBoardRow.gateway_id).where(WaitingBoardRow.sensor_id == sensor_id)
    return await connection.scalar(waiting.limit(1)) is not None


async def _next_sensor_id(connection: AsyncConnection) -> int:
    """Return an id above all used so far, under which no board is heard.

    A retired board may still be sending under its own, and so may one that nobody has named.
    """
    given = func.substring(KitRow.serial, 4).cast(Integer)
    of_kits = select(func.max(given)).where(KitRow.serial.regexp_match("^pk-[0-9]{1,9}$"))
    newest = await connection.scalars(union_all(select(func.max(BoardRow.sensor_id)), of_kits))
    following = max(each or 0 for each in newest) + 1
    if following <= LARGEST_SENSOR_ID:
        unheard = await connection.scalar(text(_FIRST_UNHEARD), {"following": following})
        if unheard is not None:
            return int(unheard)
    # The largest id is already in use, so fall back to the lowest free one.
    return int(await connection.scalar(text(_LOWEST_FREE)) or following)


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= LONGEST_BOARD_NAME:
        raise UsageError(f"A board's name has 1 to {LONGEST_BOARD_NAME} characters; this one has {len(name)}.")
    require_name("A board's name", name)
