"""Endpoints for photos of plants."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hortus.domain.plants.photos import (
    CONTENT_TYPES,
    MOST_UPLOAD_BYTES,
    STORED_TYPE,
    NotAPhoto,
    delete_photo,
    find_photo,
    prepare_photo,
    put_photo,
)
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.plant_access import access_to_plant, editable_plant
from hortus.http.access.services import UsedServices
from hortus.http.api.plants import PlantId, plant_document
from hortus.http.conventions.documentation import GUARDED, WITH_BODY
from hortus.http.conventions.json_body import read_bytes
from hortus.http.conventions.problems import Problem, bad_request, not_found
from hortus.http.conventions.replies import JsonReply, photo_reply
from hortus.http.documents.plants import PlantObject

router = APIRouter(tags=["Plants"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD: dict[str, Any] = {"requestBody": {"required": True, "content": dict.fromkeys(CONTENT_TYPES, _BINARY)}}
_PHOTO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The photo.", "content": {STORED_TYPE: _BINARY}},
    304: {"description": "Not modified: the copy named in `If-None-Match` is current."},
}


@router.get(
    "/plants/{plantId}/photo",
    response_class=Response,
    responses=GUARDED | _PHOTO,
    summary="Get a plant's photo",
)
async def show_photo(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    plant_id: PlantId,
    _version: Annotated[
        str | None, Query(alias="v", description="Changes with the photo, for caches; any value will do.")
    ] = None,
) -> Response:
    """The photo is at most 1600 pixels wide and high. The answer is 404 if the plant has none."""
    async with services.reading() as connection:
        access = await access_to_plant(connection, caller, plant_id)
        access.require_view()
        photo = await find_photo(connection, plant_id)
    if photo is None:
        raise not_found()
    return photo_reply(request, photo)


@router.put(
    "/plants/{plantId}/photo",
    responses=GUARDED | WITH_BODY,
    openapi_extra=_UPLOAD,
    summary="Upload a plant's photo",
)
async def upload_photo(
    request: Request, services: UsedServices, caller: CurrentCaller, plant_id: PlantId
) -> JsonReply[PlantObject]:
    """Accepts JPEG, PNG or WebP, up to 10 MiB.

    The photo is scaled down, and its location and capture time are removed.
    """
    async with services.reading() as connection:
        (await access_to_plant(connection, caller, plant_id)).require_edit()
    # Only after the permission checks: nobody without permission can make us read megabytes.
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        raise Problem(415, detail=f"Send the photo as {', '.join(CONTENT_TYPES)}.")
    try:
        photo = await prepare_photo(await read_bytes(request, MOST_UPLOAD_BYTES))
    except NotAPhoto as error:
        raise bad_request(str(error)) from error
    async with services.writing() as connection:
        await editable_plant(connection, caller, plant_id)
        await put_photo(connection, plant_id, photo)
        document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document)


@router.delete(
    "/plants/{plantId}/photo",
    responses=GUARDED,
    summary="Delete a plant's photo",
)
async def remove_photo(
    services: UsedServices, caller: CurrentCaller, plant_id: PlantId
) -> JsonReply[PlantObject]:
    """The answer is 404 if the plant has no photo."""
    async with services.writing() as connection:
        await editable_plant(connection, caller, plant_id)
        if not await delete_photo(connection, plant_id):
            raise not_found()
        document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document)
