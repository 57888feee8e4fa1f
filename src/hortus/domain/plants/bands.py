"""Target bands: the ranges that a kit's plants had for what its series measure, and when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plants.state import Range
from hortus.domain.series.charts import Span
from hortus.domain.series.store import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBand:
    """A target range of a plant for a series, from when until when both held; `until` None: they still do.

    `is_own`: the range is the plant's own, else that of its species, which has this name.
    """

    series_id: int
    plant_id: int
    plant_name: str
    range: Range
    since: datetime
    until: datetime | None
    is_own: bool
    species_name: str | None


# Former links of plants that the kit still measures count. One that was moved away is no longer shown with it.
_RANGES_OF_KIT = text(
    """
    SELECT l.peripheral_name, h.quantity_type_id, h.plant_id, p.name, h.minimum, h.maximum, h.is_own,
           coalesce(s.name, h.species_name) AS species_name,
           greatest(l.linked_from, h.since) AS since, least(l.linked_until, h.until) AS until
    FROM plant_links l
    JOIN plants p ON p.id = l.plant_id
    JOIN plant_target_ranges h ON h.plant_id = l.plant_id
        AND (l.quantity_type_id IS NULL OR l.quantity_type_id = h.quantity_type_id)
    LEFT JOIN species s ON s.id = h.species_id
    WHERE l.kit_id = :kit_id
      AND EXISTS (SELECT FROM plant_links c
                  WHERE c.plant_id = l.plant_id AND c.kit_id = l.kit_id AND c.linked_until IS NULL)
      AND greatest(l.linked_from, h.since)
          < coalesce(least(l.linked_until, h.until, CAST(:end AS timestamptz)), 'infinity')
      AND coalesce(least(l.linked_until, h.until), 'infinity') > CAST(:start AS timestamptz)
    ORDER BY lower(p.name), p.id, since, l.id
    """
)
_PRESENT = text(
    """
    SELECT DISTINCT l.peripheral_name, h.quantity_type_id
    FROM plant_links l JOIN plant_target_ranges h ON h.plant_id = l.plant_id AND h.until IS NULL
        AND (l.quantity_type_id IS NULL OR l.quantity_type_id = h.quantity_type_id)
    WHERE l.kit_id = :kit_id AND l.linked_until IS NULL
    """
)


async def bands_of_series(
    connection: AsyncConnection, kit_id: int, series: Collection[Series], span: Span
) -> list[TargetBand]:
    """Return the bands of these series within the span, by the plants that the kit measures now.

    Ordered by the plants' names, then by time. A plant has one band of a series at any time.
    """
    parameters = {"kit_id": kit_id, "start": span.start, "end": span.end}
    rows = (await connection.execute(_RANGES_OF_KIT, parameters)).all()
    bands: dict[tuple[int, int], list[TargetBand]] = {}
    for row in rows:
        for each in series:
            if row.peripheral_name not in {None, each.peripheral_name}:
                continue
            if row.quantity_type_id == each.quantity_type.id:
                _add(bands.setdefault((row.plant_id, each.id), []), _band(each.id, row))
    return [band for found in bands.values() for band in found]


async def series_with_target(
    connection: AsyncConnection, kit_id: int, series: Collection[Series]
) -> frozenset[int]:
    """Return the ids of those of these series for which one of the kit's plants has a target range now."""
    found = {tuple(row) for row in await connection.execute(_PRESENT, {"kit_id": kit_id})}
    return frozenset(
        each.id
        for each in series
        if {(None, each.quantity_type.id), (each.peripheral_name, each.quantity_type.id)} & found
    )


def _band(series_id: int, row: Any) -> TargetBand:
    return TargetBand(
        series_id=series_id,
        plant_id=row.plant_id,
        plant_name=row.name,
        range=Range(minimum=row.minimum, maximum=row.maximum),
        since=row.since,
        until=row.until,
        is_own=row.is_own,
        species_name=row.species_name,
    )


def _add(bands: list[TargetBand], band: TargetBand) -> None:
    """Add a band that begins last. A plant that is linked twice, to the kit and to a series, has it once."""
    before = bands[-1] if bands else None
    if before is None or (before.until is not None and before.until <= band.since):
        bands.append(band)
    elif before.until is not None and (band.until is None or band.until > before.until):
        bands.append(replace(band, since=before.until))
