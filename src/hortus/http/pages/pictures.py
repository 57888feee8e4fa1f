"""Pictures for pages, for viewers who may see their kits. The API is for programs."""

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
from hortus.domain.media.keys import ObjectKey, ObjectKind
from hortus.domain.media.objects import (
    MediaObjects,
    MediaPlaceMissing,
    ObjectMissing,
    ObjectStoreNotAnswering,
)
from hortus.domain.media.previews import TooManyPreviews
from hortus.domain.media.rules import clean_type
from hortus.domain.media.smaller_pictures import NoSmallerPicture
from hortus.http.access.viewer import VISIBLE_KITS, visibility_parameters
from hortus.http.conventions.media_delivery import (
    Download,
    deliver,
    smaller_picture_of,
    thumbnail_of,
    version_of,
)
from hortus.http.pages.site import Site
from hortus.http.server.database_access import snapshot

# The page refreshes every two seconds, and a thumbnail never changes.
_KEPT = "private, max-age=3600"
_BUSY_SECONDS = 5

_MEDIUM = text(
    f"""
    SELECT m.id, m.name, m.type, m.size, m.sha256, m.received_at, m.thumbnail, k.serial
    FROM media m JOIN kits k ON k.id = m.kit_id
    WHERE m.id = :id AND m.kit_id IN ({VISIBLE_KITS})
      AND {not_deleted("m.kit_configuration_id", "m.kit_id")}
    """  # noqa: S608  (built from constants)
)


class PicturePages:
    """`/pictures/{id}/thumbnail`, `/pictures/{id}/preview` and `/pictures/{id}/content`."""

    def __init__(self, site: Site) -> None:
        self._engine = site.engine
        self._sessions = site.sessions
        self._objects = site.services.parts.media_objects
        self._previews = site.services.previews

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/pictures/{medium_id}/thumbnail", self.thumbnail, methods=["GET"]),
            Route("/pictures/{medium_id}/preview", self.preview, methods=["GET"]),
            Route("/pictures/{medium_id}/content", self.content, methods=["GET"]),
        ]

    async def thumbnail(self, request: Request) -> Response:
        """Answer with the thumbnail, or 404 if there is none."""
        medium = await self._medium(request)
        if medium.thumbnail != "made":
            raise HTTPException(404, gettext("This picture does not exist."))
        response = await self._deliver(request, medium, ObjectKind.THUMBNAIL)
        response.headers["Cache-Control"] = _KEPT
        return response

    async def preview(self, request: Request) -> Response:
        """Answer with a picture that fits a screen, or 404 with the reason why there is none."""
        response = await self._deliver(request, await self._medium(request), ObjectKind.PREVIEW)
        response.headers["Cache-Control"] = _KEPT
        return response

    async def content(self, request: Request) -> Response:
        """Answer with the original, as a download."""
        return await self._deliver(request, await self._medium(request), ObjectKind.CONTENT)

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

    async def _deliver(self, request: Request, medium: Any, kind: ObjectKind) -> Response:
        if self._objects is None:
            raise HTTPException(502, gettext("No media store is configured on this server."))
        try:
            delivery = await self._delivery(self._objects, medium, kind)
            return await deliver(request, self._objects, delivery, head=request.method == "HEAD")
        except NoSmallerPicture as error:
            raise HTTPException(
                404, gettext("This picture cannot be shown: %(reason)s", reason=error)
            ) from error
        except TooManyPreviews as error:
            raise HTTPException(
                503,
                gettext("Many pictures are being prepared right now. Try again in a moment."),
                {"Retry-After": str(_BUSY_SECONDS)},
            ) from error
        except ObjectMissing as error:
            raise HTTPException(404, gettext("The content of this picture is missing.")) from error
        except MediaPlaceMissing as error:
            raise HTTPException(503, gettext("The media store cannot be reached right now.")) from error
        except ObjectStoreNotAnswering as error:
            raise HTTPException(
                502, gettext("The media store is not answering correctly right now.")
            ) from error

    async def _delivery(self, objects: MediaObjects, medium: Any, kind: ObjectKind) -> Download:
        key = ObjectKey(medium.serial, medium.id)
        if kind is ObjectKind.THUMBNAIL:
            return await thumbnail_of(objects, key, medium.received_at)
        if kind is ObjectKind.PREVIEW:
            assert self._previews is not None  # there are objects
            size = await self._previews.size_of(key, clean_type(medium.type))
            return smaller_picture_of(key.preview, size, medium.received_at)
        return Download(
            key=key,
            version=version_of(medium.id, medium.size, medium.sha256, medium.received_at),
            media_type=clean_type(medium.type),
            name=medium.name,
        )
