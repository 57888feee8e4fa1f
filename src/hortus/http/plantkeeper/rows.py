"""The rows of this API, in its names and types (plantkeeper 4.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hortus.domain.plants.species_store import Species
from hortus.domain.plants.state import Range
from hortus.flow.gateway.readings import Quantity
from hortus.http.plantkeeper.accounts import Account
from hortus.http.plantkeeper.answers import format_time
from hortus.http.plantkeeper.plants import LinkedPlant, Ranges
from hortus.http.plantkeeper.sensors import Sensor

ADMIN, USER = "Admin", "User"


def user_row(account: Account) -> dict[str, Any]:
    """Return the account, without any relation."""
    return {
        "username": account.username,
        "email": account.email_address,
        "role": ADMIN if account.is_admin else USER,
        "id": account.id,
        "createdAt": format_time(account.created_at),
        "updatedAt": format_time(account.updated_at),
    }


def user_with_relations_row(
    account: Account, sensors: Iterable[Sensor], plants: Iterable[LinkedPlant]
) -> dict[str, Any]:
    """Return the account with what it owns."""
    return {
        **user_row(account),
        "sensors": [sensor_row(sensor) for sensor in sensors],
        "plants": [plant_row(plant) for plant in plants],
    }


def sensor_row(sensor: Sensor) -> dict[str, Any]:
    """Return the sensor."""
    return {
        "id": sensor.id,
        "userId": sensor.owner_id,
        "name": sensor.name,
        "remark": sensor.remark,
        **_values(sensor),
        "createdAt": format_time(sensor.created_at),
        "updatedAt": format_time(sensor.updated_at),
        "lastAlert": format_time(sensor.last_alert),
    }


def anonymous_sensor_row(sensor: Sensor) -> dict[str, Any]:
    """Return the sensor without whose it is and what they call it, for a sender that did not say who it is."""
    return sensor_row(sensor) | {"userId": None, "name": "", "remark": "", "lastAlert": None}


def plant_row(linked: LinkedPlant) -> dict[str, Any]:
    """Return the plant with its sensor."""
    plant, sensor = linked.plant, linked.sensor
    return {
        "id": plant.id,
        "image": _image(linked),
        "name": plant.name,
        "remark": plant.remark,
        "generalPlantId": plant.species_id,
        "userId": plant.owner_id,
        "sensorId": sensor and sensor.id,
        "createdAt": format_time(plant.created_at),
        "updatedAt": format_time(plant.updated_at),
        "sensor": sensor and sensor_row(sensor),
    }


def general_plant_row(species: Species, ranges: Ranges) -> dict[str, Any]:
    """Return the species, without its plants."""
    return {
        "id": species.id,
        "image": species.image,
        "type": species.name,
        **_bounds(ranges),
        "description": species.description,
        "createdAt": format_time(species.created_at),
        "updatedAt": format_time(species.updated_at),
    }


def sensor_with_plant_row(sensor: Sensor, linked: LinkedPlant | None) -> dict[str, Any]:
    """Return a row of the view of sensors and their plants."""
    return {
        "sensorId": sensor.id,
        "sensorName": sensor.name,
        "sensorRemark": sensor.remark,
        **_sensor_values(sensor),
        "plantId": linked and linked.plant.id,
        "plantName": linked and linked.plant.name,
    }


def plant_with_species_row(linked: LinkedPlant) -> dict[str, Any]:
    """Return a row of the view of plants, their sensors and their general plants.

    The bounds are those that the plant is judged by: its own go before its species'.
    """
    plant, sensor, species = linked.plant, linked.sensor, linked.species
    bounds = {f"generalPlant{key[0].upper()}{key[1:]}": bound for key, bound in _bounds(linked.ranges).items()}
    return {
        "plantId": plant.id,
        "plantName": plant.name,
        "plantRemark": plant.remark,
        "plantImage": _image(linked),
        "plantSensorId": sensor and sensor.id,
        **_sensor_values(sensor),
        "sensorName": sensor and sensor.name,
        "generalPlantId": plant.species_id,
        "generalPlantImage": species and species.image,
        "generalPlantType": species and species.name,
        **bounds,
        "generalPlantDescription": species and species.description,
    }


def _values(sensor: Sensor | None) -> dict[str, float | None]:
    values: Mapping[Quantity, float] = sensor.values if sensor else {}
    temperature = values.get(Quantity.TEMPERATURE)
    return {
        "humidity": _whole(values.get(Quantity.HUMIDITY)),
        "light": _whole(values.get(Quantity.LIGHT)),
        "temperature": temperature,
    }


def _sensor_values(sensor: Sensor | None) -> dict[str, float | None]:
    return {f"sensor{key.capitalize()}": value for key, value in _values(sensor).items()}


def _bounds(ranges: Ranges) -> dict[str, float | None]:
    bounds: dict[str, float | None] = {}
    for quantity in (Quantity.HUMIDITY, Quantity.LIGHT, Quantity.TEMPERATURE):
        each = ranges.get(quantity, Range())
        whole = quantity is not Quantity.TEMPERATURE
        bounds[f"{quantity}Min"] = _whole(each.minimum) if whole else each.minimum
        bounds[f"{quantity}Max"] = _whole(each.maximum) if whole else each.maximum
    return bounds


def _whole(value: float | None) -> int | None:
    """Return the value as the original's integer columns would have it."""
    return None if value is None else round(value)


def _image(linked: LinkedPlant) -> str | None:
    plant = linked.plant
    if plant.photo_digest is not None:
        return f"/api/plants/{plant.id}/photo?v={plant.photo_digest[:16]}"
    return plant.image
