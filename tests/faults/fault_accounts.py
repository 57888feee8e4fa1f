"""Kits for a fault run, made before anything is under test."""

from __future__ import annotations

from fault_readings import Account

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration

KITS = 6


async def make_accounts(url: DatabaseUrl) -> list[Account]:
    """Make kits with the standard configuration in a database that has the schema and the definitions."""
    store = KitStore()
    made = []
    async with open_engine(url) as engine, engine.begin() as connection:
        for number in range(KITS):
            kit = await store.create(connection, NewKit(name=f"Fault kit {number}"))
            made.append((kit, await add_standard_configuration(connection, kit.id)))
    return [
        Account(
            kit_id=kit.id,
            serial=kit.serial,
            password=kit.password,
            peripheral=peripherals[0].id,
            quantity_type=peripherals[0].quantity_types[0],
            foreign_peripheral=made[number - 1][1][0].id,
        )
        for number, (kit, peripherals) in enumerate(made)
    ]
