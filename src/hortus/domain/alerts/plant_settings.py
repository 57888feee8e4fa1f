"""The alert settings of a plant, and the rule derived from them. The database access is at the end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.alerts.judging import AlertRule
from hortus.domain.alerts.tables import PlantAlertSettingsRow

MOST_HYSTERESIS_PERCENT = 50.0
MOST_HOLD_SECONDS = 86_400
MOST_PAUSE_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantAlertSettings:
    """A plant's alert settings. `hysteresis_percent` is of the range's width, or of its only bound."""

    enabled: bool = True
    hysteresis_percent: float = 5.0
    hold_seconds: int = 300
    pause_seconds: int = 43_200


def rule_for(
    minimum: float | None,
    maximum: float | None,
    *,
    hysteresis_percent: float,
    hold_seconds: int,
    pause_seconds: int,
) -> AlertRule:
    """Return the rule for a quantity with this range."""
    if minimum is not None and maximum is not None:
        width = maximum - minimum
    else:
        width = abs(minimum if minimum is not None else maximum or 0.0)
    return AlertRule(
        minimum=minimum,
        maximum=maximum,
        hysteresis=width * hysteresis_percent / 100,
        hold=timedelta(seconds=hold_seconds),
        pause=timedelta(seconds=pause_seconds),
    )


async def read_plant_settings(connection: AsyncConnection, plant_id: int) -> PlantAlertSettings:
    """Return the alert settings of a plant, or the defaults if it has none."""
    return (await settings_of_plants(connection, [plant_id]))[plant_id]


async def settings_of_plants(
    connection: AsyncConnection, plant_ids: Collection[int]
) -> dict[int, PlantAlertSettings]:
    """Return the alert settings of several plants by plant, with the defaults for those that have none."""
    row = PlantAlertSettingsRow
    found = await connection.execute(
        select(row.plant_id, row.enabled, row.hysteresis_percent, row.hold_seconds, row.pause_seconds).where(
            row.plant_id.in_(plant_ids)
        )
    )
    stored = {
        each.plant_id: PlantAlertSettings(
            enabled=each.enabled,
            hysteresis_percent=each.hysteresis_percent,
            hold_seconds=each.hold_seconds,
            pause_seconds=each.pause_seconds,
        )
        for each in found
    }
    return {plant_id: stored.get(plant_id, PlantAlertSettings()) for plant_id in plant_ids}


async def set_plant_settings(connection: AsyncConnection, plant_id: int, settings: PlantAlertSettings) -> None:
    """Store the alert settings of a plant. The caller commits."""
    values = {
        "enabled": settings.enabled,
        "hysteresis_percent": settings.hysteresis_percent,
        "hold_seconds": settings.hold_seconds,
        "pause_seconds": settings.pause_seconds,
    }
    await connection.execute(
        insert(PlantAlertSettingsRow)
        .values(plant_id=plant_id, **values)
        .on_conflict_do_update(index_elements=[PlantAlertSettingsRow.plant_id], set_=values)
    )
