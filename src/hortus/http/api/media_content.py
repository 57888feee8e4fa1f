"""Endpoints that serve the content of media (http-api 4.10)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.engine import RowMapping
from starlette.responses import Response

from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import (
    MediaObjects,
    MediaPlaceMissing,
    ObjectMissing,
    ObjectStoreNotAnswering,
)
from hortus.domain.media.previews import TooManyPreviews
from hortus.domain.media.rules import clean_type
from hortus.domain.media.smaller_pictures import NoSmallerPicture
from hortus.domain.media.store import find_medium
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import access_to_kit_of_id
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services, UsedServices
from hortus.http.conventions.documentation import HIDDEN, Responses, problems
from hortus.http.conventions.head_requests import is_without_body
from hortus.http.conventions.media_delivery import (
    Download,
    deliver,
    smaller_picture_of,
    thumbnail_of,
    version_of,
)
from hortus.http.conventions.problems import Problem, not_found, unavailable

router = APIRouter(tags=["Media"])

_RETRY_SECONDS = 30
_BUSY_SECONDS = 5

MediumId = Annotated[UUID, Path(alias="mediaId")]

_BYTES: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}


def _answers(what: str) -> Responses:
    return {
        200: {"description": what, "content": _BYTES},
        206: {"description": "The part requested by `Range`.", "content": _BYTES},
        304: {"description": "Not modified: the client's copy is current."},
        416: {"description": "The range starts beyond the end of the content."},
        **problems(403),
        502: {**problems(502)[502], "description": "The media store did not answer correctly. Try again."},
        **HIDDEN,
    }


@router.get(
    "/media/{mediaId}/content",
    response_class=Response,
    responses=_answers("The content, with the media type that the kit declared."),
    summary="Download a medium",
)
async def read_content(
    request: Request, services: UsedServices, caller: CurrentCaller, medium_id: MediumId
) -> Response:
    """Served as a download under its own name. Supports `Range`, `If-Range` and `If-None-Match`."""
    medium, serial = await _visible_medium(services, caller, medium_id)
    delivery = Download(
        key=ObjectKey(serial, medium_id),
        version=version_of(medium_id, medium["size"], medium["sha256"], medium["received_at"]),
        media_type=clean_type(medium["type"]),
        name=medium["name"],
    )
    with _failures_as_problems():
        return await deliver(request, _objects(services), delivery, head=is_without_body(request.scope))


@router.get(
    "/media/{mediaId}/thumbnail",
    response_class=Response,
    responses=_answers("A picture of at most 320 × 320 pixels, as WebP."),
    summary="Get the thumbnail of a picture",
)
async def read_thumbnail(
    request: Request, services: UsedServices, caller: CurrentCaller, medium_id: MediumId
) -> Response:
    """If the answer is 404, `detail` says whether no thumbnail can be made or it is not ready yet."""
    medium, serial = await _visible_medium(services, caller, medium_id)
    if medium["thumbnail"] != "made":
        detail = medium["thumbnail_note"] if medium["thumbnail"] else "The thumbnail is not ready yet."
        raise Problem(404, detail=detail)
    objects = _objects(services)
    with _failures_as_problems():
        delivery = await thumbnail_of(objects, ObjectKey(serial, medium_id), medium["received_at"])
        return await deliver(request, objects, delivery, head=is_without_body(request.scope))


@router.get(
    "/media/{mediaId}/preview",
    response_class=Response,
    responses=_answers("A picture of at most 1280 × 1280 pixels, as WebP."),
    summary="Get the preview of a picture",
)
async def read_preview(
    request: Request, services: UsedServices, caller: CurrentCaller, medium_id: MediumId
) -> Response:
    """Made when it is first asked for, upright and without the metadata of the original.

    If the answer is 404, `detail` says why there is no preview. While many are being made, it is 503.
    """
    medium, serial = await _visible_medium(services, caller, medium_id)
    objects = _objects(services)
    key = ObjectKey(serial, medium_id)
    with _failures_as_problems():
        assert services.previews is not None  # there are objects
        size = await services.previews.size_of(key, clean_type(medium["type"]))
        delivery = smaller_picture_of(key.preview, size, medium["received_at"])
        return await deliver(request, objects, delivery, head=is_without_body(request.scope))


async def _visible_medium(services: Services, caller: Caller, medium_id: UUID) -> tuple[RowMapping, str]:
    """Return the medium and its kit's serial. Raises Problem 401, 403 or 404."""
    async with services.reading() as connection:
        medium = await find_medium(connection, medium_id)
        access = await access_to_kit_of_id(connection, caller, medium["kit_id"] if medium else None)
    assert medium is not None
    access.require(Permission.VIEW)
    return medium, access.kit["serial"]


def _objects(services: Services) -> MediaObjects:
    """Return the object store. Raises Problem 502 if this process has none."""
    objects: MediaObjects | None = services.parts.media_objects
    if objects is None:
        raise Problem(502, detail="No media store is configured on this server; see HORTUS_MEDIA_URL.")
    return objects


@contextmanager
def _failures_as_problems() -> Iterator[None]:
    """Raise Problem 404 for what is missing, 502 for a failing store, and 503 for what has to wait."""
    try:
        yield
    except NoSmallerPicture as error:
        raise Problem(404, detail=str(error)) from error
    except TooManyPreviews as error:
        raise unavailable(str(error), _BUSY_SECONDS) from error
    except MediaPlaceMissing as error:
        raise unavailable("The media store cannot be reached right now.", _RETRY_SECONDS) from error
    except ObjectMissing as error:
        raise not_found() from error
    except ObjectStoreNotAnswering as error:
        raise Problem(502, detail="The media store is not answering correctly right now.") from error
