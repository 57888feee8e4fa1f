"""Endpoints about the server itself: its time, and what the caller may do."""

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


@router.get("/time", summary="Get the server's time", tags=["Server"])
async def server_time(services: UsedServices) -> JsonReply[str]:
    """The current time in RFC 3339 format, in UTC, with `+00:00` and microseconds."""
    return JsonReply(services.clock().isoformat(timespec="microseconds"))


@router.get(
    "/permissions",
    summary="List your permissions for a kit",
    tags=["Kits"],
)
async def list_permissions(
    services: UsedServices, caller: CurrentCaller, kit_serial: Annotated[str, Query(alias="kitSerial")]
) -> JsonReply[list[Permission]]:
    """Lists the permissions you have. The list is empty for a kit that does not exist or is hidden from you."""
    try:
        async with services.reading() as connection:
            access = await access_to_kit(connection, caller, kit_serial)
    except Problem:
        return JsonReply([])
    return JsonReply([permission for permission in Permission if permission in access.permissions])
