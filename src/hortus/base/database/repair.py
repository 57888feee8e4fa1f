"""Repairs what can be repaired of a damaged database: an index is built anew, a partition is salvaged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from hortus.base.database.damage import is_damage
from hortus.base.database.partitions import PARTITIONED_TABLES
from hortus.base.errors import UsageError

_FIND = """
SELECT c.oid::regclass::text AS name, c.relname AS own_name, c.relkind::text AS kind,
       parent.oid::regclass::text AS parent, pg_get_expr(c.relpartbound, c.oid) AS bounds
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
WHERE c.oid = to_regclass($1)
"""


# The name of a table that is being salvaged, or was, and of the table that it was a part of.
_BEGUN = re.compile(rf"damaged_\d{{14}}_(?P<table>{'|'.join(PARTITIONED_TABLES)})_y\d{{4}}m\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """The outcome for a partition. `kept_as`: the damaged table, which holds no readings of ours any more."""

    rows: int
    pages: int
    lost_pages: tuple[int, ...]
    kept_as: str


async def repair(connection: asyncpg.Connection, relation: str) -> Salvage | None:
    """Repair an index (returns None) or a partition of a measurement table.

    A salvage that was interrupted goes on if it is given the name of the damaged table.

    Raises UsageError for anything else, or what asyncpg raises.
    """
    found = await connection.fetchrow(_FIND, relation)
    if found is None:
        raise UsageError(f"There is no table or index {relation} in the database.")
    if found["kind"] == "i":
        # From the table's rows alone: a damaged index is not read.
        await connection.execute(f"REINDEX INDEX {found['name']}")
        return None
    begun = _BEGUN.fullmatch(found["own_name"])
    if begun is not None:
        return await _copy_pages(connection, found["name"], begun["table"])
    if found["kind"] != "r" or found["parent"] is None:
        raise UsageError(
            f"{relation} is neither an index nor a month of readings, so it cannot be repaired by itself; "
            "restore a backup (docs/operations.md)."
        )
    kept_as = await _replace_partition(connection, found)
    return await _copy_pages(connection, kept_as, found["parent"])


async def _replace_partition(connection: asyncpg.Connection, found: asyncpg.Record) -> str:
    """Put an empty partition in the damaged one's place, in one step; return the old one's new name."""
    name, parent = found["name"], found["parent"]
    kept_as = f"damaged_{datetime.now(UTC):%Y%m%d%H%M%S}_{found['own_name']}"
    async with connection.transaction():
        await connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {name}")
        await connection.execute(f"ALTER TABLE {name} RENAME TO {kept_as}")
        # Its indexes, which are not needed for salvage, have the names that those of the new one will get.
        for index in await connection.fetch(
            "SELECT indexrelid::regclass::text AS name, conname FROM pg_index "
            "LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid "
            "WHERE indrelid = to_regclass($1)",
            kept_as,
        ):
            if index["conname"] is not None:
                await connection.execute(f'ALTER TABLE {kept_as} DROP CONSTRAINT "{index["conname"]}"')
            else:
                await connection.execute(f"DROP INDEX {index['name']}")
        await connection.execute(
            f"CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        )
        await connection.execute(f"ALTER TABLE {parent} ATTACH PARTITION {name} {found['bounds']}")
    return kept_as


async def _copy_pages(connection: asyncpg.Connection, source: str, target: str) -> Salvage:
    """Copy the rows of each page that can be read. A reading that has arrived again meanwhile is left alone."""
    pages = await connection.fetchval(
        "SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::int", source
    )
    columns = ", ".join(
        f'"{row["attname"]}"'
        for row in await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum",
            source,
        )
    )
    copy = (
        f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source} "  # noqa: S608  (the catalogue's names)
        "WHERE ctid >= $1::text::tid AND ctid < $2::text::tid ON CONFLICT DO NOTHING"
    )
    rows, lost = 0, []
    for page in range(pages):
        try:
            done = await connection.execute(copy, f"({page},0)", f"({page + 1},0)")
        except asyncpg.PostgresError as error:
            if not is_damage(error):
                raise
            lost.append(page)
        else:
            rows += int(done.rpartition(" ")[2])
    return Salvage(rows=rows, pages=pages, lost_pages=tuple(lost), kept_as=source)
