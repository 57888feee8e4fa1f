"""The log of what administrators did on the pages and through the API, with who and when.

What is done with commands on the server is not in it: whoever may run them can change the database anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.administration.tables import MOST_SUBJECT_CHARACTERS, AdministrationLogRow

KEPT_DEEDS = 10_000
"""Older entries are dropped."""


class Deed(StrEnum):
    """What was done. The value is stored, so it never changes once released."""

    PERSON_CREATED = "person-created"
    PERSON_DELETED = "person-deleted"
    ADMINISTRATOR_MADE = "administrator-made"
    ADMINISTRATOR_UNMADE = "administrator-unmade"
    SESSIONS_ENDED = "sessions-ended"
    PASSWORD_LINK_MADE = "password-link-made"  # noqa: S105  (a deed, not a password)
    QUANTITY_CREATED = "quantity-created"
    QUANTITY_CHANGED = "quantity-changed"
    QUANTITY_DELETED = "quantity-deleted"
    DEVICE_CREATED = "device-created"
    DEVICE_CHANGED = "device-changed"
    DEVICE_DELETED = "device-deleted"
    LIMITS_SET = "limits-set"
    LIMITS_RESET = "limits-reset"
    MESSAGES_TRIED_AGAIN = "messages-tried-again"
    MESSAGES_DISCARDED = "messages-discarded"
    KIT_MADE = "kit-made"
    GATEWAY_ADDED = "gateway-added"
    GATEWAY_REMOVED = "gateway-removed"
    BOARD_NAMED = "board-named"
    BOARD_FORGOTTEN = "board-forgotten"
    PICTURES_THINNED = "pictures-thinned"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDeed:
    """An entry of the log. `deed` is a text, since a newer version may have written it."""

    id: int
    at: datetime
    person: str
    deed: str
    subject: str
    count: int


async def note_deed(
    connection: AsyncConnection, person: str, deed: Deed, subject: str = "", count: int = 0
) -> None:
    """Write down what a person did, in the same transaction. The caller commits."""
    written = await connection.scalar(
        insert(AdministrationLogRow)
        .values(person=person, deed=deed, subject=subject[:MOST_SUBJECT_CHARACTERS], count=count)
        .returning(AdministrationLogRow.id)
    )
    assert written is not None
    await connection.execute(
        delete(AdministrationLogRow).where(AdministrationLogRow.id <= written - KEPT_DEEDS)
    )


async def list_deeds(connection: AsyncConnection, *, before_id: int | None, most: int) -> Sequence[LoggedDeed]:
    """Return the newest entries with an id below `before_id`, newest first."""
    statement = (
        select(
            AdministrationLogRow.id,
            AdministrationLogRow.at,
            AdministrationLogRow.person,
            AdministrationLogRow.deed,
            AdministrationLogRow.subject,
            AdministrationLogRow.count,
        )
        .order_by(AdministrationLogRow.id.desc())
        .limit(most)
    )
    if before_id is not None:
        statement = statement.where(AdministrationLogRow.id < before_id)
    return [LoggedDeed(**row) for row in (await connection.execute(statement)).mappings()]
