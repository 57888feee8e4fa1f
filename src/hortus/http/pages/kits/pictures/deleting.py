"""Deleting pictures, after the question whether to."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.media.gallery import media_of_kit
from hortus.domain.media.store import delete_medium
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.requests import read_fields, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.times import clock_text

MOST_AT_ONCE = 100
_MOST_BYTES = 8192


class DeletingPages:
    """Deleting several pictures of a kit."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/pictures/delete"
        return [Route(path, self.ask, methods=["GET"]), Route(path, self.delete, methods=["POST"])]

    async def ask(self, request: Request) -> Response:
        """Answer with the question whether to delete these pictures."""
        ids = _ids(request.query_params.getlist("m"))
        now = self._site.clock()
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.DELETE_MEDIA)
            media = await media_of_kit(connection, kit.id, ids)
        if not media:
            raise HTTPException(404, gettext("These pictures do not exist any more."))
        return kit_page(
            self._site,
            request,
            kit,
            "pictures",
            "kits/pictures/delete.html",
            media=media,
            path=kit_path(kit, "/pictures"),
            clock=lambda moment: clock_text(moment, kit.zone, now, seconds=True),
        )

    async def delete(self, request: Request) -> Response:
        """Delete those of these pictures that are the kit's."""
        require_same_origin(request)
        fields = await read_fields(request, most_bytes=_MOST_BYTES, most_fields=MOST_AT_ONCE + 1)
        ids = _ids(fields.get("m", ()))
        async with changing_kit(self._site, request, Permission.DELETE_MEDIA) as (connection, kit):
            for medium in await media_of_kit(connection, kit.id, ids):
                await delete_medium(connection, medium.id)
        return redirect(request, kit_path(kit, "/pictures"), said="deleted")


def _ids(texts: Iterable[str]) -> list[UUID]:
    """Return the ids of pictures. Raises HTTPException 400."""
    try:
        ids = list({UUID(text) for text in texts})
    except ValueError as error:
        raise HTTPException(400, gettext("A picture is named by its id.")) from error
    if not ids:
        raise HTTPException(400, gettext("No picture was chosen. Go back and tick some."))
    if len(ids) > MOST_AT_ONCE:
        raise HTTPException(
            400, gettext("At most %(most)s pictures can be deleted at once.", most=MOST_AT_ONCE)
        )
    return ids
