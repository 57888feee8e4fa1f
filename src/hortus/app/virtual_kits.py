"""Kits for the simulator: registered like any other kit, with one of the simulator's layouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.kits.store import CreatedKit, KitStore, NewKit, NewPeripheral, add_configuration
from hortus.simulator.layouts import KitLayout, demo_layouts


def layouts() -> Iterator[KitLayout]:
    """Yield the simulator's layouts, then endless variations of them."""
    yield from demo_layouts()
    number = 1
    while True:
        number += 1
        for layout in demo_layouts():
            yield replace(layout, key=f"{layout.key}-{number}", name=f"{layout.name} {number}")


async def make_virtual_kit(connection: AsyncConnection, store: KitStore, layout: KitLayout) -> CreatedKit:
    """Create a public kit with the layout's active configuration. The caller commits."""
    kit = await store.create(
        connection,
        NewKit(
            name=layout.name,
            description=layout.description,
            latitude=Decimal(str(layout.latitude_degrees)),
            longitude=Decimal(str(layout.longitude_degrees)),
            public_dashboard=True,
            show_on_map=True,
        ),
    )
    peripherals = [
        NewPeripheral(definition=each.definition_name, name=each.name, configuration=each.configuration)
        for each in layout.peripherals
    ]
    await add_configuration(connection, kit.id, description=layout.name, peripherals=peripherals, active=True)
    return kit
