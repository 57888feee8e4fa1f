"""Endpoints for a kit's quarantined messages: inspect, replay after fixing the cause, or delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.flow.quarantine.replay import ReplayResult
from hortus.flow.quarantine.store import (
    QuarantinedMessage,
    QuarantinedMessageNotFound,
    QuarantineFilter,
    list_quarantine,
    purge_quarantine,
    quarantine_ids,
    show_quarantined,
)
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import KitAccess, access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.replays import replay_for_person
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED, Responses, next_page
from hortus.http.conventions.paging import next_link
from hortus.http.conventions.parameters import integer_text
from hortus.http.conventions.problems import not_found
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.streaming import attachment
from hortus.http.documents.quarantine import (
    Quarantined,
    QuarantinedInFull,
    Replayed,
    quarantined_in_full,
    quarantined_object,
    replayed_object,
)
from hortus.protocol.reasons import Reason

router = APIRouter(tags=["Ledger and quarantine"])

PAGE_SIZE = 50

MessageNumber = Annotated[
    int, BeforeValidator(integer_text), Field(ge=0, le=2**63 - 1), Path(alias="messageId")
]
_ReasonInQuery = Annotated[Reason | None, Query(description="Only messages quarantined for this reason.")]
_BYTES: Responses = {
    200: {
        "description": "The message as it was received.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
# Browsers must not render the bytes, whatever they are.
_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


@router.get(
    "/kits/{kitSerial}/quarantine",
    responses=GUARDED
    | next_page("Link", '</kits/k-3467-bcdf-ghjk/quarantine?cursor=812&reason=time-in-future>; rel="next"'),
    summary="List a kit's quarantined messages",
)
async def list_set_aside(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    reason: _ReasonInQuery = None,
    cursor: Annotated[
        Annotated[int, BeforeValidator(integer_text), Field(ge=0, le=2**63 - 1)] | None, Query()
    ] = None,
) -> JsonReply[list[Quarantined]]:
    """Lists messages that could not be stored, newest first, 50 per page, without their payloads."""
    async with services.reading() as connection:
        access = await _configurable(connection, caller, serial)
        wanted = _filter(access, reason=reason, before_id=cursor)
        rows = await list_quarantine(connection, wanted, limit=PAGE_SIZE + 1)
    page = rows[:PAGE_SIZE]
    headers = {}
    if len(rows) > PAGE_SIZE:
        path = f"/kits/{access.kit['serial']}/quarantine"
        headers = next_link(path, {"cursor": page[-1].id, "reason": reason})
    return JsonReply([quarantined_object(message) for message in page], headers=headers)


@router.get(
    "/kits/{kitSerial}/quarantine/{messageId}",
    responses=GUARDED,
    summary="Get a quarantined message",
)
async def show_set_aside(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, message_id: MessageNumber
) -> JsonReply[QuarantinedInFull]:
    """Returns the message with its payload, decoded as far as possible."""
    message = await _message(services, caller, serial, message_id)
    return JsonReply(quarantined_in_full(message))


@router.get(
    "/kits/{kitSerial}/quarantine/{messageId}/payload",
    response_class=Response,
    responses=_BYTES | GUARDED,
    summary="Download a quarantined message's payload",
)
async def download_payload(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, message_id: MessageNumber
) -> Response:
    """All bytes that were kept, as a download."""
    message = await _message(services, caller, serial, message_id)
    return Response(
        message.payload,
        media_type="application/octet-stream",
        headers=_HARMLESS | {"Content-Disposition": attachment(f"{serial}_message_{message_id}.bin")},
    )


@router.post(
    "/kits/{kitSerial}/quarantine/replay",
    responses=GUARDED,
    summary="Replay quarantined messages",
)
async def replay_set_aside(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    reason: _ReasonInQuery = None,
) -> JsonReply[Replayed]:
    """Tries again to store the kit's quarantined messages, in the order in which they arrived.

    Covers all of them, or only those quarantined for one reason.
    """
    async with services.reading() as connection:
        access = await _configurable(connection, caller, serial)
        ids = await quarantine_ids(connection, _filter(access, reason=reason))
    return JsonReply(replayed_object(await replay_for(request, services, access, ids)))


@router.post(
    "/kits/{kitSerial}/quarantine/{messageId}/replay",
    responses=GUARDED,
    summary="Replay a quarantined message",
)
async def replay_one(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    message_id: MessageNumber,
) -> JsonReply[Replayed]:
    """A message that still cannot be stored stays in quarantine, with its current reason."""
    async with services.reading() as connection:
        access = await _configurable(connection, caller, serial)
        ids = await quarantine_ids(connection, _filter(access, ids=(message_id,)))
    if not ids:
        raise not_found()
    return JsonReply(replayed_object(await replay_for(request, services, access, ids)))


@router.delete(
    "/kits/{kitSerial}/quarantine",
    response_class=Response,
    responses=GUARDED,
    summary="Delete quarantined messages",
)
async def delete_set_aside(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    reason: Annotated[Reason, Query(description="Delete the messages quarantined for this reason.")],
) -> Response:
    """Permanently deletes the messages. The ledger still counts them as quarantined."""
    async with services.long_change() as connection:
        access = await _configurable(connection, caller, serial)
        await purge_quarantine(connection, _filter(access, reason=reason))
    return empty_reply()


@router.delete(
    "/kits/{kitSerial}/quarantine/{messageId}",
    response_class=Response,
    responses=GUARDED,
    summary="Delete a quarantined message",
)
async def delete_one(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, message_id: MessageNumber
) -> Response:
    """Permanently deletes the message. The ledger still counts it as quarantined."""
    async with services.writing() as connection:
        access = await _configurable(connection, caller, serial)
        if not await purge_quarantine(connection, _filter(access, ids=(message_id,))):
            raise not_found()
    return empty_reply()


async def _configurable(connection: AsyncConnection, caller: Caller, serial: str) -> KitAccess:
    access = await access_to_kit(connection, caller, serial)
    access.require(Permission.EDIT_CONFIGURATION)
    return access


def _filter(
    access: KitAccess,
    *,
    ids: tuple[int, ...] | None = None,
    reason: Reason | None = None,
    before_id: int | None = None,
) -> QuarantineFilter:
    """Return the filter, limited to this kit: message numbers of other kits match nothing."""
    return QuarantineFilter(
        kit_id=access.kit_id, ids=ids, reason=None if reason is None else str(reason), before_id=before_id
    )


async def _message(services: Services, caller: Caller, serial: str, message_id: int) -> QuarantinedMessage:
    async with services.reading() as connection:
        access = await _configurable(connection, caller, serial)
        try:
            return await show_quarantined(connection, message_id, access.kit_id)
        except QuarantinedMessageNotFound as error:
            raise not_found() from error


async def replay_for(
    request: Request, services: Services, access: KitAccess, ids: Sequence[int]
) -> ReplayResult:
    """Replay these messages on behalf of a request. Raises Problem or DatabaseNotAnswering."""
    return await replay_for_person(request, services, access.caller.user_id, ids)
