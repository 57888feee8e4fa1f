"""Finding accounts by user name, and names that are taken."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.accounts.look_alikes import skeleton, skeletons
from hortus.domain.accounts.rules import AccountRule, BrokenAccountRule
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.usernames import canonical_username


def has_username(name: str) -> ColumnElement[bool]:
    """Return the condition that a row of `users` has this name, however it is spelt."""
    # Earlier versions stored names of ideographs in another normal form. Their look-alikes are taken, so at
    # most one row fits. PostgreSQL does not accept NUL characters in text.
    spellings = {canonical_username(name), name.lower()}
    return UserRow.username.in_([spelling for spelling in spellings if "\0" not in spelling])


async def faults_of_taken_name(
    connection: AsyncConnection, username: str, *, except_user_id: int | None = None
) -> tuple[BrokenAccountRule, ...]:
    """Return why the name cannot be given: another account has it, or one that looks like it."""
    wanted = skeletons(username)
    # All of them: skeletons change with Unicode's tables, so none are stored, and new names are rare.
    rows = (await connection.execute(select(UserRow.id, UserRow.username))).all()
    names = [row.username for row in rows if row.id != except_user_id]
    canonical = canonical_username(username)
    if not any(name == canonical or skeleton(name) in wanted for name in names):
        return ()
    message = f"The user name {canonical} is taken, or looks like one that is."
    return (BrokenAccountRule(field="username", rule=AccountRule.TAKEN, message=message),)
