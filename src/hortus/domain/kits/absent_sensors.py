"""When a sensor was not in the active configuration, which explains that it measured nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MOST = 500

_ABSENT = text(
    """
    SELECT s.peripheral_name, a.since, a.until
    FROM (SELECT DISTINCT peripheral_name FROM series WHERE kit_id = :kit_id) s
    JOIN configuration_activations a ON a.kit_id = :kit_id
    JOIN kit_configurations c ON c.id = a.kit_configuration_id AND c.deleted_at IS NULL
    WHERE a.since < :end AND coalesce(a.until, 'infinity') > :start
      AND NOT EXISTS (SELECT FROM peripherals p
                      WHERE p.kit_configuration_id = a.kit_configuration_id AND p.name = s.peripheral_name)
    ORDER BY s.peripheral_name, a.since LIMIT :most
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """When the active configuration had no peripheral of this name; without `until`, it has none now."""

    name: str
    since: datetime
    until: datetime | None


async def absent_sensors(
    connection: AsyncConnection, kit_id: int, start: datetime, end: datetime
) -> list[Absence]:
    """Return when sensors that the kit had at some time were absent, within this time."""
    parameters = {"kit_id": kit_id, "start": start, "end": end, "most": _MOST}
    return [
        Absence(name=row.peripheral_name, since=row.since, until=row.until)
        for row in await connection.execute(_ABSENT, parameters)
    ]
