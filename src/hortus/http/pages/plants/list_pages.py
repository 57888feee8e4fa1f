"""The list of plants, `/plants`, and the form for a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.plants.links import AlreadyLinked, MeasuringSource, link_plant
from hortus.domain.plants.rules import (
    MOST_NAME_CHARACTERS,
    MOST_TEXT_CHARACTERS,
    InvalidPlant,
    TooManyLinks,
)
from hortus.domain.plants.species_store import search_species
from hortus.domain.plants.store import create_plant, list_plants_of_user
from hortus.http.access.plant_access import access_to_plants, visible_species
from hortus.http.access.viewer import Viewer
from hortus.http.pages.forms import Form
from hortus.http.pages.plant_store import PlantReader
from hortus.http.pages.plants.fields import refuse_all, text_of
from hortus.http.pages.plants.sources import Source, configurable_sources, source_named
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.viewers import caller_of

_PLANTS_PER_PAGE = 60
MOST_SPECIES = 500
_TOASTS = {"deleted": gettext_noop("Plant deleted. Its readings stay with the kit.")}


class PlantListPages:
    """`/plants` and `/plants/new`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = PlantReader(site.engine, site.clock, site.services.parts.plant_freshness)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/plants", self.show, methods=["GET"]),
            Route("/plants/new", self.form, methods=["GET"]),
            Route("/plants/new", self.create, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the plants of the viewer and of their kits."""
        viewer, user = await self._site.person(request)
        after = request.query_params.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 9:
            raise HTTPException(404, gettext("This page does not exist."))
        async with self._site.reading() as connection:
            found = await list_plants_of_user(connection, user.id, after=int(after), most=_PLANTS_PER_PAGE + 1)
            page = found[:_PLANTS_PER_PAGE]
            accesses = await access_to_plants(connection, caller_of(viewer), page)
            lines = await self._reader.lines(connection, accesses)
        return self._site.page(
            request,
            "plants/list.html",
            viewer=viewer,
            plants=lines,
            after=page[-1].id if len(found) > len(page) else None,
            toasts=_TOASTS,
        )

    async def form(self, request: Request) -> Response:
        """Answer with the empty form."""
        viewer, _ = await self._site.person(request)
        wanted = request.query_params.get("kit", "")[:100]
        return await self._form(request, viewer, Form(), kit_serial=wanted)

    async def create(self, request: Request) -> Response:
        """Create a plant, or show the form again with what is wrong."""
        require_same_origin(request)
        form = Form(values=await read_form(request))
        viewer, user = await self._site.person(request)
        values = plant_values(form)
        try:
            async with self._site.changing() as connection:
                species_id = await chosen_species(connection, viewer, form)
                source = await self._source(connection, viewer, form)
                if not form.faults:
                    plant_id = await self._make(connection, user.id, values, species_id, source)
        except InvalidPlant as error:
            refuse_all(form, error, {"name": "name", "remark": "remark"})
        except (QuotaReached, TooManyLinks, AlreadyLinked) as error:
            form.refuse("name", gettext(str(error)))
        if form.faults:
            return await self._form(request, viewer, form, status_code=422)
        return redirect(request, f"/plants/{plant_id}", said="created")

    async def _make(
        self,
        connection: AsyncConnection,
        user_id: int,
        values: dict[str, str],
        species_id: int | None,
        source: MeasuringSource | None,
    ) -> int:
        now = self._site.clock()
        plant_id = await create_plant(
            connection,
            user_id,
            name=values["name"],
            remark=values["remark"],
            species_id=species_id,
            most=self._site.services.parts.quotas.plants_per_person,
        )
        if source is not None:
            await link_plant(connection, plant_id, source, since=now, now=now)
        return plant_id

    async def _source(self, connection: AsyncConnection, viewer: Viewer, form: Form) -> MeasuringSource | None:
        if not form.value("source"):
            return None
        source = await source_named(connection, viewer, form.value("source"))
        if source is None:
            form.refuse("source", gettext("Choose a kit that you may configure."))
        return source

    async def _form(
        self, request: Request, viewer: Viewer, form: Form, *, status_code: int = 200, kit_serial: str = ""
    ) -> Response:
        async with self._site.reading() as connection:
            species = await species_choices(connection, viewer)
            sources = await configurable_sources(connection, viewer)
        chosen = form.value("source") or next(
            (each.value for each in sources if kit_serial and each.serial == kit_serial), ""
        )
        return self._site.page(
            request,
            "plants/new.html",
            viewer=viewer,
            status_code=status_code,
            form=form,
            species=species,
            sources=source_choices(sources),
            source=chosen,
        )


def plant_values(form: Form) -> dict[str, str]:
    """Return name and remark of the form, and note what is wrong with them."""
    return {
        "name": text_of(form, "name", most=MOST_NAME_CHARACTERS, is_name=True),
        "remark": text_of(form, "remark", most=MOST_TEXT_CHARACTERS, lines=True),
    }


async def species_choices(connection: AsyncConnection, viewer: Viewer) -> list[dict[str, Any]]:
    """Return the species that the viewer may use, by name; people find them by the scientific name as well."""
    user_id = viewer.user.id if viewer.user else None
    found = await search_species(connection, user_id, "", MOST_SPECIES)
    return [
        {
            "value": each.id,
            "name": f"{each.name} ({each.scientific_name})" if each.scientific_name else each.name,
        }
        for each in found
    ]


async def chosen_species(connection: AsyncConnection, viewer: Viewer, form: Form) -> int | None:
    """Return the species of the form: what was typed names one, by its common or scientific name."""
    text = form.value("species")
    if not text:
        return None
    choices = await species_choices(connection, viewer)
    exact = [each["value"] for each in choices if each["name"].lower() == text.lower()]
    user_id = viewer.user.id if viewer.user else None
    alike = exact or [each.id for each in await search_species(connection, user_id, text[:120], 3)]
    if len(alike) != 1 or await visible_species(connection, caller_of(viewer), alike[0]) is None:
        form.refuse(
            "species",
            gettext("Several species have this name. Choose one of the list.")
            if len(alike) > 1
            else gettext("There is no species of this name. Choose one of the list, or leave it empty."),
        )
        return None
    return int(alike[0])


def source_choices(sources: Sequence[Source]) -> list[dict[str, str]]:
    """Return the choices for what measures a plant."""
    return [{"value": each.value, "name": each.name} for each in sources]
