"""Public links: with one, people without an account see how a kit is, until it is withdrawn.

The code is stored as it is, since its owner prints it again and again, and it opens less than the table of
readings beside it holds.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.tables import KitPublicLinkRow, KitRow

_CODE_BYTES = 16
_CODE_CHARACTERS = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLink:
    """The link of a kit. `code` is the end of its address."""

    code: str
    created_at: datetime


async def find_public_link(connection: AsyncConnection, kit_id: int) -> PublicLink | None:
    """Return the kit's link, None if there is none."""
    statement = select(KitPublicLinkRow.code, KitPublicLinkRow.created_at)
    row = (await connection.execute(statement.where(KitPublicLinkRow.kit_id == kit_id))).one_or_none()
    return PublicLink(code=row.code, created_at=row.created_at) if row else None


async def make_public_link(connection: AsyncConnection, kit_id: int, now: datetime) -> None:
    """Give the kit a new link; one that it had before no longer works. The caller commits."""
    values = {"code": secrets.token_urlsafe(_CODE_BYTES), "created_at": now}
    statement = insert(KitPublicLinkRow).values(kit_id=kit_id, **values)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=[KitPublicLinkRow.kit_id], set_=values)
    )


async def withdraw_public_link(connection: AsyncConnection, kit_id: int) -> None:
    """Let the kit's link, if it has one, no longer work. The caller commits."""
    await connection.execute(delete(KitPublicLinkRow).where(KitPublicLinkRow.kit_id == kit_id))


async def find_kit_by_public_link(connection: AsyncConnection, code: str) -> RowMapping | None:
    """Return id, serial, name, description and time zone of the kit with this link; None if there is none."""
    if len(code) != _CODE_CHARACTERS or not code.isascii():
        return None
    statement = select(KitRow.id, KitRow.serial, KitRow.name, KitRow.description, KitRow.time_zone)
    joined = statement.join(KitPublicLinkRow, KitPublicLinkRow.kit_id == KitRow.id)
    return (await connection.execute(joined.where(KitPublicLinkRow.code == code))).mappings().one_or_none()
