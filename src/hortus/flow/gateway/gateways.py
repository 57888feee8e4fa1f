"""The gateways that may deliver readings to this installation, each with its own token."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.base.text import require_name
from hortus.flow.gateway.tables import BoardRow, GatewayRow

LOCAL_GATEWAY = "local"
"""The name of the gateway that is part of this installation and has no token."""

TOKEN_PREFIX = "hortus_gateway_"  # noqa: S105  (a prefix, not a token)
LONGEST_NAME = 40
_TOKEN_BYTES = 32


class GatewayExists(UsageError):
    """A gateway with this name already exists."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a gateway named {name} already. Choose another name.")


class GatewayNotFound(UsageError):
    """No gateway has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no gateway named {name}. `hortus gateway list` shows all of them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGateway:
    """A gateway as shown in lists."""

    name: str
    boards: int
    last_contact_at: datetime | None
    dropped_readings: int


async def add_gateway(connection: AsyncConnection, name: str) -> str:
    """Create a gateway and return its token, kept only as a hash. Raises GatewayExists or UsageError."""
    if not 1 <= len(name) <= LONGEST_NAME:
        raise UsageError(f"A gateway's name has 1 to {LONGEST_NAME} characters; this one has {len(name)}.")
    require_name("A gateway's name", name)
    token = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        async with connection.begin_nested():
            await connection.execute(insert(GatewayRow).values(name=name, token_hash=_hash(token)))
    except IntegrityError as error:
        raise GatewayExists(name) from error
    return token


async def remove_gateway(connection: AsyncConnection, name: str) -> None:
    """Delete a gateway with its token and its readings of unnamed boards. Raises GatewayNotFound."""
    removed = await connection.execute(delete(GatewayRow).where(GatewayRow.name == name))
    if removed.rowcount == 0:
        raise GatewayNotFound(name)


async def list_gateways(connection: AsyncConnection) -> list[ListedGateway]:
    """Return all gateways, ordered by name, with the number of their boards."""
    rows = await connection.execute(
        select(
            GatewayRow.name,
            func.count(BoardRow.kit_id),
            GatewayRow.last_contact_at,
            GatewayRow.dropped_readings,
        )
        .outerjoin(BoardRow, BoardRow.gateway_id == GatewayRow.id)
        .group_by(GatewayRow.id)
        .order_by(GatewayRow.name)
    )
    return [
        ListedGateway(name=name, boards=boards, last_contact_at=last_contact_at, dropped_readings=dropped)
        for name, boards, last_contact_at, dropped in rows
    ]


async def gateway_id_of(connection: AsyncConnection, name: str) -> int:
    """Return the id of the gateway with this name. Raises GatewayNotFound."""
    gateway_id = await connection.scalar(select(GatewayRow.id).where(GatewayRow.name == name))
    if gateway_id is None:
        raise GatewayNotFound(name)
    return gateway_id


async def gateway_with_token(connection: AsyncConnection, token: str) -> int | None:
    """Return the id of the gateway that holds this token, or None."""
    if not token.startswith(TOKEN_PREFIX) or not token.isascii():
        return None
    return await connection.scalar(select(GatewayRow.id).where(GatewayRow.token_hash == _hash(token)))


async def local_gateway(connection: AsyncConnection) -> int:
    """Return the id of this installation's own gateway, creating its row if needed."""
    await connection.execute(insert(GatewayRow).values(name=LOCAL_GATEWAY).on_conflict_do_nothing())
    return await gateway_id_of(connection, LOCAL_GATEWAY)


async def touch_gateway(connection: AsyncConnection, gateway_id: int) -> None:
    """Set a gateway's time of last contact to now."""
    await connection.execute(
        update(GatewayRow).where(GatewayRow.id == gateway_id).values(last_contact_at=func.now())
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
