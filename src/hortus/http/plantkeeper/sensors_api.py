"""Sensors: boards in the form that PlantKeeper's clients know (plantkeeper 4.3), except for readings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.domain.accounts.store import find_user
from hortus.http.access.caller import Caller
from hortus.http.access.kit_access import KitAccess, access_to_kit_of_id
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services, UsedServices
from hortus.http.conventions.documentation import request_body
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import LINES
from hortus.http.plantkeeper.answers import (
    ALWAYS,
    LOGGED_IN,
    NO_ACCESS,
    WITH_BODY,
    WITH_ID,
    Refused,
    not_found,
)
from hortus.http.plantkeeper.form_values import OptionalId, Reference
from hortus.http.plantkeeper.plants import LinkedPlant, plants_of_sensor, plants_visible_to
from hortus.http.plantkeeper.requests import LoggedIn, Manager, Reader, SensorId, body_of
from hortus.http.plantkeeper.rows import (
    PlainSensor,
    SensorWithPlant,
    sensor_row,
    sensor_with_plant_row,
)
from hortus.http.plantkeeper.sensors import (
    Sensor,
    find_sensor,
    list_sensors,
    list_sensors_of,
    register_sensor,
    retire_sensor,
)

router = APIRouter(tags=["Sensors"], responses=ALWAYS | LOGGED_IN)


class NewSensorBody(JsonBody):
    """The sensor to register; both texts may be empty."""

    name: str
    remark: Annotated[str, LINES]
    user_id: OptionalId = None
    user: Reference = None

    @property
    def owner_id(self) -> int | None:
        """The id of the owner, in either form that the original accepts."""
        return self.user_id if self.user is None else self.user


@router.get("/users/sensors", summary="List your boards")
async def list_own_sensors(services: UsedServices, caller: Reader) -> JsonReply[list[PlainSensor]]:
    """Lists the boards that you have full access to."""
    async with services.reading() as connection:
        sensors = await list_sensors_of(connection, caller.require_user(), services.clock(), owned_only=True)
    return JsonReply([sensor_row(sensor) for sensor in sensors])


@router.get("/users/sensors/linkedPlant", summary="List your boards with their plants")
async def list_own_sensors_with_plants(
    services: UsedServices, caller: Reader
) -> JsonReply[list[SensorWithPlant]]:
    """Lists your boards with their plants. A board with several plants has several rows."""
    now = services.clock()
    async with services.reading() as connection:
        sensors = await list_sensors_of(connection, caller.require_user(), now, owned_only=True)
        plants = await plants_visible_to(connection, caller, now, with_photos=False)
    by_sensor: dict[int | None, list[LinkedPlant]] = {}
    for plant in plants:
        by_sensor.setdefault(plant.sensor.id if plant.sensor else None, []).append(plant)
    return JsonReply(
        [row for sensor in sensors for row in _rows_with_plants(sensor, by_sensor.get(sensor.id, []))]
    )


@router.get("/sensors", summary="List the boards that you can use")
async def list_visible_sensors(services: UsedServices, caller: Reader) -> JsonReply[list[PlainSensor]]:
    """Lists the boards whose kits you are a member of. Administrators get all boards."""
    now = services.clock()
    async with services.reading() as connection:
        user = await find_user(connection, caller.require_user())
        if user is None:
            raise Refused(401, NO_ACCESS)
        sensors = (
            await list_sensors(connection, now)
            if user.is_admin
            else await list_sensors_of(connection, user.id, now, owned_only=False)
        )
    return JsonReply([sensor_row(sensor) for sensor in sensors])


@router.post(
    "/users/sensors",
    status_code=201,
    responses=WITH_BODY,
    openapi_extra=request_body(NewSensorBody),
    summary="Register a board",
)
@router.post(
    "/sensors",
    status_code=201,
    responses=WITH_BODY,
    openapi_extra=request_body(NewSensorBody),
    summary="Register a board",
)
async def register(
    services: UsedServices,
    caller: Manager,
    wanted: Annotated[NewSensorBody, Depends(body_of(NewSensorBody))],
) -> JsonReply[PlainSensor]:
    """Returns the new board. Its `id` is the number to type into the board."""
    user_id = caller.require_user()
    now = services.clock()
    async with services.writing() as connection:
        user = await find_user(connection, user_id)
        if user is None:
            raise Refused(401, NO_ACCESS)
        owner_id = wanted.owner_id or user_id
        if owner_id != user_id and not user.is_admin:
            raise Refused(403, "You can register sensors only for yourself.")
        if owner_id != user_id and await find_user(connection, owner_id) is None:
            raise Refused(422, f"There is no user {owner_id}.")
        sensor_id = await register_sensor(
            connection,
            owner_id,
            name=wanted.name,
            remark=wanted.remark,
            now=now,
            quotas=services.parts.quotas,
        )
        sensor = await find_sensor(connection, sensor_id, now)
    assert sensor is not None
    return JsonReply(sensor_row(sensor), status_code=201)


@router.get("/sensors/{id}", responses=WITH_ID, summary="Get a board")
async def show_sensor(services: UsedServices, caller: LoggedIn, sensor_id: SensorId) -> JsonReply[PlainSensor]:
    """You must be a member of the board's kit."""
    async with services.reading() as connection:
        sensor = await _permitted_sensor(connection, services, caller, sensor_id, Permission.VIEW)
    return JsonReply(sensor_row(sensor))


@router.get("/sensors/{id}/linkedPlants", responses=WITH_ID, summary="Get a board with its plant")
async def show_sensor_with_plant(
    services: UsedServices, caller: LoggedIn, sensor_id: SensorId
) -> JsonReply[SensorWithPlant]:
    """You must be a member of the board's kit."""
    async with services.reading() as connection:
        sensor = await _permitted_sensor(connection, services, caller, sensor_id, Permission.VIEW)
        plants = await plants_of_sensor(connection, caller, sensor, services.clock())
    return JsonReply(_rows_with_plants(sensor, plants)[0])


@router.delete("/sensors/{id}", response_class=Response, responses=WITH_ID, summary="Retire a board")
async def retire(services: UsedServices, caller: LoggedIn, sensor_id: SensorId) -> Response:
    """The board's number is no longer accepted, and its plants are unlinked. Its readings are kept."""
    async with services.writing() as connection:
        sensor = await _permitted_sensor(connection, services, caller, sensor_id, Permission.DELETE)
        await retire_sensor(connection, sensor, services.clock())
    return empty_reply()


async def visible_kit(connection: AsyncConnection, caller: Caller, sensor: Sensor) -> KitAccess:
    """Return the caller's access to a sensor's kit. Raises Refused 404 if they may not see it."""
    try:
        return await access_to_kit_of_id(connection, caller, sensor.kit_id)
    except Problem as error:
        raise not_found(f"Sensor {sensor.id}") from error


async def _permitted_sensor(
    connection: AsyncConnection, services: Services, caller: Caller, sensor_id: int, permission: Permission
) -> Sensor:
    """Return a sensor. Raises Refused 404, or Problem 403 if the caller may not do this."""
    sensor = await find_sensor(connection, sensor_id, services.clock())
    if sensor is None:
        raise not_found(f"Sensor {sensor_id}")
    access = await visible_kit(connection, caller, sensor)
    access.require(permission)
    return sensor


def _rows_with_plants(sensor: Sensor, plants: list[LinkedPlant]) -> list[SensorWithPlant]:
    if not plants:
        return [sensor_with_plant_row(sensor, None)]
    return [sensor_with_plant_row(sensor, plant) for plant in plants]
