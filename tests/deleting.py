"""Deleting configurations and bringing them back, as the API does."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.kits.configurations import find_configuration
from hortus.domain.kits.deleted_configurations import delete_configuration, restore_configuration


async def delete_configuration_of(engine: AsyncEngine, peripheral_id: int) -> int:
    """Delete the configuration of this peripheral; return its id."""
    async with engine.begin() as connection:
        configuration_id: int | None = await connection.scalar(
            text("SELECT kit_configuration_id FROM peripherals WHERE id = :id"), {"id": peripheral_id}
        )
        assert configuration_id is not None
        configuration = await find_configuration(connection, configuration_id)
        assert configuration is not None, "it is deleted already"
        await delete_configuration(connection, configuration)
    return configuration_id


async def bring_back(engine: AsyncEngine, configuration_id: int) -> None:
    async with engine.begin() as connection:
        kit_id = await connection.scalar(
            text("SELECT kit_id FROM kit_configurations WHERE id = :id"), {"id": configuration_id}
        )
        await restore_configuration(connection, kit_id, configuration_id)
