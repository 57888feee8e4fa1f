"""Endpoints for the media of kits (http-api 4.10)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from hortus.base.times import format_optional_time
from hortus.domain.media.store import delete_medium, find_medium, newest_media
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit, access_to_kit_of_id
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED, HIDDEN, next_page, problems
from hortus.http.conventions.paging import PageCursor, next_link
from hortus.http.conventions.parameters import IdInQuery, TimeInQuery
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.documents.media import Media, media_object

router = APIRouter(tags=["Media"])

PAGE_SIZE = 50
MOST_AT_ONCE = 500


@router.get(
    "/kits/{kitSerial}/media",
    responses=HIDDEN
    | problems(403)
    | next_page("Link", '</kits/k-3467-bcdf-ghjk/media?cursor=…&configuration=5>; rel="next"'),
    summary="List a kit's media",
)
async def list_media(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    configuration: IdInQuery = None,
    peripheral: IdInQuery = None,
    since: Annotated[TimeInQuery, Query(alias="from")] = None,
    until: Annotated[TimeInQuery, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = PAGE_SIZE,
    cursor: Annotated[str | None, Query()] = None,
) -> JsonReply[list[Media]]:
    """Lists pictures and other files of the kit, newest first, `limit` per page.

    Both `from` and `to` are inclusive.
    """
    position = None if cursor is None else PageCursor.parse(cursor)
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        rows = await newest_media(
            connection,
            access.kit_id,
            configuration_id=configuration,
            peripheral_id=peripheral,
            since=since,
            until=until,
            before=(position.at, position.id) if position else None,
            most=limit + 1,
        )
    page = rows[:limit]
    headers = {}
    if len(rows) > limit:
        last = page[-1]
        headers = next_link(
            f"/kits/{access.kit['serial']}/media",
            {
                "cursor": PageCursor(at=last["datetime"], id=last["id"]),
                "configuration": configuration,
                "peripheral": peripheral,
                "from": format_optional_time(since),
                "to": format_optional_time(until),
                "limit": None if limit == PAGE_SIZE else limit,
            },
        )
    return JsonReply([media_object(row) for row in page], headers=headers)


@router.delete("/media/{mediaId}", response_class=Response, responses=GUARDED, summary="Delete a medium")
async def remove_medium(
    services: UsedServices, caller: CurrentCaller, medium_id: Annotated[UUID, Path(alias="mediaId")]
) -> Response:
    """Deletes the medium and its content."""
    async with services.writing() as connection:
        medium = await find_medium(connection, medium_id)
        access = await access_to_kit_of_id(connection, caller, medium["kit_id"] if medium else None)
        access.require(Permission.DELETE_MEDIA)
        await delete_medium(connection, medium_id)
    return empty_reply()
