"""A bounded in-memory cache of what ingest needs to know about kits; entries are dropped when they change.

A cache miss is never taken as a no: it is looked up again, once per batch, so kits and peripherals created a
moment ago are found; and stale entries are caught by the store, which locks the peripherals of a batch as it
writes. The cache is for speed; correctness does not depend on it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import asyncpg

DEFAULT_CAPACITY_KITS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKit:
    """A kit as ingest sees it: its id, and the configuration of each of its peripherals."""

    kit_id: int
    configuration_by_peripheral: dict[int, int]


class KitRegistry:
    """Kits by serial, and the ids of quantity types, loaded from the database on demand."""

    def __init__(self, *, capacity_kits: int = DEFAULT_CAPACITY_KITS) -> None:
        self._capacity_kits = capacity_kits
        self._kits: OrderedDict[str, KnownKit] = OrderedDict()
        self._quantity_types: frozenset[int] = frozenset()

    def kit(self, serial: str) -> KnownKit | None:
        """Return the kit if it is cached. None does not mean that it does not exist."""
        known = self._kits.get(serial)
        if known is not None:
            self._kits.move_to_end(serial)
        return known

    @property
    def quantity_types(self) -> frozenset[int]:
        """The cached ids of quantity types."""
        return self._quantity_types

    async def load_kits(self, connection: asyncpg.Connection, serials: Iterable[str]) -> dict[str, KnownKit]:
        """Reload these kits and return them; those that do not exist are dropped from the cache."""
        wanted = list(serials)
        rows = await connection.fetch(
            """
            SELECT k.serial, k.id AS kit_id, p.id AS peripheral_id, p.kit_configuration_id
            FROM kits k LEFT JOIN peripherals p ON p.kit_id = k.id AND p.deleted_at IS NULL
            WHERE k.serial = ANY($1::text[])
            """,
            wanted,
        )
        for serial in wanted:
            self.forget_kit(serial)
        loaded: dict[str, KnownKit] = {}
        for row in rows:
            known = loaded.setdefault(
                row["serial"], KnownKit(kit_id=row["kit_id"], configuration_by_peripheral={})
            )
            if row["peripheral_id"] is not None:
                known.configuration_by_peripheral[row["peripheral_id"]] = row["kit_configuration_id"]
        for serial, known in loaded.items():
            self._remember(serial, known)
        return loaded

    async def load_quantity_types(self, connection: asyncpg.Connection) -> frozenset[int]:
        """Reload the ids of all quantity types and return them."""
        rows = await connection.fetch("SELECT id FROM quantity_types")
        self._quantity_types = frozenset(row["id"] for row in rows)
        return self._quantity_types

    def changed(self, _what: str, serial: str) -> None:
        """Handle an announcement of the database: drop cached entries that may be stale."""
        if serial:
            self.forget_kit(serial)
        else:
            self.forget_everything()

    def forget_kit(self, serial: str) -> None:
        """Drop one kit from the cache."""
        self._kits.pop(serial, None)

    def forget_everything(self) -> None:
        """Clear the cache; for when changes may have been missed."""
        self._kits.clear()
        self._quantity_types = frozenset()

    def _remember(self, serial: str, known: KnownKit) -> None:
        self._kits[serial] = known
        while len(self._kits) > self._capacity_kits:
            self._kits.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingPeripheral:
    """A peripheral that a batch refers to and its kit does not have: another kit's, or deleted.

    If it can be brought back, both times are set.
    """

    kit_id: int
    configuration_id: int
    deleted_at: datetime | None
    restorable_until: datetime | None


async def existing_peripherals(
    connection: asyncpg.Connection, peripheral_ids: Iterable[int]
) -> dict[int, ExistingPeripheral]:
    """Return those of these peripherals that exist or can be brought back, of whichever kit, by id."""
    rows = await connection.fetch(
        """
        SELECT p.id, p.kit_id, p.kit_configuration_id AS configuration_id, c.deleted_at, c.restorable_until
        FROM peripherals p JOIN kit_configurations c ON c.id = p.kit_configuration_id
        WHERE p.id = ANY($1::int[]) AND (c.deleted_at IS NULL OR c.restorable_until > clock_timestamp())
        """,
        list(peripheral_ids),
    )
    return {
        row["id"]: ExistingPeripheral(
            kit_id=row["kit_id"],
            configuration_id=row["configuration_id"],
            deleted_at=row["deleted_at"],
            restorable_until=row["restorable_until"],
        )
        for row in rows
    }
