"""The state of plants, from the database: their ranges, the series that measure them, and each quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plants.links import PlantLink
from hortus.domain.plants.measured import MeasuredSeries, measured_by
from hortus.domain.plants.species_store import ranges_of_species
from hortus.domain.plants.state import (
    DEFAULT_FRESHNESS,
    Condition,
    QuantityState,
    Range,
    judge_plant,
    ranges_of_plant,
    worst,
)
from hortus.domain.plants.store import Plant, own_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantOverview:
    """A plant and its state. `measured` has the series behind each measured quantity.

    `condition` is the worst of `states`. `own_ranges` are the plant's own, which replace its species'.
    """

    plant: Plant
    condition: Condition
    states: Sequence[QuantityState]
    measured: Mapping[int, MeasuredSeries]
    own_ranges: Mapping[int, Range]


async def overviews(
    connection: AsyncConnection,
    plants: Sequence[Plant],
    links: Mapping[int, Sequence[PlantLink]],
    *,
    now: datetime,
    freshness: timedelta = DEFAULT_FRESHNESS,
) -> list[PlantOverview]:
    """Return the state of these plants, judged by what is measured through these links (by plant).

    A page passes the links to kits that its viewer may see. A caller that judges for all users passes all
    links, and must not reveal to a plant's owner what a kit measured that the owner may not (or no longer) see.
    """
    own = await own_ranges(connection, [plant.id for plant in plants])
    of_species = await ranges_of_species(
        connection, {plant.species_id for plant in plants if plant.species_id is not None}
    )
    all_links = [link for plant in plants for link in links.get(plant.id, ())]
    measured = await measured_by(connection, all_links, now=now, freshness=freshness)
    return [
        _overview(
            plant,
            of_species.get(plant.species_id or 0, {}),
            own.get(plant.id, {}),
            measured.get(plant.id, {}),
            now,
            freshness,
        )
        for plant in plants
    ]


def _overview(
    plant: Plant,
    of_species: Mapping[int, Range],
    own: Mapping[int, Range],
    measured: Mapping[int, MeasuredSeries],
    now: datetime,
    freshness: timedelta,
) -> PlantOverview:
    states = judge_plant(
        ranges_of_plant(of_species, own),
        {quantity_type_id: each.reading for quantity_type_id, each in measured.items()},
        now,
        freshness,
    )
    return PlantOverview(
        plant=plant,
        condition=worst(state.condition for state in states),
        states=states,
        measured=measured,
        own_ranges=own,
    )
