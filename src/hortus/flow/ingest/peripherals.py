"""Locks the peripherals of a batch, so that what was found out about them holds until the commit."""

from __future__ import annotations

import asyncpg

# Like a foreign key: their kits and configurations are held, too.
_HOLD_PRESENT = """
SELECT id FROM peripherals WHERE id = ANY($1::int[]) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE
"""

# Who brings them back waits for this batch, and then finds in quarantine what it has put there.
_HOLD_DELETED = """
SELECT id FROM peripherals WHERE id = ANY($1::int[]) AND deleted_at IS NOT NULL ORDER BY id FOR SHARE
"""


class PeripheralsChanged(Exception):
    """Some peripherals of the batch have been deleted, or brought back, since it was resolved."""

    def __init__(self, peripheral_ids: set[int]) -> None:
        super().__init__(peripheral_ids)
        self.peripheral_ids = peripheral_ids


async def lock_peripherals(connection: asyncpg.Connection, present: set[int], deleted: set[int]) -> None:
    """Hold peripherals as they were found, until the commit. Raises PeripheralsChanged."""
    for statement, expected in ((_HOLD_PRESENT, present), (_HOLD_DELETED, deleted)):
        if expected:
            held = {row["id"] for row in await connection.fetch(statement, list(expected))}
            if held != expected:
                raise PeripheralsChanged(expected - held)
