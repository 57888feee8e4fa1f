"""General plants: species in the form that PlantKeeper's clients know (plantkeeper 4.3)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.store import find_user
from hortus.domain.plants.species_store import (
    NewSpecies,
    Species,
    SpeciesInUse,
    change_species,
    create_species,
    delete_species,
    find_species,
    list_species,
)
from hortus.domain.plants.state import Range
from hortus.flow.gateway.readings import Quantity
from hortus.http.access.caller import Caller
from hortus.http.access.plant_access import visible_species
from hortus.http.access.services import Services, UsedServices
from hortus.http.conventions.documentation import request_body
from hortus.http.conventions.json_body import JsonBody
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
    refusals,
)
from hortus.http.plantkeeper.form_values import Number, OptionalNumber, OptionalWhole, Whole
from hortus.http.plantkeeper.pictures import require_no_picture
from hortus.http.plantkeeper.plants import (
    LinkedPlant,
    Ranges,
    as_species_ranges,
    plants_visible_to,
    ranges_of_general_plants,
)
from hortus.http.plantkeeper.requests import (
    WITHOUT_LOGGING_IN,
    Anybody,
    Configurer,
    GeneralPlantId,
    LoggedIn,
    body_of,
)
from hortus.http.plantkeeper.rows import (
    GeneralPlant,
    GeneralPlantWithPlants,
    general_plant_row,
    plant_row,
)

router = APIRouter(tags=["General plants"], responses=ALWAYS)

_MOST_SPECIES = 10_000


class NewGeneralPlantBody(JsonBody):
    """The general plant to create. All bounds are required: clients expect numbers."""

    type: Annotated[str, NAME]
    humidity_min: Whole
    humidity_max: Whole
    light_min: Whole
    light_max: Whole
    temperature_min: Number
    temperature_max: Number
    description: Annotated[str, LINES]
    image: str | None = None


class GeneralPlantChangeBody(JsonBody):
    """The fields to change."""

    type: Annotated[str | None, NAME] = None
    humidity_min: OptionalWhole = None
    humidity_max: OptionalWhole = None
    light_min: OptionalWhole = None
    light_max: OptionalWhole = None
    temperature_min: OptionalNumber = None
    temperature_max: OptionalNumber = None
    description: Annotated[str | None, LINES] = None
    image: str | None = None


@router.get(
    "/general-plants",
    responses=refusals(401),
    openapi_extra=WITHOUT_LOGGING_IN,
    summary="List general plants",
)
async def list_general_plants(
    services: UsedServices, caller: Anybody
) -> JsonReply[list[GeneralPlantWithPlants]]:
    """Lists built-in species and your own, each with the plants that you can see."""
    user_id = caller.user_id if Scope.READ in caller.scopes else None
    async with services.reading() as connection:
        found = await list_species(connection, user_id, most=_MOST_SPECIES)
        return JsonReply(await _rows(services, connection, caller, found))


@router.get(
    "/general-plants/{id}",
    responses=refusals(401) | WITH_ID,
    openapi_extra=WITHOUT_LOGGING_IN,
    summary="Get a general plant",
)
async def show_general_plant(
    services: UsedServices, caller: Anybody, species_id: GeneralPlantId
) -> JsonReply[GeneralPlantWithPlants]:
    """Returns a built-in species or one of your own."""
    async with services.reading() as connection:
        species = await _visible(connection, caller, species_id)
        if not species.is_built_in:
            caller.require_scope(Scope.READ)
        (row,) = await _rows(services, connection, caller, [species])
    return JsonReply(row)


@router.post(
    "/general-plants",
    status_code=201,
    responses=LOGGED_IN | WITH_BODY,
    openapi_extra=request_body(NewGeneralPlantBody),
    summary="Create a general plant",
)
async def describe(
    services: UsedServices,
    caller: Configurer,
    wanted: Annotated[NewGeneralPlantBody, Depends(body_of(NewGeneralPlantBody))],
) -> JsonReply[GeneralPlant]:
    """Creates a species that only you can see and use."""
    user_id = caller.require_user()
    require_no_picture(wanted.image)
    async with services.writing() as connection:
        if await find_user(connection, user_id) is None:
            raise Refused(401, NO_ACCESS)
        ranges = await as_species_ranges(connection, _ranges(wanted, {}))
        species_id = await create_species(
            connection,
            user_id,
            NewSpecies(
                name=wanted.type,
                description=wanted.description,
                image=wanted.image or None,
                ranges=ranges,
            ),
            services.parts.quotas.species_per_person,
        )
        row = await _row(connection, species_id)
    return JsonReply(row, status_code=201)


@router.patch(
    "/general-plants/{id}",
    responses=LOGGED_IN | WITH_ID | WITH_BODY,
    openapi_extra=request_body(GeneralPlantChangeBody),
    summary="Update one of your general plants",
)
async def change(
    services: UsedServices,
    caller: LoggedIn,
    species_id: GeneralPlantId,
    wanted: Annotated[GeneralPlantChangeBody, Depends(body_of(GeneralPlantChangeBody))],
) -> JsonReply[GeneralPlantWithPlants]:
    """Ranges of quantities that this API does not know are kept."""
    require_no_picture(wanted.image)
    values: dict[str, Any] = {
        column: value
        for column, value in (("name", wanted.type), ("description", wanted.description))
        if value is not None
    }
    if "image" in wanted.model_fields_set:
        values["image"] = wanted.image or None
    async with services.writing() as connection:
        species = await _own(connection, caller, species_id)
        known = await ranges_of_general_plants(connection, [species])
        changed = await as_species_ranges(connection, _ranges(wanted, known[species_id]))
        await change_species(connection, species_id, values, {**species.ranges, **changed})
        species = await _visible(connection, caller, species_id)
        (row,) = await _rows(services, connection, caller, [species])
    return JsonReply(row)


@router.delete(
    "/general-plants/{id}",
    response_class=Response,
    responses=LOGGED_IN | WITH_ID | refusals(409),
    summary="Delete one of your general plants",
)
async def delete(services: UsedServices, caller: LoggedIn, species_id: GeneralPlantId) -> Response:
    """A species cannot be deleted while plants use it; its plants are not deleted with it."""
    try:
        async with services.writing() as connection:
            await _own(connection, caller, species_id)
            await delete_species(connection, species_id)
    except SpeciesInUse as error:
        raise Refused(409, str(error)) from error
    return empty_reply()


async def _rows(
    services: Services, connection: AsyncConnection, caller: Caller, found: list[Species]
) -> list[GeneralPlantWithPlants]:
    plants: dict[int | None, list[LinkedPlant]] = {}
    if caller.user_id is not None and Scope.READ in caller.scopes:
        for plant in await plants_visible_to(connection, caller, services.clock()):
            plants.setdefault(plant.plant.species_id, []).append(plant)
    ranges = await ranges_of_general_plants(connection, found)
    return [
        {
            **general_plant_row(species, ranges[species.id]),
            "plants": [plant_row(plant) for plant in plants.get(species.id, ())],
        }
        for species in found
    ]


async def _row(connection: AsyncConnection, species_id: int) -> GeneralPlant:
    species = await find_species(connection, species_id)
    if species is None:
        raise not_found(f"General plant {species_id}")
    ranges = await ranges_of_general_plants(connection, [species])
    return general_plant_row(species, ranges[species_id])


async def _visible(connection: AsyncConnection, caller: Caller, species_id: int) -> Species:
    species = await visible_species(connection, caller, species_id)
    if species is None:
        raise not_found(f"General plant {species_id}")
    return species


async def _own(connection: AsyncConnection, caller: Caller, species_id: int) -> Species:
    species = await _visible(connection, caller, species_id)
    if species.is_built_in:
        raise Refused(403, "Built-in general plants cannot be changed. Create one of your own instead.")
    caller.require_scope(Scope.CONFIGURE)
    return species


def _ranges(wanted: NewGeneralPlantBody | GeneralPlantChangeBody, known: Ranges) -> dict[Quantity, Range]:
    """Return the known ranges, updated with the requested bounds."""
    ranges = {}
    for quantity in Quantity:
        before = known.get(quantity, Range())
        minimum, maximum = getattr(wanted, f"{quantity}_min"), getattr(wanted, f"{quantity}_max")
        after = Range(
            minimum=before.minimum if minimum is None else minimum,
            maximum=before.maximum if maximum is None else maximum,
        )
        if not after.is_open:
            ranges[quantity] = after
    return ranges
