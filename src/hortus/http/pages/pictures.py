"""Pictures for pages: a kit's latest picture, for viewers who may see the kit. The API is for programs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.kits.deleted_configurations import not_deleted
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import (
    MediaPlaceMissing,
    ObjectMissing,
    ObjectStoreNotAnswering,
)
from hortus.domain.media.rules import clean_type
from hortus.http.access.viewer import VISIBLE_KITS, visibility_parameters
from hortus.http.conventions.media_delivery import Download, deliver, thumbnail_of, version_of
from hortus.http.pages.site import Site
from hortus.http.server.database_access import snapshot

# The page refreshes every two seconds, and a thumbnail never changes.
_KEPT = "private, max-age=3600"

_MEDIUM = text(
    f"""
    SELECT m.id, m.name, m.type, m.size, m.sha256, m.received_at, m.thumbnail, k.serial
    FROM media m JOIN kits k ON k.id = m.kit_id
    WHERE m.id = :id AND m.kit_id IN ({VISIBLE_KITS})
      AND {not_deleted("m.kit_configuration_id", "m.kit_id")}
    """  # noqa: S608  (built from constants)
)


class PicturePages:
    """`/pictures/{id}/thumbnail` and `/pictures/{id}/content`."""

    def __init__(self, site: Site) -> None:
        self._engine = site.engine
        self._sessions = site.sessions
        self._objects = site.services.parts.media_objects

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/pictures/{medium_id}/thumbnail", self.thumbnail, methods=["GET"]),
            Route("/pictures/{medium_id}/content", self.content, methods=["GET"]),
        ]

    async def thumbnail(self, request: Request) -> Response:
        """Answer with the thumbnail, or 404 if there is none."""
        medium = await self._medium(request)
        if medium.thumbnail != "made":
            raise HTTPException(404, gettext("This picture does not exist."))
        response = await self._deliver(request, medium, is_thumbnail=True)
        response.headers["Cache-Control"] = _KEPT
        return response

    async def content(self, request: Request) -> Response:
        """Answer with the original, as a download."""
        return await self._deliver(request, await self._medium(request), is_thumbnail=False)

    async def _medium(self, request: Request) -> Any:
        try:
            medium_id = UUID(request.path_params["medium_id"])
        except ValueError:
            raise HTTPException(404, gettext("This picture does not exist.")) from None
        viewer = await self._sessions.viewer_of(request)
        async with snapshot(self._engine) as connection:
            parameters = {"id": medium_id, **visibility_parameters(viewer)}
            medium = (await connection.execute(_MEDIUM, parameters)).one_or_none()
        if medium is None:
            raise HTTPException(404, gettext("This picture does not exist."))
        return medium

    async def _deliver(self, request: Request, medium: Any, *, is_thumbnail: bool) -> Response:
        if self._objects is None:
            raise HTTPException(502, gettext("No media store is configured on this server."))
        key = ObjectKey(medium.serial, medium.id)
        try:
            if is_thumbnail:
                delivery = await thumbnail_of(self._objects, key, medium.received_at)
            else:
                delivery = Download(
                    key=key,
                    version=version_of(medium.id, medium.size, medium.sha256, medium.received_at),
                    media_type=clean_type(medium.type),
                    name=medium.name,
                )
            return await deliver(request, self._objects, delivery, head=request.method == "HEAD")
        except ObjectMissing as error:
            raise HTTPException(404, gettext("The content of this picture is missing.")) from error
        except MediaPlaceMissing as error:
            raise HTTPException(503, gettext("The media store cannot be reached right now.")) from error
        except ObjectStoreNotAnswering as error:
            raise HTTPException(
                502, gettext("The media store is not answering correctly right now.")
            ) from error
