"""Plants and species in the form of PlantKeeper's rows of plants and general plants.

A general plant has three ranges. Its humidity is compared with the one value that a board calls humidity, which
is the moisture of the soil. Our species also have the humidity of the air, and keep it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.accounts.store import find_user
from hortus.domain.definitions.store import quantity_type_ids_by_key
from hortus.domain.plants.links import MeasuringSource, link_plant, links_of_plants, unlink_plant
from hortus.domain.plants.photos import Photo
from hortus.domain.plants.species_store import Species, find_many_species
from hortus.domain.plants.state import Range, ranges_of_plant
from hortus.domain.plants.store import (
    Plant,
    list_all_plants,
    list_plants_of_kit,
    list_plants_of_user,
    list_plants_owned,
    own_ranges,
)
from hortus.domain.plants.tables import PlantLinkRow
from hortus.flow.gateway.board_lookup import QUANTITY_TYPES
from hortus.flow.gateway.readings import Quantity
from hortus.http.access.caller import Caller
from hortus.http.access.permissions import Permission
from hortus.http.access.plant_access import PlantAccess, access_to_plants
from hortus.http.plantkeeper.pictures import inline_photos
from hortus.http.plantkeeper.sensors import Sensor, sensors_of_kits

Ranges = Mapping[Quantity, Range]

# This API has no paging. Nobody owns as many (hortus.domain.plants.rules).
_MOST = 10_000


class SensorTaken(UsageError):
    """The sensor is already linked to a plant, and this API knows one plant per sensor."""

    def __init__(self, sensor_id: int) -> None:
        super().__init__(f"Sensor {sensor_id} is already linked to a plant. Unlink it from that plant first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedPlant:
    """A plant, the sensor that measures it (or None), and the ranges that it is judged by.

    `photo` is None without a photo, and where the row names it by its address.
    """

    plant: Plant
    sensor: Sensor | None
    species: Species | None
    ranges: Ranges
    photo: Photo | None


async def linked_plants(
    connection: AsyncConnection, accesses: Sequence[PlantAccess], now: datetime, *, with_photos: bool = True
) -> list[LinkedPlant]:
    """Return these plants with those of their sensors that the caller may see."""
    kit_ids = {link.source.kit_id for access in accesses for link in access.links if link.until is None}
    sensors = await sensors_of_kits(connection, kit_ids, now)
    plants = [access.plant for access in accesses]
    own = await own_ranges(connection, [plant.id for plant in plants])
    species = await find_many_species(
        connection, {plant.species_id for plant in plants if plant.species_id is not None}
    )
    quantities = await _quantities(connection)
    photos = {}
    if with_photos:
        photos = await inline_photos(connection, [plant.id for plant in plants if plant.photo_digest])
    linked = []
    for access in accesses:
        plant = access.plant
        of_species = species.get(plant.species_id or 0)
        ranges = ranges_of_plant(of_species.ranges if of_species else {}, own.get(plant.id, {}))
        linked.append(
            LinkedPlant(
                plant=plant,
                sensor=_sensor_of(access, sensors),
                species=of_species,
                ranges={quantities[key]: each for key, each in ranges.items() if key in quantities},
                photo=photos.get(plant.id),
            )
        )
    return linked


async def plants_of_user(
    connection: AsyncConnection, caller: Caller, owner_id: int, now: datetime
) -> list[LinkedPlant]:
    """Return those plants of an owner that the caller may see."""
    return await _seen_by(caller, connection, await list_plants_owned(connection, owner_id, most=_MOST), now)


async def plants_visible_to(
    connection: AsyncConnection, caller: Caller, now: datetime, *, with_photos: bool = True
) -> list[LinkedPlant]:
    """Return the plants of the caller and of their kits; for administrators, all plants."""
    user = None if caller.user_id is None else await find_user(connection, caller.user_id)
    if user is None:
        return []
    plants = (
        await list_all_plants(connection, most=_MOST)
        if user.is_admin
        else await list_plants_of_user(connection, user.id, most=_MOST)
    )
    return await _seen_by(caller, connection, plants, now, with_photos=with_photos)


async def plants_of_sensor(
    connection: AsyncConnection, caller: Caller, sensor: Sensor, now: datetime
) -> list[LinkedPlant]:
    """Return those plants that a sensor measures now and that the caller may see, without their photos."""
    plants = await list_plants_of_kit(connection, sensor.kit_id, most=_MOST)
    return await _seen_by(caller, connection, plants, now, with_photos=False)


async def ranges_of_general_plants(
    connection: AsyncConnection, species: Iterable[Species]
) -> dict[int, Ranges]:
    """Return the ranges of these species that this API shows, by species id."""
    quantities = await _quantities(connection)
    return {
        each.id: {quantities[key]: range_ for key, range_ in each.ranges.items() if key in quantities}
        for each in species
    }


async def as_species_ranges(connection: AsyncConnection, ranges: Ranges) -> dict[int, Range]:
    """Return this API's ranges by quantity type id."""
    ids = await quantity_type_ids_by_key(connection)
    return {ids[QUANTITY_TYPES[quantity]]: each for quantity, each in ranges.items()}


async def link_to_sensor(connection: AsyncConnection, plant_id: int, sensor: Sensor, now: datetime) -> None:
    """Link the plant to this sensor, replacing its other one. The caller has locked the plant, and commits.

    Raises SensorTaken.
    """
    linked = await connection.scalars(
        select(PlantLinkRow.plant_id).where(
            PlantLinkRow.kit_id == sensor.kit_id, PlantLinkRow.linked_until.is_(None)
        )
    )
    plants = set(linked)
    if plants - {plant_id}:
        raise SensorTaken(sensor.id)
    if plant_id not in plants:
        await unlink_sensors(connection, plant_id, now)
        await link_plant(connection, plant_id, MeasuringSource(kit_id=sensor.kit_id), since=now, now=now)


async def unlink_sensors(connection: AsyncConnection, plant_id: int, now: datetime) -> None:
    """End the plant's links to boards; those to other kits stay. The caller has locked it, and commits."""
    links = (await links_of_plants(connection, [plant_id], current_only=True))[plant_id]
    sensors = await sensors_of_kits(connection, {link.source.kit_id for link in links}, now)
    await unlink_plant(connection, plant_id, now=now, kit_ids=sensors.keys())


async def _seen_by(
    caller: Caller,
    connection: AsyncConnection,
    plants: Sequence[Plant],
    now: datetime,
    *,
    with_photos: bool = True,
) -> list[LinkedPlant]:
    accesses = await access_to_plants(connection, caller, plants)
    visible = [access for access in accesses if Permission.VIEW in access.permissions]
    return await linked_plants(connection, visible, now, with_photos=with_photos)


def _sensor_of(access: PlantAccess, sensors: Mapping[int, Sensor]) -> Sensor | None:
    for link in access.links:
        if link.until is None and link.source.kit_id in sensors:
            return sensors[link.source.kit_id]
    return None


async def _quantities(connection: AsyncConnection) -> dict[int, Quantity]:
    ids = await quantity_type_ids_by_key(connection)
    return {ids[key]: quantity for quantity, key in QUANTITY_TYPES.items()}
