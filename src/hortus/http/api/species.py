"""Endpoints for species."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from starlette.responses import Response

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.store import find_user
from hortus.domain.plants.rules import (
    MOST_NAME_CHARACTERS,
    MOST_SCIENTIFIC_NAME_CHARACTERS,
    MOST_TEXT_CHARACTERS,
    InvalidPlant,
)
from hortus.domain.plants.species_store import (
    NewSpecies,
    SpeciesInUse,
    change_species,
    create_species,
    delete_species,
    find_species,
    list_species,
)
from hortus.domain.plants.state import Range
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.plant_access import editable_species, visible_species
from hortus.http.access.services import UsedServices
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
    OTHER,
    conflict,
    forbidden,
    invalid_parameters,
    not_found,
    unauthorized,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import LINES, NAME
from hortus.http.documents.plants import SpeciesObject, invalid_plant, species_object

router = APIRouter(tags=["Plants"])

PAGE_SIZE = 100

SpeciesId = Annotated[Identifier, Path(alias="speciesId")]

_Name = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_NAME_CHARACTERS}), NAME]
_Description = Annotated[str, Field(json_schema_extra={"maxLength": MOST_TEXT_CHARACTERS}), LINES]

_ScientificName = Annotated[
    str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_SCIENTIFIC_NAME_CHARACTERS}), NAME
]

_EXAMPLE = {
    "name": "Basil",
    "scientificName": "Ocimum basilicum",
    "description": "Likes it warm, and never dry.",
    "ranges": [{"quantityTypeId": 1, "minimum": 18.0, "maximum": 28.0}, {"quantityTypeId": 3, "minimum": 40.0}],
}


class RangeBody(JsonBody):
    """The target range of a quantity, bounds included. One bound may be absent."""

    quantity_type_id: IdInBody
    minimum: float | None = None
    maximum: float | None = None


class NewSpeciesBody(JsonBody):
    """The species to create."""

    name: _Name
    scientific_name: _ScientificName | None = None
    description: _Description = ""
    image: str | None = None
    sources: _Description = ""
    ranges: list[RangeBody]


class SpeciesChangeBody(JsonBody):
    """The fields to change. `ranges` replaces all ranges.

    Null clears the image and the scientific name, and leaves the rest.
    """

    name: _Name | None = None
    scientific_name: _ScientificName | None = None
    description: _Description | None = None
    image: str | None = None
    sources: _Description | None = None
    ranges: list[RangeBody] | None = None


@router.get(
    "/species",
    responses=next_page("X-Next", "/species?after=100"),
    summary="List species",
)
async def show_all_species(
    services: UsedServices, caller: CurrentCaller, after: IdInQuery = None
) -> JsonReply[list[SpeciesObject]]:
    """Lists built-in species and your own, ordered by id. Without a log-in, only built-in ones."""
    user_id = caller.user_id if Scope.READ in caller.scopes else None
    async with services.reading() as connection:
        found = await list_species(connection, user_id, after=after, most=PAGE_SIZE + 1)
    page = found[:PAGE_SIZE]
    more = x_next("/species", {"after": page[-1].id}) if len(found) > PAGE_SIZE else None
    return JsonReply([species_object(species) for species in page], headers=more)


@router.post(
    "/species",
    status_code=201,
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(NewSpeciesBody, _EXAMPLE),
    summary="Create a species",
)
async def describe_species(
    services: UsedServices,
    body: Annotated[NewSpeciesBody, Depends(json_body(NewSpeciesBody))],
    caller: CurrentCaller,
) -> JsonReply[SpeciesObject]:
    """The species is private: only you can see and use it."""
    user_id = caller.require_scope(Scope.CONFIGURE)
    species = NewSpecies(
        name=body.name,
        scientific_name=body.scientific_name,
        description=body.description,
        image=body.image,
        sources=body.sources,
        ranges=_ranges(body.ranges),
    )
    try:
        async with services.writing() as connection:
            if await find_user(connection, user_id) is None:
                raise unauthorized("expired")
            most = services.parts.quotas.species_per_person
            made = await find_species(connection, await create_species(connection, user_id, species, most))
    except InvalidPlant as error:
        raise invalid_plant(error) from error
    except QuotaReached as error:
        raise forbidden(str(error)) from error
    assert made is not None
    return JsonReply(species_object(made), status_code=201)


@router.get("/species/{speciesId}", responses=GUARDED, summary="Get a species")
async def show_species(
    services: UsedServices, caller: CurrentCaller, species_id: SpeciesId
) -> JsonReply[SpeciesObject]:
    """Returns a built-in species or one of your own."""
    async with services.reading() as connection:
        species = await visible_species(connection, caller, species_id)
    if species is None:
        raise caller.refusal()
    if not species.is_built_in:
        caller.require_scope(Scope.READ)
    return JsonReply(species_object(species))


@router.patch(
    "/species/{speciesId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(SpeciesChangeBody, _EXAMPLE),
    summary="Update one of your species",
)
async def edit_species(
    services: UsedServices,
    body: Annotated[SpeciesChangeBody, Depends(json_body(SpeciesChangeBody))],
    caller: CurrentCaller,
    species_id: SpeciesId,
) -> JsonReply[SpeciesObject]:
    """New ranges apply to all plants of the species at once. Built-in species cannot be changed."""
    values: dict[str, Any] = {
        name: value
        for name in body.model_fields_set - {"ranges"}
        if (value := getattr(body, name)) is not None or name in {"image", "scientific_name"}
    }
    ranges = None if body.ranges is None else _ranges(body.ranges)
    try:
        async with services.writing() as connection:
            await editable_species(connection, caller, species_id)
            if values or ranges is not None:
                await change_species(connection, species_id, values, ranges)
            changed = await find_species(connection, species_id)
    except InvalidPlant as error:
        raise invalid_plant(error) from error
    if changed is None:
        raise not_found()
    return JsonReply(species_object(changed))


@router.delete(
    "/species/{speciesId}",
    response_class=Response,
    responses=GUARDED | problems(409),
    summary="Delete one of your species",
)
async def remove_species(services: UsedServices, caller: CurrentCaller, species_id: SpeciesId) -> Response:
    """A species cannot be deleted while plants use it."""
    try:
        async with services.writing() as connection:
            await editable_species(connection, caller, species_id)
            await delete_species(connection, species_id)
    except SpeciesInUse as error:
        raise conflict(str(error)) from error
    return empty_reply()


def _ranges(bodies: list[RangeBody]) -> dict[int, Range]:
    ranges = {each.quantity_type_id: Range(minimum=each.minimum, maximum=each.maximum) for each in bodies}
    if len(ranges) < len(bodies):
        raise invalid_parameters({"ranges": [OTHER]}, "Each quantity type can have only one range.")
    return ranges
