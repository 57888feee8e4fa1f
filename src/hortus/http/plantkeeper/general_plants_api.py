"""General plants: our species as PlantKeeper's clients see them (plantkeeper 4.3)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.parameters import LARGEST_ID, SMALLEST_ID
from hortus.http.conventions.texts import LINES, NAME
from hortus.http.plantkeeper.answers import (
    NO_ACCESS,
    Refused,
    answering,
    body_of,
    error_reply,
    id_in_path,
    json_reply,
    not_found,
)
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.plantkeeper.plants import (
    LinkedPlant,
    Ranges,
    as_species_ranges,
    plants_visible_to,
    ranges_of_general_plants,
)
from hortus.http.plantkeeper.rows import general_plant_row, plant_row

_MOST_SPECIES = 10_000

Whole = Annotated[int, Field(ge=SMALLEST_ID, le=LARGEST_ID)]


class NewGeneralPlantBody(JsonBody):
    """A general plant to be described. All bounds belong to it: clients expect numbers."""

    type: Annotated[str, NAME]
    humidity_min: Whole
    humidity_max: Whole
    light_min: Whole
    light_max: Whole
    temperature_min: float
    temperature_max: float
    description: Annotated[str, LINES]
    image: str | None = None


class GeneralPlantChangeBody(JsonBody):
    """What is to be different."""

    type: Annotated[str | None, NAME] = None
    humidity_min: Whole | None = None
    humidity_max: Whole | None = None
    light_min: Whole | None = None
    light_max: Whole | None = None
    temperature_min: float | None = None
    temperature_max: float | None = None
    description: Annotated[str | None, LINES] = None
    image: str | None = None


class GeneralPlantsApi:
    """Everything below `/general-plants`."""

    def __init__(self, parts: PlantKeeperParts) -> None:
        self._parts = parts
        self._services = parts.services

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/general-plants", answering(self.describe), methods=["POST"]),
            Route("/general-plants", answering(self.list_all), methods=["GET"]),
            Route("/general-plants/{id}", answering(self.show), methods=["GET"]),
            Route("/general-plants/{id}", answering(self.change), methods=["PATCH"]),
            Route("/general-plants/{id}", answering(self.delete), methods=["DELETE"]),
        ]

    async def list_all(self, request: Request) -> Response:
        """Answer the built-in species, and the caller's own; each with the plants that the caller may see."""
        caller = await self._parts.caller_or_nobody(request)
        user_id = caller.user_id if Scope.READ in caller.scopes else None
        async with self._services.reading() as connection:
            found = await list_species(connection, user_id, most=_MOST_SPECIES)
            rows = await self._rows(connection, caller, found)
        return json_reply(rows)

    async def show(self, request: Request) -> Response:
        """Answer one of them."""
        caller = await self._parts.caller_or_nobody(request)
        species_id = id_in_path(request, "General plant")
        async with self._services.reading() as connection:
            species = await _visible(connection, caller, species_id)
            (row,) = await self._rows(connection, caller, [species])
        return json_reply(row)

    async def describe(self, request: Request) -> Response:
        """Describe a species of the caller's own, and answer its row."""
        caller = await self._parts.caller(request)
        user_id = caller.require_scope(Scope.CONFIGURE)
        wanted = await body_of(request, NewGeneralPlantBody)
        async with self._services.writing() as connection:
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
                self._services.parts.quotas.species_per_person,
            )
            row = await self._row(connection, species_id)
        return json_reply(row, 201)

    async def change(self, request: Request) -> Response:
        """Change a species of the caller's own. Ranges of what this API does not know stay."""
        caller = await self._parts.caller(request)
        species_id = id_in_path(request, "General plant")
        wanted = await body_of(request, GeneralPlantChangeBody)
        values: dict[str, Any] = {
            column: value
            for column, value in (("name", wanted.type), ("description", wanted.description))
            if value is not None
        }
        if "image" in wanted.model_fields_set:
            values["image"] = wanted.image or None
        async with self._services.writing() as connection:
            species = await _own(connection, caller, species_id)
            known = await ranges_of_general_plants(connection, [species])
            changed = await as_species_ranges(connection, _ranges(wanted, known[species_id]))
            await change_species(connection, species_id, values, {**species.ranges, **changed})
            row = await self._row(connection, species_id)
        return json_reply(row)

    async def delete(self, request: Request) -> Response:
        """Delete a species of the caller's own. Plants of it stand in the way, and are not deleted with it."""
        caller = await self._parts.caller(request)
        species_id = id_in_path(request, "General plant")
        try:
            async with self._services.writing() as connection:
                await _own(connection, caller, species_id)
                await delete_species(connection, species_id)
        except SpeciesInUse as error:
            return error_reply(409, str(error))
        return Response()

    async def _rows(
        self, connection: AsyncConnection, caller: Caller, found: list[Species]
    ) -> list[dict[str, Any]]:
        plants: dict[int | None, list[LinkedPlant]] = {}
        if caller.user_id is not None and Scope.READ in caller.scopes:
            for plant in await plants_visible_to(connection, caller, self._services.clock()):
                plants.setdefault(plant.plant.species_id, []).append(plant)
        ranges = await ranges_of_general_plants(connection, found)
        return [
            general_plant_row(species, ranges[species.id])
            | {"plants": [plant_row(plant) for plant in plants.get(species.id, ())]}
            for species in found
        ]

    async def _row(self, connection: AsyncConnection, species_id: int) -> dict[str, Any]:
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
        raise Refused(403, "Built-in general plants cannot be changed. Describe one of your own instead.")
    caller.require_scope(Scope.CONFIGURE)
    return species


def _ranges(wanted: NewGeneralPlantBody | GeneralPlantChangeBody, known: Ranges) -> dict[Quantity, Range]:
    """Return the ranges that are known with the bounds that are wanted."""
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
