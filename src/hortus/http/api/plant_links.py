"""Endpoints for the links between plants and the kits that measure them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from hortus.domain.plants.links import MeasuringSource, PlantLink, delete_link, end_link, link_plant
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.plant_access import PlantAccess, configurable_kit, editable_plant
from hortus.http.access.services import UsedServices
from hortus.http.api.plants import (
    PlantId,
    plant_document,
    refusals_as_problems,
)
from hortus.http.conventions.documentation import GUARDED, WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.parameters import Identifier, IdInBody, Time
from hortus.http.conventions.problems import not_found
from hortus.http.conventions.replies import JsonReply
from hortus.http.conventions.texts import ANY_TEXT
from hortus.http.documents.plants import PlantObject

router = APIRouter(tags=["Plants"])

LinkId = Annotated[Identifier, Path(alias="linkId")]


class NewLinkBody(JsonBody):
    """What measures the plant from `from` on (now, if absent): a whole kit, or one of its series."""

    kit_serial: str
    peripheral_name: Annotated[str, Field(max_length=255), ANY_TEXT] | None = None
    quantity_type_id: IdInBody | None = None
    since: Annotated[Time | None, Field(alias="from")] = None


class LinkEndBody(JsonBody):
    """When the link ended (now, if absent)."""

    until: Time | None = None


@router.post(
    "/plants/{plantId}/links",
    status_code=201,
    responses=GUARDED | problems(409) | WITH_BODY,
    openapi_extra=request_body(NewLinkBody, {"kitSerial": "k-3467-bcdf-ghjk"}),
    summary="Link a kit or series to a plant",
)
async def add_link(
    services: UsedServices,
    body: Annotated[NewLinkBody, Depends(json_body(NewLinkBody))],
    caller: CurrentCaller,
    plant_id: PlantId,
) -> JsonReply[PlantObject]:
    """Requires the permission `editConfiguration` for the kit. Links of the same series cannot overlap."""
    now = services.clock()
    with refusals_as_problems():
        async with services.writing() as connection:
            await editable_plant(connection, caller, plant_id)
            source = MeasuringSource(
                kit_id=await configurable_kit(connection, caller, body.kit_serial),
                peripheral_name=body.peripheral_name,
                quantity_type_id=body.quantity_type_id,
            )
            await link_plant(connection, plant_id, source, since=body.since or now, now=now)
            document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document, status_code=201)


@router.patch(
    "/plants/{plantId}/links/{linkId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(LinkEndBody, {"until": "2026-11-22T12:00:00Z"}),
    summary="End a link",
)
async def finish_link(
    services: UsedServices,
    body: Annotated[LinkEndBody, Depends(json_body(LinkEndBody))],
    caller: CurrentCaller,
    plant_id: PlantId,
    link_id: LinkId,
) -> JsonReply[PlantObject]:
    """The ended link is kept as part of the plant's history."""
    now = services.clock()
    with refusals_as_problems():
        async with services.writing() as connection:
            link = _link_in(await editable_plant(connection, caller, plant_id), link_id)
            await end_link(connection, link, until=body.until or now, now=now)
            document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document)


@router.delete(
    "/plants/{plantId}/links/{linkId}",
    responses=GUARDED,
    summary="Delete a link",
)
async def remove_link(
    services: UsedServices, caller: CurrentCaller, plant_id: PlantId, link_id: LinkId
) -> JsonReply[PlantObject]:
    """Removes a link that was made by mistake, as if it had never existed.

    If the plant has moved, end the link instead.
    """
    async with services.writing() as connection:
        link = _link_in(await editable_plant(connection, caller, plant_id), link_id)
        await delete_link(connection, link.id)
        document = await plant_document(services, connection, caller, plant_id)
    return JsonReply(document)


def _link_in(access: PlantAccess, link_id: int) -> PlantLink:
    for link in access.links:
        if link.id == link_id:
            return link
    raise not_found()
