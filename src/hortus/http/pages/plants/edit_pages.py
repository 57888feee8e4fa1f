"""Changing a plant: name, species and remark, its photo, and deleting it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.plants.photos import (
    CONTENT_TYPES,
    MOST_UPLOAD_BYTES,
    NotAPhoto,
    delete_photo,
    prepare_photo,
    put_photo,
)
from hortus.domain.plants.rules import InvalidPlant
from hortus.domain.plants.store import change_plant, delete_plant
from hortus.http.access.plant_access import PlantAccess
from hortus.http.access.viewer import Viewer
from hortus.http.pages.forms import Form
from hortus.http.pages.plants.fields import refuse_all
from hortus.http.pages.plants.list_pages import chosen_species, plant_values, species_choices
from hortus.http.pages.plants.opening import changing_plant, reading_plant
from hortus.http.pages.plants.uploads import TooLarge, uploaded_file
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

_NOT_A_PHOTO = (
    gettext_noop("This file cannot be read as a photo. Use a JPEG, PNG or WebP file."),
    gettext_noop("The photo is damaged or incomplete."),
    gettext_noop("A photo has at most 50 million pixels."),
)


class PlantEditPages:
    """`/plants/{id}/edit`, and the forms on it for the photo and for deleting."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/plants/{plant_id}/edit", self.show, methods=["GET"]),
            Route("/plants/{plant_id}/edit", self.save, methods=["POST"]),
            Route("/plants/{plant_id}/photo", self.upload, methods=["POST"]),
            Route("/plants/{plant_id}/photo/delete", self.remove_photo, methods=["POST"]),
            Route("/plants/{plant_id}/delete", self.delete, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form."""
        return await self._page(request, None)

    async def save(self, request: Request) -> Response:
        """Change the plant, or show the form again with what is wrong."""
        require_same_origin(request)
        form = Form(values=await read_form(request))
        values: dict[str, Any] = dict(plant_values(form))
        try:
            async with changing_plant(self._site, request) as (connection, viewer, access):
                if form.value("species") != _species_text(access, await species_choices(connection, viewer)):
                    values["species_id"] = await chosen_species(connection, viewer, form)
                if not form.faults:
                    await change_plant(connection, access.plant.id, values)
        except InvalidPlant as error:
            refuse_all(form, error, {"name": "name", "remark": "remark"})
        if form.faults:
            return await self._page(request, form, status_code=422)
        return redirect(request, f"/plants/{request.path_params['plant_id']}", said="changed")

    async def upload(self, request: Request) -> Response:
        """Store the photo that was sent: turned upright, scaled down, without time and place."""
        require_same_origin(request)
        # Only after the permission checks: nobody without permission can make us read megabytes.
        async with reading_plant(self._site, request):
            pass
        form = Form()
        try:
            file = await uploaded_file(request, "photo", MOST_UPLOAD_BYTES)
            if file is None:
                form.refuse("photo", gettext("Choose a photo first."))
            elif file.content_type not in CONTENT_TYPES:
                form.refuse("photo", gettext("Use a JPEG, PNG or WebP file."))
            else:
                photo = await prepare_photo(file.content)
        except TooLarge:
            most = MOST_UPLOAD_BYTES // 1024 // 1024
            form.refuse("photo", gettext("A photo may have at most %(most)s MB.", most=most))
        except NotAPhoto as error:
            form.refuse("photo", gettext(str(error)))
        if form.faults:
            return await self._page(request, form, status_code=422)
        async with changing_plant(self._site, request) as (connection, _, access):
            await put_photo(connection, access.plant.id, photo)
        return redirect(request, f"/plants/{access.plant.id}", said="photo")

    async def remove_photo(self, request: Request) -> Response:
        """Delete the photo."""
        async with changing_plant(self._site, request) as (connection, _, access):
            await delete_photo(connection, access.plant.id)
        return redirect(request, f"/plants/{access.plant.id}", said="no-photo")

    async def delete(self, request: Request) -> Response:
        """Delete the plant, if its name was typed."""
        require_same_origin(request)
        form = Form(values=await read_form(request))
        async with changing_plant(self._site, request) as (connection, _, access):
            access.require_owner()
            if form.value("typed") == access.plant.name.strip():
                await delete_plant(connection, access.plant.id)
            else:
                form.refuse("typed", gettext("Type the name of the plant exactly as it is shown."))
        if form.faults:
            return await self._page(request, form, status_code=422)
        return redirect(request, "/plants", said="deleted")

    async def _page(self, request: Request, form: Form | None, *, status_code: int = 200) -> Response:
        async with reading_plant(self._site, request) as (connection, viewer, access):
            species = await species_choices(connection, viewer)
        plant = access.plant
        stored = {"name": plant.name, "remark": plant.remark, "species": _species_text(access, species)}
        values = stored if form is None or "name" not in form.values else form.values
        return self._site.page(
            request,
            "plants/edit.html",
            viewer=viewer,
            status_code=status_code,
            plant=plant,
            may_delete=_may_delete(viewer, access),
            form=Form(values=values, faults={} if form is None else form.faults),
            species=species,
            photo_types=",".join(CONTENT_TYPES),
        )


def _may_delete(viewer: Viewer, access: PlantAccess) -> bool:
    return viewer.is_admin or access.is_owner or access.plant.owner_id is None


def _species_text(access: PlantAccess, choices: list[dict[str, Any]]) -> str:
    """Return the plant's species as the field shows it."""
    species_id = access.plant.species_id
    found = next((each["name"] for each in choices if each["value"] == species_id), None)
    return str(found or access.plant.species_name or "")
