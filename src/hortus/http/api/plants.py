"""Endpoints for plants and their condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.profiles import find_profile_by_name
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.store import find_user
from hortus.domain.plants.links import AlreadyLinked, MeasuringSource, link_plant
from hortus.domain.plants.overview import overviews
from hortus.domain.plants.rules import (
    MOST_NAME_CHARACTERS,
    MOST_TEXT_CHARACTERS,
    InvalidPlant,
    TooManyLinks,
)
from hortus.domain.plants.state import Range
from hortus.domain.plants.store import (
    Plant,
    change_plant,
    create_plant,
    delete_plant,
    list_plants_of_kit,
    list_plants_of_user,
    list_plants_owned,
    set_plant_range,
    unset_plant_range,
)
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.plant_access import (
    PlantAccess,
    access_to_plant,
    access_to_plants,
    configurable_kit,
    editable_plant,
    require_visible_species,
)
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import (
    GUARDED,
    WITH_BODY,
    next_page,
    problems,
    request_body,
)
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.paging import x_next
from hortus.http.conventions.parameters import Identifier, IdInBody, IdInQuery
from hortus.http.conventions.problems import (
    conflict,
    forbidden,
    not_found,
    unauthorized,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import LINES, NAME
from hortus.http.documents.plants import PlantObject, invalid_plant, plant_object

router = APIRouter(tags=["Plants"])

PAGE_SIZE = 100

PlantId = Annotated[Identifier, Path(alias="plantId")]

_Name = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_NAME_CHARACTERS}), NAME]
_Remark = Annotated[str, Field(json_schema_extra={"maxLength": MOST_TEXT_CHARACTERS}), LINES]

_EXAMPLE = {"name": "Monty", "remark": "By the window.", "speciesId": 1, "kitSerial": "k-3467-bcdf-ghjk"}


class NewPlantBody(JsonBody):
    """The plant to create. With `kitSerial`, it is linked to that kit from now on."""

    name: _Name
    remark: _Remark = ""
    image: str | None = None
    species_id: IdInBody | None = None
    kit_serial: str | None = None


class PlantChangeBody(JsonBody):
    """The fields to change. Null clears image and species, and leaves any other field unchanged."""

    name: _Name | None = None
    remark: _Remark | None = None
    image: str | None = None
    species_id: IdInBody | None = None


class OwnRangeBody(JsonBody):
    """A plant's own range, bounds included. Without any bound, the quantity is not judged."""

    minimum: float | None = None
    maximum: float | None = None


@router.get(
    "/plants",
    responses=problems(401, 403) | next_page("X-Next", "/plants?after=100"),
    summary="List your plants",
)
async def show_plants(
    services: UsedServices, caller: CurrentCaller, after: IdInQuery = None
) -> JsonReply[list[PlantObject]]:
    """Lists plants that you own or that are measured by kits you are a member of, with their condition."""
    user_id = caller.require_scope(Scope.READ)
    async with services.reading() as connection:
        found = await list_plants_of_user(connection, user_id, after=after, most=PAGE_SIZE + 1)
        return await _page(services, connection, caller, found, "/plants")


@router.get(
    "/users/{username}/plants",
    responses=problems(404) | next_page("X-Next", "/users/flora/plants?after=100"),
    summary="List a person's plants",
)
async def show_plants_of_user(
    services: UsedServices, caller: CurrentCaller, username: str, after: IdInQuery = None
) -> JsonReply[list[PlantObject]]:
    """Lists the person's plants that you can see. A page may hold fewer plants than its limit."""
    async with services.reading() as connection:
        profile = await find_profile_by_name(connection, username)
        if profile is None:
            raise not_found()
        found = await list_plants_owned(connection, profile.id, after=after, most=PAGE_SIZE + 1)
        path = f"/users/{quote(profile.username, safe='')}/plants"
        return await _page(services, connection, caller, found, path)


@router.get(
    "/kits/{kitSerial}/plants",
    responses=GUARDED | next_page("X-Next", "/kits/k-3467-bcdf-ghjk/plants?after=100"),
    summary="List the plants measured by a kit",
)
async def show_plants_of_kit(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, after: IdInQuery = None
) -> JsonReply[list[PlantObject]]:
    """Lists the plants that are linked to the kit now."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        found = await list_plants_of_kit(connection, access.kit_id, after=after, most=PAGE_SIZE + 1)
        return await _page(services, connection, caller, found, f"/kits/{access.kit['serial']}/plants")


@router.post(
    "/plants",
    status_code=201,
    responses=GUARDED | problems(409) | WITH_BODY,
    openapi_extra=request_body(NewPlantBody, _EXAMPLE),
    summary="Create a plant",
)
async def make_plant(
    services: UsedServices,
    body: Annotated[NewPlantBody, Depends(json_body(NewPlantBody))],
    caller: CurrentCaller,
) -> JsonReply[PlantObject]:
    """You become the plant's owner. Linking it to a kit requires `editConfiguration` for that kit."""
    user_id = caller.require_scope(Scope.CONFIGURE)
    now = services.clock()
    with refusals_as_problems():
        async with services.writing() as connection:
            if await find_user(connection, user_id) is None:
                raise unauthorized("expired")
            await require_visible_species(connection, caller, body.species_id)
            plant_id = await create_plant(
                connection,
                user_id,
                name=body.name,
                remark=body.remark,
                image=body.image,
                species_id=body.species_id,
                most=services.parts.quotas.plants_per_person,
            )
            if body.kit_serial is not None:
                kit_id = await configurable_kit(connection, caller, body.kit_serial)
                await link_plant(connection, plant_id, MeasuringSource(kit_id=kit_id), since=now, now=now)
            document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document, status_code=201)


@router.get("/plants/{plantId}", responses=GUARDED, summary="Get a plant")
async def show_plant(
    services: UsedServices, caller: CurrentCaller, plant_id: PlantId
) -> JsonReply[PlantObject]:
    """Returns the plant, the kits that measure it, and its condition by the latest readings."""
    async with services.reading() as connection:
        access = await access_to_plant(connection, caller, plant_id)
        access.require_view()
        (document,) = await _documents(services, connection, [access])
    return JsonReply(document)


@router.patch(
    "/plants/{plantId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(PlantChangeBody, {"name": "Monty", "speciesId": 1}),
    summary="Update a plant",
)
async def edit_plant(
    services: UsedServices,
    body: Annotated[PlantChangeBody, Depends(json_body(PlantChangeBody))],
    caller: CurrentCaller,
    plant_id: PlantId,
) -> JsonReply[PlantObject]:
    """Fields that are absent keep their values."""
    values: dict[str, Any] = {
        name: value
        for name in body.model_fields_set
        if (value := getattr(body, name)) is not None or name in {"image", "species_id"}
    }
    with refusals_as_problems():
        async with services.writing() as connection:
            access = await editable_plant(connection, caller, plant_id)
            if values.get("species_id") != access.plant.species_id:
                await require_visible_species(connection, caller, values.get("species_id"))
            await change_plant(connection, plant_id, values)
            document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document)


@router.delete("/plants/{plantId}", response_class=Response, responses=GUARDED, summary="Delete a plant")
async def remove_plant(services: UsedServices, caller: CurrentCaller, plant_id: PlantId) -> Response:
    """Only the owner can delete a plant. Readings stay with the kits that recorded them."""
    async with services.writing() as connection:
        (await editable_plant(connection, caller, plant_id)).require_owner()
        await delete_plant(connection, plant_id)
    return empty_reply()


@router.put(
    "/plants/{plantId}/ranges/{quantityTypeId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(OwnRangeBody, {"minimum": 20.0, "maximum": 30.0}),
    summary="Set a plant's own range",
)
async def put_range(
    services: UsedServices,
    body: Annotated[OwnRangeBody, Depends(json_body(OwnRangeBody))],
    caller: CurrentCaller,
    plant_id: PlantId,
    quantity_type_id: Annotated[Identifier, Path(alias="quantityTypeId")],
) -> JsonReply[PlantObject]:
    """The plant's own range takes precedence over its species' range."""
    with refusals_as_problems():
        async with services.writing() as connection:
            await editable_plant(connection, caller, plant_id)
            own = Range(minimum=body.minimum, maximum=body.maximum)
            await set_plant_range(connection, plant_id, quantity_type_id, own)
            document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document)


@router.delete(
    "/plants/{plantId}/ranges/{quantityTypeId}",
    responses=GUARDED,
    summary="Remove a plant's own range",
)
async def delete_range(
    services: UsedServices,
    caller: CurrentCaller,
    plant_id: PlantId,
    quantity_type_id: Annotated[Identifier, Path(alias="quantityTypeId")],
) -> JsonReply[PlantObject]:
    """The range of the plant's species applies again. The answer is 404 if the plant has no own range."""
    async with services.writing() as connection:
        await editable_plant(connection, caller, plant_id)
        if not await unset_plant_range(connection, plant_id, quantity_type_id):
            raise not_found()
        document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document)


async def plant_document(
    services: Services, connection: AsyncConnection, caller: Caller, plant_id: int
) -> PlantObject:
    """Return the current state of the plant, after a change."""
    access = await access_to_plant(connection, caller, plant_id)
    (document,) = await _documents(services, connection, [access])
    return document


@contextmanager
def refusals_as_problems() -> Iterator[None]:
    """Translate invalid plants, ranges and links into Problems."""
    try:
        yield
    except InvalidPlant as error:
        raise invalid_plant(error) from error
    except (TooManyLinks, QuotaReached) as error:
        raise forbidden(str(error)) from error
    except AlreadyLinked as error:
        raise conflict(str(error)) from error


async def _page(
    services: Services, connection: AsyncConnection, caller: Caller, found: Sequence[Plant], path: str
) -> JsonReply[list[PlantObject]]:
    page = found[:PAGE_SIZE]
    accesses = await access_to_plants(connection, caller, page)
    visible = [access for access in accesses if Permission.VIEW in access.permissions]
    more = x_next(path, {"after": page[-1].id}) if len(found) > PAGE_SIZE else None
    return JsonReply(await _documents(services, connection, visible), headers=more)


async def _documents(
    services: Services, connection: AsyncConnection, accesses: Sequence[PlantAccess]
) -> list[PlantObject]:
    now = services.clock()
    found = await overviews(
        connection,
        [access.plant for access in accesses],
        {access.plant.id: access.links for access in accesses},
        now=now,
        freshness=services.parts.plant_freshness,
    )
    return [plant_object(access, overview, now) for access, overview in zip(accesses, found, strict=True)]
