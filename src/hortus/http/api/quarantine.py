"""Endpoints about a kit's messages that were set aside: look, mend the cause, replay, or throw away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.domain.media.objects import ObjectStoreNotAnswering
from hortus.flow.quarantine.replay import ReplayResult, replay
from hortus.flow.quarantine.store import (
    QuarantinedMessage,
    QuarantinedMessageNotFound,
    QuarantineFilter,
    list_quarantine,
    purge_quarantine,
    quarantine_ids,
    show_quarantined,
)
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import KitAccess, access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED, Responses, next_page
from hortus.http.conventions.paging import next_link
from hortus.http.conventions.parameters import integer_text
from hortus.http.conventions.problems import not_found, unavailable
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
from hortus.http.server.database_access import database_failures_translated
from hortus.protocol.reasons import Reason

router = APIRouter(tags=["Ledger and quarantine"])

PAGE_SIZE = 50
_RETRY_SECONDS = 15

MessageNumber = Annotated[
    int, BeforeValidator(integer_text), Field(ge=0, le=2**63 - 1), Path(alias="messageId")
]
_ReasonInQuery = Annotated[Reason | None, Query(description="Only messages set aside for this reason.")]
_BYTES: Responses = {
    200: {
        "description": "The bytes, as they came.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
# Whatever the bytes are, no browser makes a page of them.
_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


@router.get(
    "/kits/{kitSerial}/quarantine",
    responses=GUARDED
    | next_page("Link", '</kits/k-3467-bcdf-ghjk/quarantine?cursor=812&reason=time-in-future>; rel="next"'),
    summary="Messages of a kit that were set aside",
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
    """Newest first, 50 at a time, without their bytes."""
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
    summary="A message that was set aside",
)
async def show_set_aside(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, message_id: MessageNumber
) -> JsonReply[QuarantinedInFull]:
    """With its bytes, and what they say as far as they can be read."""
    message = await _message(services, caller, serial, message_id)
    return JsonReply(quarantined_in_full(message))


@router.get(
    "/kits/{kitSerial}/quarantine/{messageId}/payload",
    response_class=Response,
    responses=_BYTES | GUARDED,
    summary="The bytes of a message that was set aside",
)
async def download_payload(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, message_id: MessageNumber
) -> Response:
    """All that are kept, to be saved."""
    message = await _message(services, caller, serial, message_id)
    return Response(
        message.payload,
        media_type="application/octet-stream",
        headers=_HARMLESS | {"Content-Disposition": attachment(f"{serial}_message_{message_id}.bin")},
    )


@router.post(
    "/kits/{kitSerial}/quarantine/replay",
    responses=GUARDED,
    summary="Try to store messages once more",
)
async def replay_set_aside(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    reason: _ReasonInQuery = None,
) -> JsonReply[Replayed]:
    """All of the kit's messages in quarantine, or those set aside for one reason, in their order of arrival."""
    async with services.reading() as connection:
        access = await _configurable(connection, caller, serial)
        ids = await quarantine_ids(connection, _filter(access, reason=reason))
    return JsonReply(replayed_object(await _replay(request, services, access, ids)))


@router.post(
    "/kits/{kitSerial}/quarantine/{messageId}/replay",
    responses=GUARDED,
    summary="Try to store a message once more",
)
async def replay_one(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    message_id: MessageNumber,
) -> JsonReply[Replayed]:
    """What is still wrong stays in quarantine, with its present reason."""
    async with services.reading() as connection:
        access = await _configurable(connection, caller, serial)
        ids = await quarantine_ids(connection, _filter(access, ids=(message_id,)))
    if not ids:
        raise not_found()
    return JsonReply(replayed_object(await _replay(request, services, access, ids)))


@router.delete(
    "/kits/{kitSerial}/quarantine",
    response_class=Response,
    responses=GUARDED,
    summary="Throw messages away for good",
)
async def delete_set_aside(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    reason: Annotated[Reason, Query(description="Those that were set aside for this reason.")],
) -> Response:
    """The ledger goes on counting them as quarantined."""
    async with services.writing() as connection:
        access = await _configurable(connection, caller, serial)
        await purge_quarantine(connection, _filter(access, reason=reason))
    return empty_reply()


@router.delete(
    "/kits/{kitSerial}/quarantine/{messageId}",
    response_class=Response,
    responses=GUARDED,
    summary="Throw a message away for good",
)
async def delete_one(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, message_id: MessageNumber
) -> Response:
    """The ledger goes on counting it as quarantined."""
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
    """Return what is meant, of this kit only: numbers of others are as good as absent."""
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


async def _replay(request: Request, services: Services, access: KitAccess, ids: Sequence[int]) -> ReplayResult:
    parts = services.parts
    with services.replays.taken(access.caller.user_id, network_of(request)), _failures_translated():
        connection = await parts.connect()
        try:
            return await replay(
                connection,
                ids,
                clock_tolerance_ms=parts.clock_tolerance_ms,
                objects=parts.media_objects,
                clock=lambda: services.clock().timestamp(),
            )
        finally:
            connection.terminate()


@contextmanager
def _failures_translated() -> Iterator[None]:
    """Raise DatabaseNotAnswering, or Problem 503 while the place of media does not answer."""
    try:
        with database_failures_translated():
            yield
    except ObjectStoreNotAnswering as error:
        raise unavailable(str(error), _RETRY_SECONDS) from error
