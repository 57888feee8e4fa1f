"""Endpoints that send the content of media (contract, 4.10)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.engine import RowMapping
from starlette.responses import Response

from hortus.api.caller import Caller, CurrentCaller
from hortus.api.conventions import is_without_body
from hortus.api.documentation import HIDDEN, Responses, problems
from hortus.api.kit_access import access_to_kit_of_id
from hortus.api.parts import Services, UsedServices
from hortus.api.permissions import Permission
from hortus.api.problems import Problem, not_found
from hortus.media.delivery import Delivery, deliver
from hortus.media.keys import ObjectKey
from hortus.media.objects import MediaObjects, ObjectMissing, ObjectStoreNotAnswering
from hortus.media.ranges import Version
from hortus.media.rules import clean_type
from hortus.media.store import find_medium

router = APIRouter(tags=["Media"])

MediumId = Annotated[UUID, Path(alias="mediaId")]

_BYTES: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}


def _answers(what: str) -> Responses:
    return {
        200: {"description": what, "content": _BYTES},
        206: {"description": "The part that `Range` asks for.", "content": _BYTES},
        304: {"description": "The asker has it already."},
        416: {"description": "The range begins behind the end."},
        **problems(403),
        502: {**problems(502)[502], "description": "The store of media does not answer properly. Try again."},
        **HIDDEN,
    }


@router.get(
    "/media/{mediaId}/content",
    response_class=Response,
    responses=_answers("The content, of the type that the kit gave it."),
    summary="The content of a medium",
)
async def read_content(
    request: Request, services: UsedServices, caller: CurrentCaller, medium_id: MediumId
) -> Response:
    """As a download under its own name. A range, `If-Range` and `If-None-Match` are honoured."""
    medium, serial = await _visible_medium(services, caller, medium_id)
    delivery = Delivery(
        key=ObjectKey(serial, medium_id),
        version=_version(medium),
        media_type=clean_type(medium["type"]),
        name=medium["name"],
    )
    return await _deliver(request, services, delivery)


async def _visible_medium(services: Services, caller: Caller, medium_id: UUID) -> tuple[RowMapping, str]:
    """Return the medium and its kit's serial. Raises Problem 401, 403 or 404."""
    async with services.reading() as connection:
        medium = await find_medium(connection, medium_id)
        access = await access_to_kit_of_id(connection, caller, medium["kit_id"] if medium else None)
    assert medium is not None
    access.require(Permission.VIEW)
    return medium, access.kit["serial"]


def _version(medium: RowMapping) -> Version:
    digest = medium["sha256"]
    # The content of a medium never changes, so without a digest its id will do.
    mark = digest.hex()[:32] if digest is not None else medium["id"].hex
    return Version(size=medium["size"], etag=f'"{mark}"', modified_at=medium["received_at"])


async def _deliver(request: Request, services: Services, delivery: Delivery) -> Response:
    """Send it. Raises Problem 404 if there is no object, 502 if the store does not give it."""
    objects: MediaObjects | None = services.parts.media_objects
    if objects is None:
        raise Problem(502, detail="This server does not know where media are kept; see HORTUS_MEDIA_URL.")
    try:
        return await deliver(request, objects, delivery, head=is_without_body(request.scope))
    except ObjectMissing as error:
        raise not_found() from error
    except ObjectStoreNotAnswering as error:
        raise Problem(502, detail="The store of media does not answer properly at the moment.") from error
