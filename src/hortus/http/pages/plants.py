"""The page of a plant, which alert messages link to: its condition and its alerts."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext, gettext_noop
from hortus.domain.alerts.store import mark_seen
from hortus.domain.plants.photos import find_photo
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.conventions.replies import photo_reply
from hortus.http.pages.plant_store import NoSuchPlant, PlantReader, visible_plant
from hortus.http.pages.requests import redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.server.answers import SharedAnswers
from hortus.http.server.database_access import (
    change,
    snapshot,
)

# As on the status page: many open tabs cost as much as one.
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 200

_NO_PLANT = gettext_noop("This plant does not exist, or you cannot see it.")
_NO_ALERT = gettext_noop("This alert does not exist, or does not concern you.")


class PlantPages:
    """`/plants/{id}`, its self-refreshing part, its photo, and the button of an alert."""

    def __init__(self, site: Site) -> None:
        self._engine = site.engine
        self._reader = PlantReader(site.engine, site.clock, site.services.parts.plant_freshness)
        self._sessions = site.sessions
        self._templates = site.templates
        self._answers = SharedAnswers[tuple[str, str]](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/plants/{plant_id}", self.show, methods=["GET"]),
            Route("/plants/{plant_id}/status", self.status, methods=["GET"]),
            Route("/plants/{plant_id}/photo", self.photo, methods=["GET"]),
            Route("/plants/{plant_id}/alerts/{alert_id}/seen", self.see_alert, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page, or redirect anonymous visitors who may not see the plant to the log-in."""
        plant_id = _id(request, "plant_id", _NO_PLANT)
        viewer = await self._sessions.viewer_of(request)
        try:
            name, content = await self._content(viewer, plant_id)
        except NoSuchPlant:
            return _hidden(request, viewer, plant_id)
        return self._templates.page("plant.html", viewer=viewer, content=content, name=name, plant_id=plant_id)

    async def status(self, request: Request) -> Response:
        """Answer with the self-refreshing part, or request a reload if anything around it changed."""
        plant_id = _id(request, "plant_id", _NO_PLANT)
        viewer = await self._sessions.viewer_of(request)
        whole_page = Response(status_code=200, headers={"HX-Refresh": "true"})
        if not self._templates.is_current(request, viewer):
            return whole_page
        try:
            _, content = await self._content(viewer, plant_id)
        except NoSuchPlant:
            return whole_page  # which answers that the plant no longer exists
        return HTMLResponse(content)

    async def photo(self, request: Request) -> Response:
        """Answer with the photo, or 404 if there is none or the viewer may not see the plant."""
        plant_id = _id(request, "plant_id", _NO_PLANT)
        viewer = await self._sessions.viewer_of(request)
        async with snapshot(self._engine) as connection:
            try:
                await visible_plant(connection, viewer, plant_id)
            except NoSuchPlant as error:
                raise HTTPException(404, gettext(_NO_PLANT)) from error
            photo = await find_photo(connection, plant_id)
        if photo is None:
            raise HTTPException(404, gettext("This plant has no photo."))
        return photo_reply(request, photo)

    async def see_alert(self, request: Request) -> Response:
        """Mark an alert of the plant as seen by the viewer, and redirect to the plant."""
        require_same_origin(request)
        plant_id, alert_id = _id(request, "plant_id", _NO_PLANT), _id(request, "alert_id", _NO_ALERT)
        viewer = await self._sessions.viewer_of(request)
        if viewer.user is None:
            return _hidden(request, viewer, plant_id)
        async with change(self._engine) as connection:
            try:
                await visible_plant(connection, viewer, plant_id)
            except NoSuchPlant as error:
                raise HTTPException(404, gettext(_NO_PLANT)) from error
            alert = await mark_seen(connection, viewer.user.id, alert_id)
            if alert is None or alert["plant_id"] != plant_id:
                raise HTTPException(404, gettext(_NO_ALERT))  # and nothing is committed
        self._answers.forget(_key(viewer, plant_id))
        return redirect(request, f"/plants/{plant_id}")

    async def _content(self, viewer: Viewer, plant_id: int) -> tuple[str, str]:
        """Return the plant's name and the self-refreshing part of the page. Raises NoSuchPlant."""

        async def ask() -> tuple[str, str]:
            status = await self._reader.read(viewer, plant_id)
            return status.plant.name, self._templates.render("_plant.html", status=status)

        return await self._answers.get(_key(viewer, plant_id), ask)


def _key(viewer: Viewer, plant_id: int) -> tuple[object, ...]:
    return viewer.user, current_language().tag, plant_id


def _hidden(request: Request, viewer: Viewer, plant_id: int) -> Response:
    """Answer hidden and nonexistent plants alike."""
    if viewer.user is None:
        return redirect(request, f"/login?next=/plants/{plant_id}")
    raise HTTPException(404, gettext(_NO_PLANT))


def _id(request: Request, name: str, otherwise: str) -> int:
    text = request.path_params[name]
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > LARGEST_ID:
        raise HTTPException(404, gettext(otherwise))
    return int(text)
