"""Recognises pages of the database that are damaged on disk, and names the table or index they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass

import asyncpg

# `could not read blocks 3..3 in file "base/5/16384"` and `invalid page in block 3 of relation "base/5/16384"`.
_PLACE = re.compile(r'blocks? (?P<block>\d+)(?:\.\.\d+)? (?:of relation|in file) "?(?:\S*/)?(?P<file>\d+)')
_NAMED = re.compile(r'index "(?P<name>[^"]+)"(?:.* block (?P<block>\d+))?')

_FIND = """
SELECT c.oid::regclass::text AS name, c.relkind = 'i' AS is_index,
       (c.relkind = 'i' OR c.relispartition) AND NOT n.nspname LIKE 'pg\\_%' AS can_be_repaired
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {oid}
"""
_BY_FILE = _FIND.format(oid="pg_filenode_relation(0, $1::oid)")
_BY_NAME = _FIND.format(oid="to_regclass($1)")


def is_damage(error: BaseException) -> bool:
    """Return whether the error says that a page on disk cannot be read or makes no sense."""
    if isinstance(error, asyncpg.DataCorruptedError | asyncpg.IndexCorruptedError):
        return True
    return isinstance(error, asyncpg.PostgresIOError) and "could not read" in str(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A damaged page. `relation` is None if the server's message does not tell it."""

    relation: str | None
    is_index: bool
    can_be_repaired: bool
    block: int | None
    message: str

    @property
    def sentence(self) -> str:
        """What is damaged, for operators."""
        if self.relation is None:
            return f"A page of the database is damaged on disk ({self.message})."
        page = "A page" if self.block is None else f"Page {self.block}"
        kind = "index" if self.is_index else "table"
        return f"{page} of the {kind} {self.relation} is damaged on disk."

    @property
    def advice(self) -> str:
        """What to do about it."""
        if self.can_be_repaired:
            return f"Run `hortus db repair {self.relation}`; docs/operations.md says what it does."
        return "Restore a backup; docs/operations.md says how."


async def locate(connection: asyncpg.Connection, error: BaseException) -> Damage:
    """Return which page the error is about. Raises what asyncpg raises."""
    message = str(error)
    row, block = None, None
    if place := _PLACE.search(message):
        block = int(place["block"])
        row = await connection.fetchrow(_BY_FILE, int(place["file"]))
    elif named := _NAMED.search(message):
        block = None if named["block"] is None else int(named["block"])
        row = await connection.fetchrow(_BY_NAME, named["name"])
    return Damage(
        relation=row and row["name"],
        is_index=bool(row and row["is_index"]),
        can_be_repaired=bool(row and row["can_be_repaired"]),
        block=block,
        message=message,
    )
