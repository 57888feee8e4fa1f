"""Boards of people: registered within their quota, or adopted with what was kept of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hortus.base.quotas import Quotas
from hortus.domain.accounts.room import require_room
from hortus.domain.kits.members import add_member, require_room_for_kit
from hortus.domain.kits.tables import KitMembershipRow, KitRow
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.boards import RegisteredBoard, adopt_board, register_board
from hortus.flow.gateway.tables import BoardRow
from hortus.flow.ingest.messages import ReadingIntake

_RELEASE_SECONDS = 5.0
"""A request waits no longer. What is left is stored with the board's next readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedBoard:
    """A board, its kit, and the gateway through which it is heard, if known."""

    sensor_id: int
    kit_id: int
    serial: str
    gateway_id: int | None


async def register_owned_board(
    connection: AsyncConnection, owner_id: int, *, name: str, quotas: Quotas, now: datetime
) -> OwnedBoard:
    """Register a board of this person under the next free number. The caller commits.

    Raises QuotaReached, or UsageError for the name.
    """
    await _require_room(connection, owner_id, quotas)
    board = await _found(connection, await register_board(connection, name=name))
    await add_member(connection, board.kit_id, owner_id, access_super=True, access_configure=True, now=now)
    return board


async def adopt_board_for(
    connection: AsyncConnection,
    owner_id: int,
    sensor_id: int,
    *,
    name: str,
    gateway: str | None,
    quotas: Quotas,
    now: datetime,
) -> OwnedBoard:
    """Name a board that was heard. It becomes this person's, unless it has members from before.

    The caller commits, and then calls `release_kept_readings`. Raises BoardNotHeard, SeveralGateways,
    QuotaReached, or UsageError for the name.
    """
    await _require_room(connection, owner_id, quotas)
    board = await _found(connection, await adopt_board(connection, sensor_id, name=name, gateway=gateway))
    members = exists().where(KitMembershipRow.kit_id == board.kit_id)
    if not await connection.scalar(select(members)):
        await add_member(connection, board.kit_id, owner_id, access_super=True, access_configure=True, now=now)
    return board


async def release_kept_readings(engine: AsyncEngine, intake: ReadingIntake | None, board: OwnedBoard) -> int:
    """Store what was kept of an adopted board; return how many readings were stored within a few seconds.

    The rest, or everything in a process without an intake, is stored when the board is heard the next time.
    Raises DatabaseAway.
    """
    if intake is None or board.gateway_id is None:
        return 0
    boards = BoardIntake(engine, intake)
    released = 0
    try:
        async with asyncio.timeout(_RELEASE_SECONDS):
            async for count in boards.releasing(board.gateway_id, board.sensor_id):
                released += count
    except TimeoutError:
        pass
    return released


async def _require_room(connection: AsyncConnection, owner_id: int, quotas: Quotas) -> None:
    owned = select(func.count()).where(
        KitMembershipRow.user_id == owner_id, KitMembershipRow.kit_id == BoardRow.kit_id
    )
    await require_room(connection, owner_id, owned, quotas.boards_per_person, "sensors in your account")
    await require_room_for_kit(connection, owner_id, quotas.kits_per_person)


async def _found(connection: AsyncConnection, board: RegisteredBoard) -> OwnedBoard:
    found = await connection.execute(
        select(BoardRow.sensor_id, BoardRow.kit_id, KitRow.serial, BoardRow.gateway_id)
        .join(KitRow, KitRow.id == BoardRow.kit_id)
        .where(BoardRow.sensor_id == board.sensor_id)
    )
    return OwnedBoard(**found.mappings().one())
