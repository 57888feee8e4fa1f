"""Invitations to a kit: links that make people members who hold them, also people without an account.

An invitation is good for as long as the person who made it may add members: when they leave the kit, their
invitations end. Only the SHA-256 of the link's token is stored, which suffices for 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.tables import UserRow
from hortus.domain.kits.members import add_member, require_room_for_member
from hortus.domain.kits.tables import KitInvitationRow, KitMembershipRow, KitRow

LIFETIME = timedelta(days=7)
MOST_USES = 40
MOST_NOTE_CHARACTERS = 40
MOST_OPEN_PER_KIT = 100

_TOKEN_BYTES = 32
_MOST_TOKEN_CHARACTERS = 100


class InvitationEnded(UsageError):
    """The invitation has expired, was used up or withdrawn, or never existed: they all look alike."""

    def __init__(self) -> None:
        super().__init__("This invitation has expired, was used already, or was withdrawn. Ask for a new one.")


class InvalidInvitation(UsageError):
    """There cannot be such an invitation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation that can still be used, without its token. `invited_by` is a display name."""

    id: int
    kit_id: int
    kit_serial: str
    kit_name: str | None
    access_super: bool
    access_configure: bool
    note: str | None
    uses: int
    uses_left: int
    created_at: datetime
    expires_at: datetime
    invited_by: str


async def create_invitation(
    connection: AsyncConnection,
    kit_id: int,
    user_id: int,
    *,
    access_super: bool,
    access_configure: bool,
    now: datetime,
    uses: int = 1,
    note: str | None = None,
) -> tuple[int, str]:
    """Make an invitation and return its id and token, which is not stored.

    The caller has locked the kit, and commits. Raises InvalidInvitation or QuotaReached.
    """
    if not 1 <= uses <= MOST_USES:
        raise InvalidInvitation(f"An invitation is for 1 to {MOST_USES} people.")
    if access_super and uses > 1:
        raise InvalidInvitation("An invitation for several people cannot give full access.")
    await connection.execute(delete(KitInvitationRow).where(KitInvitationRow.expires_at <= now))
    there_are = select(func.count()).where(KitInvitationRow.kit_id == kit_id)
    if (await connection.scalar(there_are) or 0) >= MOST_OPEN_PER_KIT:
        raise QuotaReached(MOST_OPEN_PER_KIT, "invitations to this kit")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    invitation_id = await connection.scalar(
        insert(KitInvitationRow)
        .values(
            kit_id=kit_id,
            created_by=user_id,
            token_hash=_hash(token),
            access_super=access_super,
            access_configure=access_configure,
            note=note or None,
            uses=uses,
            uses_left=uses,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        .returning(KitInvitationRow.id)
    )
    assert invitation_id is not None
    return invitation_id, token


async def list_invitations(connection: AsyncConnection, kit_id: int, now: datetime) -> list[Invitation]:
    """Return the kit's invitations that can still be used, the newest first."""
    statement = _open(now).where(KitInvitationRow.kit_id == kit_id).order_by(KitInvitationRow.id.desc())
    return [Invitation(**row) for row in (await connection.execute(statement)).mappings()]


async def find_invitation(connection: AsyncConnection, token: str, now: datetime) -> Invitation:
    """Return the invitation of this token. Raises InvitationEnded."""
    if len(token) > _MOST_TOKEN_CHARACTERS or not token.isascii():
        raise InvitationEnded
    statement = _open(now).where(KitInvitationRow.token_hash == _hash(token))
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise InvitationEnded
    return Invitation(**row)


async def find_invitation_of_id(connection: AsyncConnection, invitation_id: int) -> tuple[int, bool] | None:
    """Return the kit of an invitation, and whether it gives full access; None if there is none."""
    statement = select(KitInvitationRow.kit_id, KitInvitationRow.access_super)
    row = (await connection.execute(statement.where(KitInvitationRow.id == invitation_id))).one_or_none()
    return (row.kit_id, row.access_super) if row else None


async def withdraw_invitation(connection: AsyncConnection, invitation_id: int) -> bool:
    """Delete an invitation; return whether it existed. Who used it stays a member. The caller commits."""
    done = await connection.execute(delete(KitInvitationRow).where(KitInvitationRow.id == invitation_id))
    return done.rowcount == 1


async def accept_invitation(
    connection: AsyncConnection, token: str, user_id: int, now: datetime, most_members: int
) -> Invitation:
    """Make the user a member and use the invitation up. The caller commits.

    Who is a member already keeps their access, and the invitation its use. Raises InvitationEnded or
    QuotaReached.
    """
    invitation = await find_invitation(connection, token, now)
    # The kit before the invitation, as when it is deleted with its kit.
    locked = select(KitRow.id).where(KitRow.id == invitation.kit_id).with_for_update(key_share=True)
    if await connection.scalar(locked) is None:
        raise InvitationEnded
    await require_room_for_member(connection, invitation.kit_id, user_id, most_members)
    if await _is_member(connection, invitation.kit_id, user_id):
        return invitation
    used = await connection.execute(
        update(KitInvitationRow)
        .where(KitInvitationRow.id == invitation.id, KitInvitationRow.uses_left > 0)
        .values(uses_left=KitInvitationRow.uses_left - 1)
    )
    if used.rowcount != 1:
        raise InvitationEnded  # another request used it since
    await add_member(
        connection,
        invitation.kit_id,
        user_id,
        access_super=invitation.access_super,
        access_configure=invitation.access_configure,
        now=now,
    )
    return invitation


async def _is_member(connection: AsyncConnection, kit_id: int, user_id: int) -> bool:
    member = exists().where(KitMembershipRow.kit_id == kit_id, KitMembershipRow.user_id == user_id)
    return bool(await connection.scalar(select(member)))


def _open(now: datetime) -> Select[*tuple[Any, ...]]:
    row = KitInvitationRow
    may_still_invite = or_(
        UserRow.is_admin,
        exists().where(
            KitMembershipRow.kit_id == row.kit_id,
            KitMembershipRow.user_id == row.created_by,
            KitMembershipRow.access_super,
        ),
    )
    return (
        select(
            row.id,
            row.kit_id,
            KitRow.serial.label("kit_serial"),
            KitRow.name.label("kit_name"),
            row.access_super,
            row.access_configure,
            row.note,
            row.uses,
            row.uses_left,
            row.created_at,
            row.expires_at,
            UserRow.display_name.label("invited_by"),
        )
        .join(KitRow, KitRow.id == row.kit_id)
        .join(UserRow, UserRow.id == row.created_by)
        .where(row.expires_at > now, row.uses_left > 0, may_still_invite)
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
