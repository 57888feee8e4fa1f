"""A new kit's serial is unique, even if the random generator repeats itself."""

from __future__ import annotations

import pytest

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.store import KitStore, NewKit


async def test_a_serial_that_is_taken_is_replaced_by_another(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        async with engine.begin() as connection:
            first = await KitStore().create(connection, NewKit(name="Basil"))
        drawn = iter([first.serial, first.serial, "k-3333-4444-6666"])
        monkeypatch.setattr("hortus.domain.kits.store.make_serial", lambda: next(drawn))
        async with engine.begin() as connection:
            second = await KitStore().create(connection, NewKit(name="Mint"))
    assert second.serial == "k-3333-4444-6666"
