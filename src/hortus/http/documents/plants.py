"""Species and plants as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from hortus.base.times import format_optional_time, format_time
from hortus.domain.plants.links import PlantLink
from hortus.domain.plants.overview import PlantOverview
from hortus.domain.plants.rules import InvalidPlant
from hortus.domain.plants.species_store import Species
from hortus.domain.plants.state import Condition, QuantityState, Range
from hortus.http.access.plant_access import PlantAccess
from hortus.http.conventions.problems import (
    OTHER,
    Problem,
    Reason,
    invalid_parameters,
    length_between,
)
from hortus.http.conventions.replies import ApiObject


class RangeObject(ApiObject):
    """In which values a quantity is right, in its unit. Both bounds belong to the range; null is no bound."""

    quantity_type_id: int
    minimum: float | None
    maximum: float | None


class SpeciesObject(ApiObject):
    """A kind of plant and what it needs. Built-in ones are the same everywhere and cannot be changed."""

    id: int
    name: str
    description: str
    image: str | None
    is_built_in: bool
    ranges: list[RangeObject]
    created_at: datetime
    updated_at: datetime


class SpeciesName(ApiObject):
    """Which species a plant is of."""

    id: int
    name: str


class QuantityObject(ApiObject):
    """One quantity of a plant: what was measured last, by what, and whether it is right.

    `condition` is null if it is not judged: there is no range, or nothing measures it. `value` is the latest
    one, however old; `noData` says that it is too old to count.
    """

    quantity_type_id: int
    condition: Condition | None
    value: float | None
    datetime: datetime | None
    age_seconds: float | None
    minimum: float | None
    maximum: float | None
    kit_serial: str | None
    peripheral_name: str | None


class LinkObject(ApiObject):
    """What measured a plant, from when until when. Without peripheral and quantity type: the whole kit."""

    id: int
    kit_serial: str
    kit_name: str | None
    peripheral_name: str | None
    quantity_type_id: int | None
    since: Annotated[datetime, Field(alias="from")]
    until: datetime | None


class PlantObject(ApiObject):
    """A plant. `condition` is the worst of its quantities'; `ranges` are its own, instead of its species'.

    `links` and `quantities` tell of kits that the caller may see, and of no others.
    """

    id: int
    name: str
    remark: str
    image: str | None
    photo: Annotated[str | None, Field(description="Where its photo is, relative to the base of the API.")]
    owner: str | None
    species: SpeciesName | None
    condition: Condition
    quantities: list[QuantityObject]
    ranges: list[RangeObject]
    links: list[LinkObject]
    may_edit: bool
    created_at: datetime
    updated_at: datetime


def species_object(species: Species) -> dict[str, Any]:
    """Return the species."""
    return {
        "id": species.id,
        "name": species.name,
        "description": species.description,
        "image": species.image,
        "isBuiltIn": species.is_built_in,
        "ranges": _range_objects(species.ranges),
        "createdAt": format_time(species.created_at),
        "updatedAt": format_time(species.updated_at),
    }


def plant_object(access: PlantAccess, overview: PlantOverview, now: datetime) -> dict[str, Any]:
    """Return the plant as the caller may see it."""
    plant = access.plant
    return {
        "id": plant.id,
        "name": plant.name,
        "remark": plant.remark,
        "image": plant.image,
        "photo": photo_address(plant.id, plant.photo_digest),
        "owner": plant.owner_username,
        "species": plant.species_id and {"id": plant.species_id, "name": plant.species_name},
        "condition": str(overview.condition),
        "quantities": [_quantity_object(overview, state, now) for state in overview.states],
        "ranges": _range_objects(overview.own_ranges),
        "links": [link_object(link) for link in access.links],
        "mayEdit": access.may_edit,
        "createdAt": format_time(plant.created_at),
        "updatedAt": format_time(plant.updated_at),
    }


def link_object(link: PlantLink) -> dict[str, Any]:
    """Return the link."""
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
    """Return where a photo is. The address changes with the photo, so browsers may keep what they have."""
    return None if digest is None else f"/plants/{plant_id}/photo?v={digest[:16]}"


def invalid_plant(error: InvalidPlant) -> Problem:
    """Return the problem for a species, plant or link that breaks rules."""
    reasons: dict[str, list[Reason]] = {}
    for broken in error.broken_rules:
        reason = OTHER if broken.lengths is None else length_between(*broken.lengths)
        reasons.setdefault(broken.field, []).append(reason)
    return invalid_parameters(reasons, str(error))


def _quantity_object(overview: PlantOverview, state: QuantityState, now: datetime) -> dict[str, Any]:
    measured = overview.measured.get(state.quantity_type_id)
    range_ = state.range or Range()
    reading = state.reading
    return {
        "quantityTypeId": state.quantity_type_id,
        "condition": state.condition,
        "value": reading and reading.value,
        "datetime": reading and format_time(reading.at),
        "ageSeconds": reading and max(0.0, (now - reading.at) / timedelta(seconds=1)),
        "minimum": range_.minimum,
        "maximum": range_.maximum,
        "kitSerial": measured and measured.serial,
        "peripheralName": measured and measured.peripheral_name,
    }


def _range_objects(ranges: Mapping[int, Range]) -> list[dict[str, Any]]:
    return [
        {"quantityTypeId": key, "minimum": each.minimum, "maximum": each.maximum}
        for key, each in sorted(ranges.items())
    ]
