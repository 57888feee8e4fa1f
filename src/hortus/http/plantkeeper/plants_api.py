"""Plants as PlantKeeper's clients see them (plantkeeper 4.3)."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.store import find_user
from hortus.domain.plants.store import change_plant, create_plant, delete_plant, lock_plant
from hortus.http.access.caller import Caller
from hortus.http.access.permissions import Permission
from hortus.http.access.plant_access import PlantAccess, access_to_plant, visible_species
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.parameters import IdInBody
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.texts import LINES, NAME
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
from hortus.http.plantkeeper.plants import (
    LinkedPlant,
    link_to_sensor,
    linked_plants,
    plants_of_user,
    plants_visible_to,
    unlink_sensors,
)
from hortus.http.plantkeeper.rows import plant_row, plant_with_species_row
from hortus.http.plantkeeper.sensors import Sensor, find_sensor
from hortus.http.plantkeeper.sensors_api import OwnerBody, visible_kit


class ReferenceBody(JsonBody):
    """A general plant or a sensor, by its id."""

    id: IdInBody


class PlantChangeBody(JsonBody):
    """What is to be different. A sensor that is null unlinks the plant."""

    name: Annotated[str | None, NAME] = None
    remark: Annotated[str | None, LINES] = None
    image: str | None = None
    general_plant: ReferenceBody | None = None
    general_plant_id: IdInBody | None = None
    sensor: ReferenceBody | None = None
    sensor_id: IdInBody | None = None

    @property
    def wanted_species_id(self) -> int | None:
        """Which general plant, in either of the forms that the original takes."""
        return self.general_plant.id if self.general_plant else self.general_plant_id

    @property
    def wanted_sensor_id(self) -> int | None:
        """Which sensor, in either of the forms that the original takes."""
        return self.sensor.id if self.sensor else self.sensor_id

    @property
    def says_sensor(self) -> bool:
        """Whether anything is said about the sensor, and be it that there is none."""
        return bool(self.model_fields_set & {"sensor", "sensor_id"})


class NewPlantBody(PlantChangeBody):
    """A plant to be made; a general plant belongs to it, a sensor may."""

    name: Annotated[str, NAME]
    remark: Annotated[str, LINES]
    user: OwnerBody | None = None
    user_id: IdInBody | None = None


class PlantsApi:
    """Everything below `/plants`, and `/users/plants`."""

    def __init__(self, parts: PlantKeeperParts) -> None:
        self._parts = parts
        self._services = parts.services

    def routes(self) -> list[Route]:
        """Return the routes. Literal paths go before those with ids."""
        return [
            Route("/users/plants", answering(self.list_own), methods=["GET"]),
            Route("/users/plants", answering(self.make), methods=["POST"]),
            Route("/users/plants/linkedGeneralPlant", answering(self.list_own_with_species), methods=["GET"]),
            Route("/plants", answering(self.make), methods=["POST"]),
            Route("/plants", answering(self.list_visible), methods=["GET"]),
            Route("/plants/{id}", answering(self.show), methods=["GET"]),
            Route("/plants/{id}", answering(self.change), methods=["PATCH"]),
            Route("/plants/{id}", answering(self.delete), methods=["DELETE"]),
            Route("/plants/{id}/linkedGeneralPlant", answering(self.show_with_species), methods=["GET"]),
        ]

    async def list_own(self, request: Request) -> Response:
        """Answer the caller's plants, each with its sensor."""
        return json_reply([plant_row(plant) for plant in await self._own(request)])

    async def list_own_with_species(self, request: Request) -> Response:
        """Answer the caller's plants with values and bounds: what a dashboard needs."""
        return json_reply([plant_with_species_row(plant) for plant in await self._own(request)])

    async def list_visible(self, request: Request) -> Response:
        """Answer the plants that the caller may see through their kits as well."""
        caller = await self._parts.caller(request)
        caller.require_scope(Scope.READ)
        async with self._services.reading() as connection:
            plants = await plants_visible_to(connection, caller, self._services.clock())
        return json_reply([plant_row(plant) for plant in plants])

    async def make(self, request: Request) -> Response:
        """Make a plant of the caller's, and answer its row."""
        caller = await self._parts.caller(request)
        user_id = caller.require_scope(Scope.CONFIGURE)
        wanted = await body_of(request, NewPlantBody)
        owner_id = wanted.user.id if wanted.user else wanted.user_id
        if owner_id not in {None, user_id}:
            raise Refused(403, "You can make plants for yourself only.")
        async with self._services.writing() as connection:
            if await find_user(connection, user_id) is None:
                raise Refused(401, NO_ACCESS)
            if wanted.wanted_species_id is None:
                raise Refused(422, 'Say which general plant it is: "generalPlant": {"id": 1}.')
            await self._require_species(connection, caller, wanted.wanted_species_id)
            plant_id = await create_plant(
                connection,
                user_id,
                name=wanted.name,
                remark=wanted.remark,
                image=wanted.image or None,
                species_id=wanted.wanted_species_id,
                most=self._services.parts.quotas.plants_per_person,
            )
            await self._link(connection, caller, plant_id, wanted)
            made = await self._linked(connection, caller, plant_id)
        return json_reply(plant_row(made), 201)

    async def show(self, request: Request) -> Response:
        """Answer a plant with its sensor."""
        return json_reply(plant_row(await self._visible(request)))

    async def show_with_species(self, request: Request) -> Response:
        """Answer a plant with values and bounds."""
        return json_reply(plant_with_species_row(await self._visible(request)))

    async def change(self, request: Request) -> Response:
        """Change a plant, and answer its row."""
        caller = await self._parts.caller(request)
        plant_id = id_in_path(request, "Plant")
        wanted = await body_of(request, PlantChangeBody)
        values: dict[str, Any] = {
            name: value for name in ("name", "remark") if (value := getattr(wanted, name)) is not None
        }
        if "image" in wanted.model_fields_set:
            values["image"] = wanted.image or None
        async with self._services.writing() as connection:
            access = await self._editable(connection, caller, plant_id)
            if wanted.wanted_species_id not in {None, access.plant.species_id}:
                await self._require_species(connection, caller, wanted.wanted_species_id)
                values["species_id"] = wanted.wanted_species_id
            await change_plant(connection, plant_id, values)
            await self._link(connection, caller, plant_id, wanted)
            changed = await self._linked(connection, caller, plant_id)
        return json_reply(plant_row(changed))

    async def delete(self, request: Request) -> Response:
        """Delete a plant of the caller's. What its sensor measured stays."""
        caller = await self._parts.caller(request)
        plant_id = id_in_path(request, "Plant")
        async with self._services.writing() as connection:
            (await self._editable(connection, caller, plant_id)).require_owner()
            await delete_plant(connection, plant_id)
        return Response()

    async def _own(self, request: Request) -> list[LinkedPlant]:
        caller = await self._parts.caller(request)
        user_id = caller.require_scope(Scope.READ)
        async with self._services.reading() as connection:
            return await plants_of_user(connection, caller, user_id, self._services.clock())

    async def _visible(self, request: Request) -> LinkedPlant:
        caller = await self._parts.caller(request)
        plant_id = id_in_path(request, "Plant")
        async with self._services.reading() as connection:
            access = await _access(connection, caller, plant_id)
            access.require_view()
            (plant,) = await linked_plants(connection, [access], self._services.clock())
        return plant

    async def _editable(self, connection: AsyncConnection, caller: Caller, plant_id: int) -> PlantAccess:
        access = await _access(connection, caller, plant_id)
        access.require_edit()
        if not await lock_plant(connection, plant_id):
            raise not_found(f"Plant {plant_id}")
        return access

    async def _linked(self, connection: AsyncConnection, caller: Caller, plant_id: int) -> LinkedPlant:
        access = await _access(connection, caller, plant_id)
        (plant,) = await linked_plants(connection, [access], self._services.clock())
        return plant

    async def _link(
        self, connection: AsyncConnection, caller: Caller, plant_id: int, wanted: PlantChangeBody
    ) -> None:
        now = self._services.clock()
        if wanted.wanted_sensor_id is not None:
            sensor = await self._linkable_sensor(connection, caller, wanted.wanted_sensor_id)
            await link_to_sensor(connection, plant_id, sensor, now)
        elif wanted.says_sensor:
            await unlink_sensors(connection, plant_id, now)

    async def _linkable_sensor(self, connection: AsyncConnection, caller: Caller, sensor_id: int) -> Sensor:
        missing = Refused(422, f"There is no sensor {sensor_id} that you may use.")
        sensor = await find_sensor(connection, sensor_id, self._services.clock())
        if sensor is None:
            raise missing
        try:
            access = await visible_kit(connection, caller, sensor)
        except Refused as error:
            raise missing from error
        access.require(Permission.EDIT_CONFIGURATION)
        return sensor

    async def _require_species(
        self, connection: AsyncConnection, caller: Caller, species_id: int | None
    ) -> None:
        if species_id is None or await visible_species(connection, caller, species_id) is None:
            raise Refused(422, f"There is no general plant {species_id} that you may use.")


async def _access(connection: AsyncConnection, caller: Caller, plant_id: int) -> PlantAccess:
    try:
        return await access_to_plant(connection, caller, plant_id)
    except Problem as error:
        raise not_found(f"Plant {plant_id}") from error
