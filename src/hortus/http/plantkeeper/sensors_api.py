"""Sensors: boards as PlantKeeper's clients see them (plantkeeper 4.3)."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.store import find_user
from hortus.http.access.caller import Caller
from hortus.http.access.kit_access import KitAccess, access_to_kit_of_id
from hortus.http.access.permissions import Permission
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.parameters import IdInBody
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.texts import LINES
from hortus.http.plantkeeper.answers import (
    NO_ACCESS,
    Refused,
    answering,
    body_of,
    id_in_path,
    json_reply,
    not_found,
)
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.plantkeeper.plants import LinkedPlant, plants_of_sensor, plants_visible_to
from hortus.http.plantkeeper.rows import sensor_row, sensor_with_plant_row
from hortus.http.plantkeeper.sensors import (
    Sensor,
    find_sensor,
    list_sensors,
    list_sensors_of,
    register_sensor,
    retire_sensor,
)


class OwnerBody(JsonBody):
    """Whose something is, by the id."""

    id: IdInBody


class NewSensorBody(JsonBody):
    """A sensor to be registered; both texts may be empty."""

    name: str
    remark: Annotated[str, LINES]
    user_id: IdInBody | None = None
    user: OwnerBody | None = None

    @property
    def owner_id(self) -> int | None:
        """Whose it is to be, in either of the forms that the original takes."""
        return self.user.id if self.user else self.user_id


class SensorsApi:
    """Everything below `/sensors`, and `/users/sensors`, but for readings."""

    def __init__(self, parts: PlantKeeperParts) -> None:
        self._parts = parts
        self._services = parts.services

    def routes(self) -> list[Route]:
        """Return the routes. Literal paths go before those with ids."""
        return [
            Route("/users/sensors", answering(self.list_own), methods=["GET"]),
            Route("/users/sensors", answering(self.register), methods=["POST"]),
            Route("/users/sensors/linkedPlant", answering(self.list_own_with_plants), methods=["GET"]),
            Route("/sensors", answering(self.register), methods=["POST"]),
            Route("/sensors", answering(self.list_visible), methods=["GET"]),
            Route("/sensors/{id}", answering(self.show), methods=["GET"]),
            Route("/sensors/{id}", answering(self.retire), methods=["DELETE"]),
            Route("/sensors/{id}/linkedPlants", answering(self.show_with_plant), methods=["GET"]),
        ]

    async def list_own(self, request: Request) -> Response:
        """Answer the sensors that the caller has full access to."""
        return json_reply([sensor_row(sensor) for sensor in await self._own(request)])

    async def list_own_with_plants(self, request: Request) -> Response:
        """Answer the same with their plants; a sensor with several plants has several rows."""
        caller = await self._reader(request)
        now = self._services.clock()
        async with self._services.reading() as connection:
            sensors = await list_sensors_of(connection, caller.require_user(), now, owned_only=True)
            plants = await plants_visible_to(connection, caller, now)
        by_sensor: dict[int | None, list[LinkedPlant]] = {}
        for plant in plants:
            by_sensor.setdefault(plant.sensor.id if plant.sensor else None, []).append(plant)
        return json_reply(
            [row for sensor in sensors for row in _rows_with_plants(sensor, by_sensor.get(sensor.id, []))]
        )

    async def list_visible(self, request: Request) -> Response:
        """Answer the sensors that the caller shares; all of them to administrators."""
        caller = await self._reader(request)
        now = self._services.clock()
        async with self._services.reading() as connection:
            user = await find_user(connection, caller.require_user())
            if user is None:
                raise Refused(401, NO_ACCESS)
            sensors = (
                await list_sensors(connection, now)
                if user.is_admin
                else await list_sensors_of(connection, user.id, now, owned_only=False)
            )
        return json_reply([sensor_row(sensor) for sensor in sensors])

    async def register(self, request: Request) -> Response:
        """Register a board for the caller, and answer its row: its id is typed into the board."""
        caller = await self._parts.caller(request)
        user_id = caller.require_scope(Scope.MANAGE)
        wanted = await body_of(request, NewSensorBody)
        now = self._services.clock()
        async with self._services.writing() as connection:
            user = await find_user(connection, user_id)
            if user is None:
                raise Refused(401, NO_ACCESS)
            owner_id = wanted.owner_id or user_id
            if owner_id != user_id and not user.is_admin:
                raise Refused(403, "You can register sensors for yourself only.")
            if owner_id != user_id and await find_user(connection, owner_id) is None:
                raise Refused(422, f"There is no user {owner_id}.")
            sensor_id = await register_sensor(
                connection,
                owner_id,
                name=wanted.name,
                remark=wanted.remark,
                now=now,
                quotas=self._services.parts.quotas,
            )
            sensor = await find_sensor(connection, sensor_id, now)
        assert sensor is not None
        return json_reply(sensor_row(sensor), 201)

    async def show(self, request: Request) -> Response:
        """Answer a sensor that the caller shares."""
        caller = await self._parts.caller(request)
        async with self._services.reading() as connection:
            sensor = await permitted_sensor(connection, self._parts, caller, request, Permission.VIEW)
        return json_reply(sensor_row(sensor))

    async def show_with_plant(self, request: Request) -> Response:
        """Answer the same with its plant."""
        caller = await self._parts.caller(request)
        async with self._services.reading() as connection:
            sensor = await permitted_sensor(connection, self._parts, caller, request, Permission.VIEW)
            plants = await plants_of_sensor(connection, caller, sensor, self._services.clock())
        return json_reply(_rows_with_plants(sensor, plants)[0])

    async def retire(self, request: Request) -> Response:
        """End a board: its number is no longer taken, and its plants are unlinked. Its readings stay."""
        caller = await self._parts.caller(request)
        async with self._services.writing() as connection:
            sensor = await permitted_sensor(connection, self._parts, caller, request, Permission.DELETE)
            await retire_sensor(connection, sensor, self._services.clock())
        return Response()

    async def _own(self, request: Request) -> list[Sensor]:
        caller = await self._reader(request)
        async with self._services.reading() as connection:
            return await list_sensors_of(
                connection, caller.require_user(), self._services.clock(), owned_only=True
            )

    async def _reader(self, request: Request) -> Caller:
        caller = await self._parts.caller(request)
        caller.require_scope(Scope.READ)
        return caller


async def permitted_sensor(
    connection: AsyncConnection,
    parts: PlantKeeperParts,
    caller: Caller,
    request: Request,
    permission: Permission,
) -> Sensor:
    """Return the sensor in the path. Raises Refused 404, or Problem 403 if the caller may not do this."""
    sensor_id = id_in_path(request, "Sensor")
    sensor = await find_sensor(connection, sensor_id, parts.services.clock())
    if sensor is None:
        raise not_found(f"Sensor {sensor_id}")
    access = await visible_kit(connection, caller, sensor)
    access.require(permission)
    return sensor


async def visible_kit(connection: AsyncConnection, caller: Caller, sensor: Sensor) -> KitAccess:
    """Return what the caller may do with a sensor's kit. Raises Refused 404 if they may not see it."""
    try:
        return await access_to_kit_of_id(connection, caller, sensor.kit_id)
    except Problem as error:
        raise not_found(f"Sensor {sensor.id}") from error


def _rows_with_plants(sensor: Sensor, plants: list[LinkedPlant]) -> list[dict[str, Any]]:
    if not plants:
        return [sensor_with_plant_row(sensor, None)]
    return [sensor_with_plant_row(sensor, plant) for plant in plants]
