"""JSON objects of species and plants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.domain.plants.links import PlantLink
from hortus.domain.plants.overview import PlantOverview
from hortus.domain.plants.rules import InvalidPlant
from hortus.domain.plants.species_store import Species
from hortus.domain.plants.state import Condition, QuantityState, Range
from hortus.domain.plants.store import Plant
from hortus.http.access.plant_access import PlantAccess
from hortus.http.conventions.problems import (
    OTHER,
    Problem,
    Reason,
    invalid_parameters,
    length_between,
)
from hortus.http.conventions.replies import TimeText
from hortus.http.documents.implausible import ImplausibleObject, implausible_object


class RangeObject(TypedDict):
    """The target range of a quantity, in its unit. Both bounds are inclusive; null means unbounded."""

    quantityTypeId: int
    minimum: float | None
    maximum: float | None


class SpeciesObject(TypedDict):
    """A kind of plant and its target ranges. Built-in species are the same everywhere and cannot be changed."""

    id: int
    name: str
    scientificName: str | None
    description: str
    image: str | None
    sources: Annotated[str, Field(description="Where the ranges come from.")]
    isBuiltIn: bool
    ranges: list[RangeObject]
    createdAt: TimeText
    updatedAt: TimeText


class SpeciesName(TypedDict):
    """The species of a plant."""

    id: int
    name: str


class QuantityObject(TypedDict):
    """One quantity of a plant: its latest value, what measured it, and whether it is in range.

    `condition` is null if the quantity is not judged: it has no range, or nothing measures it. `value` is the
    latest plausible one, however old; `noData` means that it is too old to count. `implausible` is a later
    reading that cannot have been measured, or null: while there is one, something is wrong with the sensor.
    """

    quantityTypeId: int
    condition: Condition | None
    value: float | None
    datetime: TimeText | None
    ageSeconds: float | None
    minimum: float | None
    maximum: float | None
    kitSerial: str | None
    peripheralName: str | None
    implausible: ImplausibleObject | None


_Since = TypedDict("_Since", {"from": TimeText})


class LinkObject(_Since, TypedDict):
    """A kit or series that measures a plant, and the period. Without peripheral and quantity: a whole kit."""

    id: int
    kitSerial: str
    kitName: str | None
    peripheralName: str | None
    quantityTypeId: int | None
    until: TimeText | None


class PlantObject(TypedDict):
    """A plant. `condition` is its worst quantity's; `ranges` are its own, replacing its species'.

    `links` and `quantities` cover only kits that the caller may see.
    """

    id: int
    name: str
    remark: str
    image: str | None
    photo: Annotated[
        str | None, Field(description="The address of its photo, relative to the base URL of the API.")
    ]
    owner: str | None
    species: SpeciesName | None
    condition: Condition
    quantities: list[QuantityObject]
    ranges: list[RangeObject]
    links: list[LinkObject]
    mayEdit: bool
    createdAt: TimeText
    updatedAt: TimeText


def species_object(species: Species) -> SpeciesObject:
    return {
        "id": species.id,
        "name": species.name,
        "scientificName": species.scientific_name,
        "description": species.description,
        "image": species.image,
        "sources": species.sources,
        "isBuiltIn": species.is_built_in,
        "ranges": _range_objects(species.ranges),
        "createdAt": format_time(species.created_at),
        "updatedAt": format_time(species.updated_at),
    }


def plant_object(access: PlantAccess, overview: PlantOverview, now: datetime) -> PlantObject:
    """Return the plant as the caller may see it."""
    plant = access.plant
    return {
        "id": plant.id,
        "name": plant.name,
        "remark": plant.remark,
        "image": plant.image,
        "photo": photo_address(plant.id, plant.photo_digest),
        "owner": plant.owner_username,
        "species": _species_name(plant),
        "condition": overview.condition,
        "quantities": [_quantity_object(overview, state, now) for state in overview.states],
        "ranges": _range_objects(overview.own_ranges),
        "links": [link_object(link) for link in access.links],
        "mayEdit": access.may_edit,
        "createdAt": format_time(plant.created_at),
        "updatedAt": format_time(plant.updated_at),
    }


def link_object(link: PlantLink) -> LinkObject:
    return {
        "id": link.id,
        "kitSerial": link.serial,
        "kitName": link.kit_name,
        "peripheralName": link.source.peripheral_name,
        "quantityTypeId": link.source.quantity_type_id,
        "from": format_time(link.since),
        "until": format_optional_time(link.until),
    }


def photo_address(plant_id: int, digest: str | None) -> str | None:
    """Return the address of a photo. It changes with the photo, so browsers may cache it."""
    return None if digest is None else f"/plants/{plant_id}/photo?v={digest[:16]}"


def invalid_plant(error: InvalidPlant) -> Problem:
    """Return the problem for an invalid species, plant or link."""
    reasons: dict[str, list[Reason]] = {}
    for broken in error.broken_rules:
        reason = OTHER if broken.lengths is None else length_between(*broken.lengths)
        reasons.setdefault(broken.field, []).append(reason)
    return invalid_parameters(reasons, str(error))


def _species_name(plant: Plant) -> SpeciesName | None:
    if plant.species_id is None or plant.species_name is None:
        return None
    return {"id": plant.species_id, "name": plant.species_name}


def _quantity_object(overview: PlantOverview, state: QuantityState, now: datetime) -> QuantityObject:
    measured = overview.measured.get(state.quantity_type_id)
    range_ = state.range or Range()
    reading = state.reading
    return {
        "quantityTypeId": state.quantity_type_id,
        "condition": state.condition,
        "value": None if reading is None else reading.value,
        "datetime": None if reading is None else format_time(reading.at),
        "ageSeconds": None if reading is None else max(0.0, (now - reading.at) / timedelta(seconds=1)),
        "minimum": range_.minimum,
        "maximum": range_.maximum,
        "kitSerial": None if measured is None else measured.serial,
        "peripheralName": None if measured is None else measured.peripheral_name,
        "implausible": None if measured is None else implausible_object(measured.implausible),
    }


def _range_objects(ranges: Mapping[int, Range]) -> list[RangeObject]:
    return [
        {"quantityTypeId": key, "minimum": each.minimum, "maximum": each.maximum}
        for key, each in sorted(ranges.items())
    ]
