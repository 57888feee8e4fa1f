"""What is asked of the server itself: its time, its documentation, and what the caller may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.replies import JsonReply

router = APIRouter()


@router.get("/time", summary="The server's time", tags=["Server"])
async def server_time(services: UsedServices) -> JsonReply[str]:
    """RFC 3339 in UTC, with `+00:00` and microseconds."""
    return JsonReply(services.clock().isoformat(timespec="microseconds"))


@router.get(
    "/permissions",
    summary="What the caller may do with a kit",
    tags=["Kits"],
)
async def list_permissions(
    services: UsedServices, caller: CurrentCaller, kit_serial: Annotated[str, Query(alias="kitSerial")]
) -> JsonReply[list[Permission]]:
    """The permissions that hold. For a kit that is not there, or must not be known of, there are none."""
    try:
        async with services.reading() as connection:
            access = await access_to_kit(connection, caller, kit_serial)
    except Problem:
        return JsonReply([])
    return JsonReply([permission for permission in Permission if permission in access.permissions])
