"""Endpoints that export a kit's readings as files (http-api 4.9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.domain.accounts.tokens import ArchiveClaims, InvalidToken
from hortus.flow.export.archive import ArchiveContents, archive, archive_name, read_contents
from hortus.flow.export.formats import MEDIA_TYPES, Format, export
from hortus.flow.export.parquet import ParquetNotInstalled, require_parquet
from hortus.flow.export.reading import Piece
from hortus.flow.export.selection import Data, Selection
from hortus.flow.export.source import ExportedKit, open_source
from hortus.flow.export.store import use_archive_token
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import KitAccess, access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import HIDDEN, Responses, problems
from hortus.http.conventions.head_requests import is_without_body
from hortus.http.conventions.parameters import IdInQuery, TimeInQuery, require_order
from hortus.http.conventions.problems import Problem, forbidden, not_found
from hortus.http.conventions.replies import JsonReply
from hortus.http.conventions.streaming import StreamedReply
from hortus.http.documents.kits import kit_object
from hortus.http.server.database_access import DatabaseNotAnswering

router = APIRouter(tags=["Export"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ZIP: Responses = {200: {"description": "A zip archive.", "content": {"application/zip": _BINARY}}}
_FILES: Responses = {
    200: {
        "description": "The file, streamed while it is generated.",
        "content": {media_type.partition(";")[0]: _BINARY for media_type in MEDIA_TYPES.values()},
    }
}
_USED = "This link has expired or has already been used. Request a new one."


@router.post(
    "/kits/{kitSerial}/archive",
    responses=HIDDEN | problems(403),
    summary="Create a download token for a kit's archive",
)
async def make_archive_token(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[str]:
    """Returns a token for `GET /kits/{kitSerial}/archive`.

    It is valid for a single download, which must start within 90 seconds.
    """
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
    access.require(Permission.VIEW)
    return JsonReply(services.tokens.archive(access.kit["serial"], access.caller.user_id, uuid4()))


@router.get(
    "/kits/{kitSerial}/archive",
    response_class=Response,
    responses=_ZIP | problems(403, 404),
    summary="Download a kit's archive",
)
async def download_archive(
    request: Request,
    services: UsedServices,
    serial: KitSerial,
    token: Annotated[str, Query()],
    configuration: IdInQuery = None,
    start: Annotated[TimeInQuery, Query(alias="from")] = None,
    end: Annotated[TimeInQuery, Query(alias="to")] = None,
) -> Response:
    """Everything the kit has measured, as CSV files, together with its configurations.

    The token in the query authorizes the download; no `Authorization` header is needed. If the connection
    breaks before the end, the archive is incomplete and zip programs will report it as damaged.
    """
    require_order(start, end)
    claims = _claims(services, token, serial)
    async with AsyncExitStack() as resources:
        resources.enter_context(services.exports.taken(claims.user_id, network_of(request)))
        access = await _access_of(services, claims)
        source = await resources.enter_async_context(opened(services, access.kit_id))
        contents = await _contents(services, access, configuration, start, end)
        # Last, so that a request that fails does not use up the link.
        if not is_without_body(request.scope):
            await _use(services, claims)
        return StreamedReply(
            archive(source, contents),
            resources.pop_all(),
            media_type="application/zip",
            filename=archive_name(access.kit["serial"], contents.made_at),
            idle_seconds=services.parts.exports.idle_seconds,
        )


@router.get(
    "/kits/{kitSerial}/export",
    response_class=Response,
    responses=_FILES | HIDDEN | problems(403, 501),
    summary="Export a kit's readings or aggregates",
)
async def export_readings(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    form: Annotated[Format, Query(alias="format")] = Format.CSV,
    data: Annotated[Literal["raw", "aggregate"], Query()] = "raw",
    start: Annotated[TimeInQuery, Query(alias="from")] = None,
    end: Annotated[TimeInQuery, Query(alias="to")] = None,
    configuration: IdInQuery = None,
    peripheral: IdInQuery = None,
    quantity_type: Annotated[IdInQuery, Query(alias="quantityType")] = None,
) -> Response:
    """Rows are in chronological order; `from` is inclusive, `to` is exclusive.

    If the connection breaks before the end, the file is incomplete.
    """
    require_order(start, end)
    _require_installed(form)
    selection = Selection(
        data=Data(data),
        start=start,
        end=end,
        configuration_id=configuration,
        peripheral_id=peripheral,
        quantity_type_id=quantity_type,
    )
    async with AsyncExitStack() as resources:
        async with services.reading() as connection:
            access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        resources.enter_context(services.exports.taken(access.caller.user_id, network_of(request)))
        source = await resources.enter_async_context(opened(services, access.kit_id))
        return StreamedReply(
            _contents_of(export(source, selection, form)),
            resources.pop_all(),
            media_type=MEDIA_TYPES[form],
            filename=f"{access.kit['serial']}_{data}_{services.clock():%Y-%m-%dT%H%M%SZ}.{form}",
            idle_seconds=services.parts.exports.idle_seconds,
        )


async def _contents_of(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece.content


def _require_installed(form: Format) -> None:
    if form is Format.PARQUET:
        try:
            require_parquet()
        except ParquetNotInstalled as error:
            raise Problem(501, detail=f"{error} Until then, export CSV or NDJSON.") from error


@asynccontextmanager
async def opened(services: Services, kit_id: int) -> AsyncIterator[ExportedKit]:
    """Yield the kit's rows. Raises DatabaseNotAnswering, or Problem 404 if the kit has since been deleted."""
    stack = AsyncExitStack()
    try:
        source = await stack.enter_async_context(open_source(services.parts.connect, kit_id))
    except CONNECTION_FAILURES as error:
        raise DatabaseNotAnswering from error
    async with stack:
        if source is None:
            raise not_found()
        yield source


def _claims(services: Services, token: str, serial: str) -> ArchiveClaims:
    try:
        claims = services.tokens.read_archive(token)
    except InvalidToken as error:
        raise forbidden(_USED) from error
    if claims.kit_serial != serial:
        raise forbidden("This link is for the archive of another kit.")
    return claims


async def _access_of(services: Services, claims: ArchiveClaims) -> KitAccess:
    """Return the kit if the person who requested the link may still see it. Raises Problem 404."""
    caller = Caller(user_id=claims.user_id)
    try:
        async with services.reading() as connection:
            access = await access_to_kit(connection, caller, claims.kit_serial)
    except Problem as error:
        raise not_found() from error
    return access


async def _use(services: Services, claims: ArchiveClaims) -> None:
    async with services.writing() as connection:
        if not await use_archive_token(connection, claims.token_id, claims.expires_at, services.clock()):
            raise forbidden(_USED)


async def _contents(
    services: Services,
    access: KitAccess,
    configuration_id: int | None,
    start: datetime | None,
    end: datetime | None,
) -> ArchiveContents:
    async with services.reading() as connection:
        return await read_contents(
            connection,
            kit_object(access.kit, is_exact=access.sees_exact_position),
            configuration_id=configuration_id,
            start=start,
            end=end,
            made_at=services.clock().astimezone(UTC),
        )
