"""Plants in the form that PlantKeeper's clients know (plantkeeper 4.3)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.domain.accounts.store import find_user
from hortus.domain.plants.store import change_plant, create_plant, delete_plant, lock_plant
from hortus.http.access.caller import Caller
from hortus.http.access.permissions import Permission
from hortus.http.access.plant_access import PlantAccess, access_to_plant, visible_species
from hortus.http.access.services import Services, UsedServices
from hortus.http.conventions.documentation import request_body
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import LINES, NAME
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
from hortus.http.plantkeeper.pictures import NewImage, new_image, put_image
from hortus.http.plantkeeper.plants import (
    LinkedPlant,
    link_to_sensor,
    linked_plants,
    plants_of_user,
    plants_visible_to,
    unlink_sensors,
)
from hortus.http.plantkeeper.requests import Configurer, LoggedIn, PlantId, Reader, body_of
from hortus.http.plantkeeper.rows import (
    PlainPlant,
    PlantWithGeneralPlant,
    plant_row,
    plant_with_general_plant_row,
)
from hortus.http.plantkeeper.sensors import Sensor, find_sensor
from hortus.http.plantkeeper.sensors_api import visible_kit

router = APIRouter(tags=["Plants"], responses=ALWAYS | LOGGED_IN)


class PlantChangeBody(JsonBody):
    """The fields to change. Null as the sensor unlinks the plant."""

    name: Annotated[str | None, NAME] = None
    remark: Annotated[str | None, LINES] = None
    image: str | None = None
    general_plant: Reference = None
    general_plant_id: OptionalId = None
    sensor: Reference = None
    sensor_id: OptionalId = None

    @property
    def wanted_species_id(self) -> int | None:
        """The id of the general plant, in either form that the original accepts."""
        return self.general_plant_id if self.general_plant is None else self.general_plant

    @property
    def wanted_sensor_id(self) -> int | None:
        """The id of the sensor, in either form; `sensor` counts if both are there, as in the original."""
        return self.sensor if "sensor" in self.model_fields_set else self.sensor_id

    @property
    def says_sensor(self) -> bool:
        """Whether the body mentions the sensor, even if as null."""
        return bool(self.model_fields_set & {"sensor", "sensor_id"})


class NewPlantBody(PlantChangeBody):
    """The plant to create. The general plant is required, the sensor optional."""

    name: Annotated[str, NAME]
    remark: Annotated[str, LINES]
    user: Reference = None
    user_id: OptionalId = None


@router.get("/users/plants", summary="List your plants")
async def list_own_plants(services: UsedServices, caller: Reader) -> JsonReply[list[PlainPlant]]:
    """Lists the plants that you own, each with its sensor."""
    return JsonReply([plant_row(plant) for plant in await _own(services, caller)])


@router.get("/users/plants/linkedGeneralPlant", summary="List your plants with values and bounds")
async def list_own_plants_with_general_plants(
    services: UsedServices, caller: Reader
) -> JsonReply[list[PlantWithGeneralPlant]]:
    """Lists your plants with current values and bounds, as a dashboard needs them."""
    return JsonReply([plant_with_general_plant_row(plant) for plant in await _own(services, caller)])


@router.get("/plants", summary="List the plants that you can see")
async def list_visible_plants(services: UsedServices, caller: Reader) -> JsonReply[list[PlainPlant]]:
    """Lists your plants and those that you can see through your kits."""
    async with services.reading() as connection:
        plants = await plants_visible_to(connection, caller, services.clock())
    return JsonReply([plant_row(plant) for plant in plants])


@router.post(
    "/users/plants",
    status_code=201,
    responses=WITH_BODY,
    openapi_extra=request_body(NewPlantBody),
    summary="Create a plant",
)
@router.post(
    "/plants",
    status_code=201,
    responses=WITH_BODY,
    openapi_extra=request_body(NewPlantBody),
    summary="Create a plant",
)
async def make_plant(
    services: UsedServices,
    caller: Configurer,
    wanted: Annotated[NewPlantBody, Depends(body_of(NewPlantBody))],
) -> JsonReply[PlainPlant]:
    """You become the plant's owner. The image may be a data URL of a JPEG, PNG or WebP picture."""
    user_id = caller.require_user()
    owner_id = wanted.user_id if wanted.user is None else wanted.user
    if owner_id not in {None, user_id}:
        raise Refused(403, "You can create plants only for yourself.")
    image = await new_image(wanted.image) or NewImage()
    async with services.writing() as connection:
        if await find_user(connection, user_id) is None:
            raise Refused(401, NO_ACCESS)
        if wanted.wanted_species_id is None:
            raise Refused(422, 'The general plant is missing, for example "generalPlant": {"id": 1}.')
        await _require_species(connection, caller, wanted.wanted_species_id)
        plant_id = await create_plant(
            connection,
            user_id,
            name=wanted.name,
            remark=wanted.remark,
            image=image.text,
            species_id=wanted.wanted_species_id,
            most=services.parts.quotas.plants_per_person,
        )
        await put_image(connection, plant_id, image)
        await _link(services, connection, caller, plant_id, wanted)
        made = await _linked(services, connection, caller, plant_id)
    return JsonReply(plant_row(made), status_code=201)


@router.get("/plants/{id}", responses=WITH_ID, summary="Get a plant")
async def show_plant(services: UsedServices, caller: LoggedIn, plant_id: PlantId) -> JsonReply[PlainPlant]:
    """Returns the plant with its sensor."""
    return JsonReply(plant_row(await _visible(services, caller, plant_id)))


@router.get("/plants/{id}/linkedGeneralPlant", responses=WITH_ID, summary="Get a plant with values and bounds")
async def show_plant_with_general_plant(
    services: UsedServices, caller: LoggedIn, plant_id: PlantId
) -> JsonReply[PlantWithGeneralPlant]:
    """Returns the plant with its current values and the bounds that it is judged by."""
    return JsonReply(plant_with_general_plant_row(await _visible(services, caller, plant_id)))


@router.patch(
    "/plants/{id}",
    responses=WITH_ID | WITH_BODY,
    openapi_extra=request_body(PlantChangeBody),
    summary="Update a plant",
)
async def change(
    services: UsedServices,
    caller: LoggedIn,
    plant_id: PlantId,
    wanted: Annotated[PlantChangeBody, Depends(body_of(PlantChangeBody))],
) -> JsonReply[PlainPlant]:
    """Fields that are absent keep their values. An image may be a data URL of a JPEG, PNG or WebP picture."""
    values: dict[str, Any] = {
        name: value for name in ("name", "remark") if (value := getattr(wanted, name)) is not None
    }
    image = None
    if "image" in wanted.model_fields_set:
        # Before the transaction, and only after the permission check: decoding a picture takes time and memory.
        async with services.reading() as connection:
            access = await _access(connection, caller, plant_id)
        access.require_edit()
        image = await new_image(wanted.image, access.plant)
    if image is not None:
        values["image"] = image.text
    async with services.writing() as connection:
        access = await _editable(connection, caller, plant_id)
        if wanted.wanted_species_id not in {None, access.plant.species_id}:
            await _require_species(connection, caller, wanted.wanted_species_id)
            values["species_id"] = wanted.wanted_species_id
        await change_plant(connection, plant_id, values)
        if image is not None:
            await put_image(connection, plant_id, image)
        await _link(services, connection, caller, plant_id, wanted)
        changed = await _linked(services, connection, caller, plant_id)
    return JsonReply(plant_row(changed))


@router.delete("/plants/{id}", response_class=Response, responses=WITH_ID, summary="Delete one of your plants")
async def delete(services: UsedServices, caller: LoggedIn, plant_id: PlantId) -> Response:
    """Deletes the plant. The readings of its sensor are kept."""
    async with services.writing() as connection:
        (await _editable(connection, caller, plant_id)).require_owner()
        await delete_plant(connection, plant_id)
    return empty_reply()


async def _own(services: Services, caller: Caller) -> list[LinkedPlant]:
    async with services.reading() as connection:
        return await plants_of_user(connection, caller, caller.require_user(), services.clock())


async def _visible(services: Services, caller: Caller, plant_id: int) -> LinkedPlant:
    async with services.reading() as connection:
        access = await _access(connection, caller, plant_id)
        access.require_view()
        (plant,) = await linked_plants(connection, [access], services.clock())
    return plant


async def _editable(connection: AsyncConnection, caller: Caller, plant_id: int) -> PlantAccess:
    access = await _access(connection, caller, plant_id)
    access.require_edit()
    if not await lock_plant(connection, plant_id):
        raise not_found(f"Plant {plant_id}")
    return access


async def _linked(
    services: Services, connection: AsyncConnection, caller: Caller, plant_id: int
) -> LinkedPlant:
    access = await _access(connection, caller, plant_id)
    (plant,) = await linked_plants(connection, [access], services.clock())
    return plant


async def _link(
    services: Services, connection: AsyncConnection, caller: Caller, plant_id: int, wanted: PlantChangeBody
) -> None:
    now = services.clock()
    if wanted.wanted_sensor_id is not None:
        sensor = await _linkable_sensor(services, connection, caller, wanted.wanted_sensor_id)
        await link_to_sensor(connection, plant_id, sensor, now)
    elif wanted.says_sensor:
        await unlink_sensors(connection, plant_id, now)


async def _linkable_sensor(
    services: Services, connection: AsyncConnection, caller: Caller, sensor_id: int
) -> Sensor:
    missing = Refused(422, f"There is no sensor {sensor_id} that you can use.")
    sensor = await find_sensor(connection, sensor_id, services.clock())
    if sensor is None:
        raise missing
    try:
        access = await visible_kit(connection, caller, sensor)
    except Refused as error:
        raise missing from error
    access.require(Permission.EDIT_CONFIGURATION)
    return sensor


async def _require_species(connection: AsyncConnection, caller: Caller, species_id: int | None) -> None:
    if species_id is None or await visible_species(connection, caller, species_id) is None:
        raise Refused(422, f"There is no general plant {species_id} that you can use.")


async def _access(connection: AsyncConnection, caller: Caller, plant_id: int) -> PlantAccess:
    try:
        return await access_to_plant(connection, caller, plant_id)
    except Problem as error:
        raise not_found(f"Plant {plant_id}") from error
