"""The page of a plant: its condition, its last week, its alerts, and its photo."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext, gettext_noop
from hortus.domain.plants.photos import find_photo
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.replies import photo_reply
from hortus.http.pages.alerts.said import ALERT_TOASTS, undo_address
from hortus.http.pages.plant_store import NoSuchPlant, PlantReader, visible_plant
from hortus.http.pages.plants.opening import NO_PLANT, hidden, id_in_path
from hortus.http.pages.renewal import Renewed, reload_reply, renewal_reply, renewed
from hortus.http.pages.site import Site
from hortus.http.server.answers import SharedAnswers

# Many open tabs cost as much as one.
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 200

_TOASTS = {
    **ALERT_TOASTS,
    "created": gettext_noop("Plant created."),
    "changed": gettext_noop("Saved."),
    "photo": gettext_noop("Photo saved."),
    "no-photo": gettext_noop("Photo deleted."),
    "ranges": gettext_noop("Target ranges saved."),
    "rules": gettext_noop("Alert rules saved. They apply from the next reading on."),
}


class PlantPages:
    """`/plants/{id}`, its self-refreshing part, and its photo."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = PlantReader(
            site.engine,
            site.clock,
            site.services.parts.plant_freshness,
            site.services.messages.time_zone,
        )
        self._answers = SharedAnswers[tuple[str, Renewed]](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/plants/{plant_id}", self.show, methods=["GET"]),
            Route("/plants/{plant_id}/status", self.status, methods=["GET"]),
            Route("/plants/{plant_id}/photo", self.photo, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page, or redirect anonymous visitors who may not see the plant to the log-in."""
        plant_id = id_in_path(request, "plant_id", NO_PLANT)
        viewer = await self._site.viewer(request)
        try:
            name, part = await self._content(viewer, plant_id)
        except NoSuchPlant as error:
            raise hidden(viewer) from error
        return self._site.page(
            request,
            "plants/plant.html",
            viewer=viewer,
            content=part.content,
            etag=part.etag,
            name=name,
            plant_id=plant_id,
            toasts=_TOASTS,
            undo=undo_address(request),
        )

    async def status(self, request: Request) -> Response:
        """Answer with the self-refreshing part, or request a reload if anything around it changed."""
        plant_id = id_in_path(request, "plant_id", NO_PLANT)
        viewer = await self._site.viewer(request)
        if not self._site.templates.is_current(request, viewer):
            return reload_reply()
        try:
            _, part = await self._content(viewer, plant_id)
        except NoSuchPlant:
            return reload_reply()  # and the page says that the plant no longer exists
        return renewal_reply(request, part)

    async def photo(self, request: Request) -> Response:
        """Answer with the photo, or 404 if there is none or the viewer may not see the plant."""
        plant_id = id_in_path(request, "plant_id", NO_PLANT)
        viewer = await self._site.sessions.viewer_of(request)
        async with self._site.reading() as connection:
            try:
                await visible_plant(connection, viewer, plant_id)
            except NoSuchPlant as error:
                raise HTTPException(404, gettext(NO_PLANT)) from error
            photo = await find_photo(connection, plant_id)
        if photo is None:
            raise HTTPException(404, gettext("This plant has no photo."))
        return photo_reply(request, photo)

    async def _content(self, viewer: Viewer, plant_id: int) -> tuple[str, Renewed]:
        """Return the plant's name and the self-refreshing part of the page. Raises NoSuchPlant."""

        async def ask() -> tuple[str, Renewed]:
            status = await self._reader.read(viewer, plant_id)
            content = self._site.templates.render("plants/_plant.html", status=status, viewer=viewer)
            return status.plant.name, renewed(content)

        changes = self._site.open_alerts.changes_of(viewer.user.id if viewer.user else None)
        return await self._answers.get((viewer.user, current_language().tag, changes, plant_id), ask)
