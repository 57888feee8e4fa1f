"""The list of species, the page of each, and the forms for one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.definitions.queries import list_quantity_types
from hortus.domain.plants.rules import (
    MOST_NAME_CHARACTERS,
    MOST_SCIENTIFIC_NAME_CHARACTERS,
    MOST_TEXT_CHARACTERS,
    InvalidPlant,
)
from hortus.domain.plants.species_store import (
    NewSpecies,
    Species,
    SpeciesInUse,
    change_species,
    create_species,
    delete_species,
    plants_of_species,
    search_species,
)
from hortus.domain.plants.state import Range
from hortus.http.access.plant_access import editable_species, visible_species
from hortus.http.access.viewer import Viewer
from hortus.http.pages.forms import Form
from hortus.http.pages.plants.fields import range_of, refuse_all, text_of
from hortus.http.pages.plants.list_pages import MOST_SPECIES
from hortus.http.pages.plants.opening import id_in_path
from hortus.http.pages.plants.range_pages import MOST_QUANTITIES
from hortus.http.pages.requests import LogInNeeded, read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.viewers import caller_of

_MOST_FORM_BYTES = 65_536
_MOST_FIELDS = 2 * MOST_QUANTITIES + 10
_NO_SPECIES = gettext_noop("This species does not exist, or you cannot see it.")
_TOASTS = {
    "created": gettext_noop("Species created."),
    "changed": gettext_noop("Saved. New ranges apply to all plants of the species."),
    "deleted": gettext_noop("Species deleted."),
}
_IN_USE = gettext_noop("Some plants are of this species. Choose another species for them, or delete them.")
_FIELDS = {
    "name": "name",
    "scientificName": "scientific_name",
    "description": "description",
    "sources": "sources",
    "ranges": "ranges",
}


class SpeciesPages:
    """`/species`, `/species/new`, `/species/{id}` and `/species/{id}/edit`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/species", self.show_all, methods=["GET"]),
            Route("/species/new", self.new, methods=["GET"]),
            Route("/species/new", self.create, methods=["POST"]),
            Route("/species/{species_id}", self.show, methods=["GET"]),
            Route("/species/{species_id}/edit", self.edit, methods=["GET"]),
            Route("/species/{species_id}/edit", self.save, methods=["POST"]),
            Route("/species/{species_id}/delete", self.delete, methods=["POST"]),
        ]

    async def show_all(self, request: Request) -> Response:
        """Answer with the species whose common or scientific name contains what was typed."""
        viewer = await self._site.viewer(request)
        wanted = request.query_params.get("q", "").strip()[:100]
        async with self._site.reading() as connection:
            user_id = viewer.user.id if viewer.user else None
            found = await search_species(connection, user_id, wanted, MOST_SPECIES)
        return self._site.page(
            request, "species/list.html", viewer=viewer, species=found, wanted=wanted, toasts=_TOASTS
        )

    async def show(self, request: Request) -> Response:
        """Answer with a species: its ranges, and where they come from."""
        viewer = await self._site.viewer(request)
        async with self._site.reading() as connection:
            species = await _visible(connection, viewer, request)
            types = await list_quantity_types(connection, None, MOST_QUANTITIES)
            plants = await plants_of_species(connection, species.id) if _is_own(viewer, species) else 0
        return self._site.page(
            request,
            "species/species.html",
            viewer=viewer,
            species=species,
            types=[type_ for type_ in types if type_["id"] in species.ranges],
            is_own=_is_own(viewer, species),
            plants=plants,
            toasts=_TOASTS,
        )

    async def new(self, request: Request) -> Response:
        """Answer with the empty form."""
        viewer, _ = await self._site.person(request)
        return await self._form(request, viewer, Form(), None)

    async def create(self, request: Request) -> Response:
        """Create a species, or show the form again with what is wrong."""
        require_same_origin(request)
        form = Form(values=await read_form(request, most_bytes=_MOST_FORM_BYTES, most_fields=_MOST_FIELDS))
        viewer, user = await self._site.person(request)
        values, ranges = _values_of(form), _ranges_of(form)
        try:
            if not form.faults:
                async with self._site.changing() as connection:
                    most = self._site.services.parts.quotas.species_per_person
                    species = NewSpecies(**values, ranges=ranges)
                    species_id = await create_species(connection, user.id, species, most)
        except InvalidPlant as error:
            refuse_all(form, error, _FIELDS)
        except QuotaReached as error:
            form.refuse("name", gettext(str(error)))
        if form.faults:
            return await self._form(request, viewer, form, None, status_code=422)
        return redirect(request, f"/species/{species_id}", said="created")

    async def edit(self, request: Request) -> Response:
        """Answer with the form of one's own species."""
        viewer, _ = await self._site.person(request)
        async with self._site.reading() as connection:
            species = await _editable(connection, viewer, request)
        return await self._form(request, viewer, Form(values=_entered(species)), species)

    async def save(self, request: Request) -> Response:
        """Change a species, or show the form again with what is wrong."""
        require_same_origin(request)
        form = Form(values=await read_form(request, most_bytes=_MOST_FORM_BYTES, most_fields=_MOST_FIELDS))
        viewer, _ = await self._site.person(request)
        values, ranges = _values_of(form), _ranges_of(form)
        try:
            async with self._site.changing() as connection:
                species = await _editable(connection, viewer, request)
                if not form.faults:
                    await change_species(connection, species.id, values, ranges)
        except InvalidPlant as error:
            refuse_all(form, error, _FIELDS)
        if form.faults:
            return await self._form(request, viewer, form, species, status_code=422)
        return redirect(request, f"/species/{species.id}", said="changed")

    async def delete(self, request: Request) -> Response:
        """Delete a species that no plant is of."""
        require_same_origin(request)
        viewer, _ = await self._site.person(request)
        try:
            async with self._site.changing() as connection:
                species = await _editable(connection, viewer, request)
                await delete_species(connection, species.id)
        except SpeciesInUse as error:
            raise HTTPException(409, gettext(_IN_USE)) from error
        return redirect(request, "/species", said="deleted")

    async def _form(
        self,
        request: Request,
        viewer: Viewer,
        form: Form,
        species: Species | None,
        *,
        status_code: int = 200,
    ) -> Response:
        async with self._site.reading() as connection:
            types = await list_quantity_types(connection, None, MOST_QUANTITIES)
        return self._site.page(
            request,
            "species/form.html",
            viewer=viewer,
            status_code=status_code,
            form=form,
            species=species,
            types=types,
        )


async def _visible(connection: AsyncConnection, viewer: Viewer, request: Request) -> Species:
    species_id = id_in_path(request, "species_id", _NO_SPECIES)
    species = await visible_species(connection, caller_of(viewer), species_id)
    if species is None:
        if viewer.user is None:
            raise LogInNeeded
        raise HTTPException(404, gettext(_NO_SPECIES))
    return species


async def _editable(connection: AsyncConnection, viewer: Viewer, request: Request) -> Species:
    species = await _visible(connection, viewer, request)
    return await editable_species(connection, caller_of(viewer), species.id)


def _is_own(viewer: Viewer, species: Species) -> bool:
    return viewer.user is not None and not species.is_built_in


def _values_of(form: Form) -> dict[str, Any]:
    """Return the texts of the form, and note what is wrong with them."""
    return {
        "name": text_of(form, "name", most=MOST_NAME_CHARACTERS, is_name=True),
        "scientific_name": text_of(form, "scientific_name", most=MOST_SCIENTIFIC_NAME_CHARACTERS) or None,
        "description": text_of(form, "description", most=MOST_TEXT_CHARACTERS, lines=True),
        "sources": text_of(form, "sources", most=MOST_TEXT_CHARACTERS, lines=True),
    }


def _ranges_of(form: Form) -> dict[int, Range]:
    """Return the ranges of the form that have a bound, and note what is wrong with them."""
    keys = {name.split("-", 1)[1] for name in form.values if name.startswith(("min-", "max-"))}
    ranges = {}
    for key in sorted(key for key in keys if key.isascii() and key.isdigit() and len(key) <= 9):
        found = range_of(form, key)
        if not found.is_open:
            ranges[int(key)] = found
    return ranges


def _entered(species: Species) -> Mapping[str, str]:
    """Return a species as it would be entered in the form."""
    values = {
        "name": species.name,
        "scientific_name": species.scientific_name or "",
        "description": species.description,
        "sources": species.sources,
    }
    for key, each in species.ranges.items():
        values[f"min-{key}"] = "" if each.minimum is None else f"{each.minimum:g}"
        values[f"max-{key}"] = "" if each.maximum is None else f"{each.maximum:g}"
    return values
