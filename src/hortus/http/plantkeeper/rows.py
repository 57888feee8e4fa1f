"""The rows of this API, with its names and types (plantkeeper 4.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from typing_extensions import TypedDict

from hortus.domain.plants.species_store import Species
from hortus.domain.plants.state import Range
from hortus.flow.gateway.readings import Quantity
from hortus.http.conventions.replies import TimeText
from hortus.http.plantkeeper.accounts import PlantKeeperUser
from hortus.http.plantkeeper.pictures import shown_image
from hortus.http.plantkeeper.plants import LinkedPlant, Ranges
from hortus.http.plantkeeper.sensors import Sensor


class PlainUser(TypedDict):
    """A person."""

    username: str
    email: str
    role: Literal["Admin", "User"]
    id: int
    createdAt: TimeText
    updatedAt: TimeText


class PlainSensor(TypedDict):
    """A board with its latest values; humidity is the moisture of the soil."""

    id: int
    userId: int | None
    name: str
    remark: str
    humidity: int | None
    light: int | None
    temperature: float | None
    createdAt: TimeText
    updatedAt: TimeText
    lastAlert: TimeText | None


class PlainPlant(TypedDict):
    """A plant with its sensor."""

    id: int
    image: str | None
    name: str
    remark: str
    generalPlantId: int | None
    userId: int | None
    sensorId: int | None
    createdAt: TimeText
    updatedAt: TimeText
    sensor: PlainSensor | None


class UserWithRelations(PlainUser, TypedDict):
    """A person with their sensors and plants."""

    sensors: list[PlainSensor]
    plants: list[PlainPlant]


class GeneralPlant(TypedDict):
    """A species."""

    id: int
    image: str | None
    type: str
    humidityMin: int | None
    humidityMax: int | None
    lightMin: int | None
    lightMax: int | None
    temperatureMin: float | None
    temperatureMax: float | None
    description: str
    createdAt: TimeText
    updatedAt: TimeText


class GeneralPlantWithPlants(GeneralPlant, TypedDict):
    """A species with those of its plants that the caller may see."""

    plants: list[PlainPlant]


class SensorWithPlant(TypedDict):
    """A board and a plant that it measures."""

    sensorId: int
    sensorName: str
    sensorRemark: str
    sensorHumidity: int | None
    sensorLight: int | None
    sensorTemperature: float | None
    plantId: int | None
    plantName: str | None


class PlantWithGeneralPlant(TypedDict):
    """A plant with its values and bounds: its own bounds take precedence over its species'."""

    plantId: int
    plantName: str
    plantRemark: str
    plantImage: str | None
    plantSensorId: int | None
    sensorHumidity: int | None
    sensorLight: int | None
    sensorTemperature: float | None
    sensorName: str | None
    generalPlantId: int | None
    generalPlantImage: str | None
    generalPlantType: str | None
    generalPlantHumidityMin: int | None
    generalPlantHumidityMax: int | None
    generalPlantLightMin: int | None
    generalPlantLightMax: int | None
    generalPlantTemperatureMin: float | None
    generalPlantTemperatureMax: float | None
    generalPlantDescription: str | None


def user_row(account: PlantKeeperUser) -> PlainUser:
    """Return the account without relations."""
    return {
        "username": account.shown_name,
        "email": account.email_address,
        "role": "Admin" if account.is_admin else "User",
        "id": account.id,
        "createdAt": format_time(account.created_at),
        "updatedAt": format_time(account.updated_at),
    }


def user_with_relations_row(
    account: PlantKeeperUser, sensors: Iterable[Sensor], plants: Iterable[LinkedPlant]
) -> UserWithRelations:
    """Return the account with its sensors and plants."""
    return {
        **user_row(account),
        "sensors": [sensor_row(sensor) for sensor in sensors],
        "plants": [plant_row(plant) for plant in plants],
    }


def sensor_row(sensor: Sensor) -> PlainSensor:
    values = sensor.values
    return {
        "id": sensor.id,
        "userId": sensor.owner_id,
        "name": sensor.name,
        "remark": sensor.remark,
        "humidity": _whole(values.get(Quantity.HUMIDITY)),
        "light": _whole(values.get(Quantity.LIGHT)),
        "temperature": values.get(Quantity.TEMPERATURE),
        "createdAt": format_time(sensor.created_at),
        "updatedAt": format_time(sensor.updated_at),
        "lastAlert": None if sensor.last_alert is None else format_time(sensor.last_alert),
    }


def anonymous_sensor_row(sensor: Sensor) -> PlainSensor:
    """Return the sensor without owner and remark, for a sender who is not authenticated."""
    return {**sensor_row(sensor), "userId": None, "name": "", "remark": "", "lastAlert": None}


def plant_row(linked: LinkedPlant) -> PlainPlant:
    """Return the plant with its sensor."""
    plant, sensor = linked.plant, linked.sensor
    return {
        "id": plant.id,
        "image": shown_image(plant, linked.photo),
        "name": plant.name,
        "remark": plant.remark,
        "generalPlantId": plant.species_id,
        "userId": plant.owner_id,
        "sensorId": None if sensor is None else sensor.id,
        "createdAt": format_time(plant.created_at),
        "updatedAt": format_time(plant.updated_at),
        "sensor": None if sensor is None else sensor_row(sensor),
    }


def general_plant_row(species: Species, ranges: Ranges) -> GeneralPlant:
    """Return the species without its plants."""
    humidity, light, temperature = _ranges(ranges)
    return {
        "id": species.id,
        "image": species.image,
        "type": species.name,
        "humidityMin": _whole(humidity.minimum),
        "humidityMax": _whole(humidity.maximum),
        "lightMin": _whole(light.minimum),
        "lightMax": _whole(light.maximum),
        "temperatureMin": temperature.minimum,
        "temperatureMax": temperature.maximum,
        "description": species.description,
        "createdAt": format_time(species.created_at),
        "updatedAt": format_time(species.updated_at),
    }


def sensor_with_plant_row(sensor: Sensor, linked: LinkedPlant | None) -> SensorWithPlant:
    """Return a row of the view of sensors and their plants."""
    values = sensor.values
    return {
        "sensorId": sensor.id,
        "sensorName": sensor.name,
        "sensorRemark": sensor.remark,
        "sensorHumidity": _whole(values.get(Quantity.HUMIDITY)),
        "sensorLight": _whole(values.get(Quantity.LIGHT)),
        "sensorTemperature": values.get(Quantity.TEMPERATURE),
        "plantId": None if linked is None else linked.plant.id,
        "plantName": None if linked is None else linked.plant.name,
    }


def plant_with_general_plant_row(linked: LinkedPlant) -> PlantWithGeneralPlant:
    """Return a row of the view of plants, their sensors and their general plants."""
    plant, sensor, species = linked.plant, linked.sensor, linked.species
    values: Mapping[Quantity, float] = {} if sensor is None else sensor.values
    humidity, light, temperature = _ranges(linked.ranges)
    return {
        "plantId": plant.id,
        "plantName": plant.name,
        "plantRemark": plant.remark,
        "plantImage": shown_image(plant, linked.photo),
        "plantSensorId": None if sensor is None else sensor.id,
        "sensorHumidity": _whole(values.get(Quantity.HUMIDITY)),
        "sensorLight": _whole(values.get(Quantity.LIGHT)),
        "sensorTemperature": values.get(Quantity.TEMPERATURE),
        "sensorName": None if sensor is None else sensor.name,
        "generalPlantId": plant.species_id,
        "generalPlantImage": None if species is None else species.image,
        "generalPlantType": None if species is None else species.name,
        "generalPlantHumidityMin": _whole(humidity.minimum),
        "generalPlantHumidityMax": _whole(humidity.maximum),
        "generalPlantLightMin": _whole(light.minimum),
        "generalPlantLightMax": _whole(light.maximum),
        "generalPlantTemperatureMin": temperature.minimum,
        "generalPlantTemperatureMax": temperature.maximum,
        "generalPlantDescription": None if species is None else species.description,
    }


def format_time(moment: datetime) -> str:
    """Return a time in JavaScript's format: UTC, milliseconds, Z."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _ranges(ranges: Ranges) -> tuple[Range, Range, Range]:
    """Return the ranges of humidity, light and temperature."""
    unbounded = Range()
    return (
        ranges.get(Quantity.HUMIDITY, unbounded),
        ranges.get(Quantity.LIGHT, unbounded),
        ranges.get(Quantity.TEMPERATURE, unbounded),
    )


def _whole(value: float | None) -> int | None:
    """Return the value rounded for the original's integer columns."""
    return None if value is None else round(value)
