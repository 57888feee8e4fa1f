"""Target bands: the ranges that a kit's plants have for what its series measure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plants.species_store import ranges_of_species
from hortus.domain.plants.state import Range, ranges_of_plant
from hortus.domain.plants.store import own_ranges
from hortus.domain.series.store import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBand:
    """The target range of a plant for a series, from when it was linked; `until` None: it still is.

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


_PLANTS_OF_KIT = text(
    """
    SELECT l.plant_id, l.peripheral_name, l.quantity_type_id, l.linked_from, l.linked_until,
           p.name, p.species_id, s.name AS species_name
    FROM plant_links l
    JOIN plants p ON p.id = l.plant_id
    LEFT JOIN species s ON s.id = p.species_id
    WHERE l.kit_id = :kit_id AND l.linked_until IS NULL
    ORDER BY lower(p.name), p.id, l.id
    """
)


async def bands_of_series(
    connection: AsyncConnection, kit_id: int, series: Collection[Series]
) -> list[TargetBand]:
    """Return the bands of these series of the kit, by its current plants, ordered by the plants' names.

    These are the present ranges: when a range was changed is not recorded yet.
    """
    links = (await connection.execute(_PLANTS_OF_KIT, {"kit_id": kit_id})).all()
    own = await own_ranges(connection, [link.plant_id for link in links])
    of_species = await ranges_of_species(connection, {link.species_id for link in links if link.species_id})
    bands: dict[tuple[int, int], TargetBand] = {}
    for link in links:
        ranges = ranges_of_plant(of_species.get(link.species_id or 0, {}), own.get(link.plant_id, {}))
        for each in series:
            type_id = each.quantity_type.id
            is_linked = link.peripheral_name is None or (link.peripheral_name, link.quantity_type_id) == (
                each.peripheral_name,
                type_id,
            )
            if is_linked and type_id in ranges:
                bands.setdefault(
                    (each.id, link.plant_id),
                    TargetBand(
                        series_id=each.id,
                        plant_id=link.plant_id,
                        plant_name=link.name,
                        range=ranges[type_id],
                        since=link.linked_from,
                        until=link.linked_until,
                        is_own=type_id in own.get(link.plant_id, {}),
                        species_name=link.species_name,
                    ),
                )
    return list(bands.values())
