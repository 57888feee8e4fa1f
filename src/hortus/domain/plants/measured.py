"""The latest readings of linked kits and series, by plant and quantity.

Several series may measure the same quantity of a plant. A series that is linked individually takes precedence
over those of a whole kit, then a fresh one over a silent one, then names decide, so that a plant is not judged
by a different thermometer with each reading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plants.links import PlantLink
from hortus.domain.plants.state import Reading

_RECENTLY = timedelta(hours=3)
"""How far back single readings are searched; older ones have been rolled up by then (docs/series.md)."""

# For a silent series, all recent readings of its kit are searched in vain, so the period is short. Readings of
# the future are skipped, so that they cannot become the latest (P8).
_LATEST = text(
    """
    SELECT s.kit_id, s.name, s.quantity_type_id,
        coalesce(r.value, h.last_value) AS value, coalesce(r.datetime, h.last_at) AS datetime
    FROM (
        SELECT p.kit_id, p.id AS peripheral_id, p.name, e.quantity_type_id
        FROM peripherals p
        JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
        JOIN peripheral_definition_expected_quantity_types e
            ON e.peripheral_definition_id = p.peripheral_definition_id
        WHERE p.kit_id = ANY(:kit_ids)
    ) s
    LEFT JOIN LATERAL (
        SELECT m.value, m.datetime FROM raw_measurements m
        WHERE m.kit_id = s.kit_id AND m.datetime > :since AND m.datetime <= :now
            AND m.peripheral_id = s.peripheral_id AND m.quantity_type_id = s.quantity_type_id
        ORDER BY m.datetime DESC, m.id DESC LIMIT 1
    ) r ON true
    LEFT JOIN LATERAL (
        SELECT last_value, last_at FROM series_hours
        WHERE r.value IS NULL
            AND peripheral_id = s.peripheral_id AND quantity_type_id = s.quantity_type_id
            AND hour <= :now AND last_at <= :now
        ORDER BY hour DESC, last_at DESC LIMIT 1
    ) h ON true
    ORDER BY s.kit_id, s.name, s.quantity_type_id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSeries:
    """A series that measures a quantity of a plant, and its latest reading, however old."""

    kit_id: int
    serial: str
    peripheral_name: str
    quantity_type_id: int
    reading: Reading | None


async def measured_by(
    connection: AsyncConnection, links: Iterable[PlantLink], *, now: datetime, freshness: timedelta
) -> dict[int, dict[int, MeasuredSeries]]:
    """Return, by plant and quantity type, the series that measures it through the plant's current links."""
    current = [link for link in links if link.until is None]
    of_kits = await latest_of_kits(connection, {link.source.kit_id for link in current}, now)
    candidates: dict[tuple[int, int], list[tuple[bool, MeasuredSeries]]] = {}
    for link in current:
        for each in _series_of_link(link, of_kits.get(link.source.kit_id, ())):
            whole_kit = link.source.quantity_type_id is None
            candidates.setdefault((link.plant_id, each.quantity_type_id), []).append((whole_kit, each))

    def rank(candidate: tuple[bool, MeasuredSeries]) -> tuple[bool, bool, str, str]:
        whole_kit, each = candidate
        is_stale = each.reading is None or now - each.reading.at > freshness
        return whole_kit, is_stale, each.serial, each.peripheral_name

    chosen: dict[int, dict[int, MeasuredSeries]] = {}
    for (plant_id, quantity_type_id), series in candidates.items():
        chosen.setdefault(plant_id, {})[quantity_type_id] = min(series, key=rank)[1]
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestOfSeries:
    """The latest reading of a series in a kit's active configuration; None before the first reading."""

    peripheral_name: str
    quantity_type_id: int
    reading: Reading | None


async def latest_of_kits(
    connection: AsyncConnection, kit_ids: Collection[int], now: datetime
) -> dict[int, list[LatestOfSeries]]:
    """Return, by kit, the latest reading of each series of its active configuration, ordered by name."""
    found: dict[int, list[LatestOfSeries]] = {}
    if not kit_ids:
        return found
    rows = await connection.execute(_LATEST, {"kit_ids": sorted(kit_ids), "since": now - _RECENTLY, "now": now})
    for kit_id, name, quantity_type_id, value, moment in rows:
        reading = None if moment is None else Reading(value=value, at=moment)
        series = LatestOfSeries(peripheral_name=name, quantity_type_id=quantity_type_id, reading=reading)
        found.setdefault(kit_id, []).append(series)
    return found


def _series_of_link(link: PlantLink, of_kit: Sequence[LatestOfSeries]) -> list[MeasuredSeries]:
    """Return the series that a link covers. An individually linked series is included even if it is silent."""
    source = link.source
    if source.peripheral_name is None or source.quantity_type_id is None:
        wanted = list(of_kit)
    else:
        wanted = [
            each
            for each in of_kit
            if (each.peripheral_name, each.quantity_type_id)
            == (source.peripheral_name, source.quantity_type_id)
        ]
        wanted = wanted or [
            LatestOfSeries(
                peripheral_name=source.peripheral_name,
                quantity_type_id=source.quantity_type_id,
                reading=None,
            )
        ]
    return [
        MeasuredSeries(
            kit_id=source.kit_id,
            serial=link.serial,
            peripheral_name=each.peripheral_name,
            quantity_type_id=each.quantity_type_id,
            reading=each.reading,
        )
        for each in wanted
    ]
