"""What measures a plant, since when and until when; and moving it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.definitions.queries import quantity_types_by_id
from hortus.domain.plants.links import (
    AlreadyLinked,
    MeasuringSource,
    PlantLink,
    delete_link,
    end_link,
    link_plant,
    move_plant,
)
from hortus.domain.plants.rules import InvalidPlant, TooManyLinks
from hortus.http.access.plant_access import PlantAccess
from hortus.http.access.viewer import Viewer
from hortus.http.pages.alerts.snoozing import zone_of_person
from hortus.http.pages.forms import Form
from hortus.http.pages.plants.fields import refuse_all
from hortus.http.pages.plants.list_pages import source_choices
from hortus.http.pages.plants.opening import changing_plant, id_in_path, reading_plant
from hortus.http.pages.plants.sources import configurable_sources, source_named
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

_TOASTS = {
    "linked": gettext_noop("Linked."),
    "moved": gettext_noop("Moved. What the plant was measured by before is kept below."),
    "ended": gettext_noop("Link ended. The readings of that time stay with the plant."),
    "removed": gettext_noop("Link deleted, as if it had never existed."),
}
_NO_LINK = gettext_noop("This link does not exist, or you cannot see its kit.")
_SENTENCES = (
    gettext_noop("A link must start now or in the past."),
    gettext_noop("A link must end now or in the past."),
    gettext_noop("A link must end after it started. Delete it if it was a mistake."),
    gettext_noop("This kit or series is already linked to the plant at that time. End that link first."),
)


class PlantLinkPages:
    """`/plants/{id}/links`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/plants/{plant_id}/links", self.show, methods=["GET"]),
            Route("/plants/{plant_id}/links", self.add, methods=["POST"]),
            Route("/plants/{plant_id}/links/{link_id}/end", self.end, methods=["POST"]),
            Route("/plants/{plant_id}/links/{link_id}/delete", self.delete, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the links and the form."""
        return await self._page(request, Form())

    async def add(self, request: Request) -> Response:
        """Move the plant to another kit or series, or link one more; or show what is wrong."""
        require_same_origin(request)
        form = Form(values=await read_form(request))
        moves = form.value("how") != "also"
        try:
            async with changing_plant(self._site, request) as (connection, viewer, access):
                source = await source_named(connection, viewer, form.value("source"))
                if source is None:
                    form.refuse("source", gettext("Choose a kit that you may configure."))
                since = await self._moment(connection, viewer, form)
                if source is not None and since is not None:
                    await _link(connection, access, source, since, self._site.clock(), moves=moves)
        except InvalidPlant as error:
            refuse_all(form, error, {"from": "since", "until": "since", "peripheralName": "source"})
        except (AlreadyLinked, TooManyLinks) as error:
            form.refuse("source", gettext(str(error)))
        if form.faults:
            return await self._page(request, form, status_code=422)
        said = "moved" if moves else "linked"
        return redirect(request, f"/plants/{request.path_params['plant_id']}/links", said=said)

    async def end(self, request: Request) -> Response:
        """End a link now."""
        now = self._site.clock()
        async with changing_plant(self._site, request) as (connection, _, access):
            link = _link_in(access, request)
            if link.until is None:
                await end_link(connection, link, until=max(now, link.since), now=now)
        return redirect(request, f"/plants/{access.plant.id}/links", said="ended")

    async def delete(self, request: Request) -> Response:
        """Delete a link that was a mistake."""
        async with changing_plant(self._site, request) as (connection, _, access):
            await delete_link(connection, _link_in(access, request).id)
        return redirect(request, f"/plants/{access.plant.id}/links", said="removed")

    async def _moment(self, connection: AsyncConnection, viewer: Viewer, form: Form) -> datetime | None:
        """Return the beginning of the day that was entered, in the reader's zone; today is now."""
        now = self._site.clock()
        text = form.value("since")
        if not text:
            return now
        try:
            day = date.fromisoformat(text)
        except ValueError:
            form.refuse("since", gettext("Enter a date, for example 2026-11-29."))
            return None
        zone = await self._zone(connection, viewer)
        if day == now.astimezone(zone).date():
            return now
        return datetime.combine(day, time(), zone).astimezone(UTC)

    async def _zone(self, connection: AsyncConnection, viewer: Viewer) -> ZoneInfo:
        otherwise = self._site.services.messages.time_zone
        return await zone_of_person(connection, viewer.user.id, otherwise) if viewer.user else otherwise

    async def _page(self, request: Request, form: Form, *, status_code: int = 200) -> Response:
        async with reading_plant(self._site, request) as (connection, viewer, access):
            sources = await configurable_sources(connection, viewer)
            ids = {link.source.quantity_type_id for link in access.links if link.source.quantity_type_id}
            types = await quantity_types_by_id(connection, ids)
            zone = await self._zone(connection, viewer)
        today = self._site.clock().astimezone(zone).date().isoformat()
        return self._site.page(
            request,
            "plants/links.html",
            viewer=viewer,
            status_code=status_code,
            plant=access.plant,
            links=sorted(access.links, key=lambda link: link.until is not None),
            types=types,
            sources=source_choices(sources),
            form=form,
            today=today,
            zone=zone,
            now=self._site.clock(),
            toasts=_TOASTS,
        )


async def _link(
    connection: AsyncConnection,
    access: PlantAccess,
    source: MeasuringSource,
    since: datetime,
    now: datetime,
    *,
    moves: bool,
) -> None:
    if not moves:
        await link_plant(connection, access.plant.id, source, since=since, now=now)
        return
    current = [link for link in access.links if link.until is None]
    await move_plant(connection, access.plant.id, current, source, moved_at=since, now=now)


def _link_in(access: PlantAccess, request: Request) -> PlantLink:
    link_id = id_in_path(request, "link_id", _NO_LINK)
    for link in access.links:
        if link.id == link_id:
            return link
    raise HTTPException(404, gettext(_NO_LINK))
