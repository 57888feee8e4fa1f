"""Endpoints that export a kit's readings as files (http-api 4.9)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from typing_extensions import TypedDict

from hortus.base.time_zones import MOST_ZONE_CHARACTERS
from hortus.domain.accounts.tokens import ArchiveClaims, InvalidToken
from hortus.flow.export.estimate import estimate_export
from hortus.flow.export.formats import MEDIA_TYPES, Format
from hortus.flow.export.selection import Data, Selection
from hortus.flow.export.sheets import CsvStyle, Sheet
from hortus.flow.export.store import use_archive_token
from hortus.http.access import downloads
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import KitAccess, access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.api.zones import zone_asked_for
from hortus.http.conventions.documentation import HIDDEN, Responses, problems
from hortus.http.conventions.parameters import IdInQuery, TimeInQuery, require_order
from hortus.http.conventions.problems import Problem, forbidden, not_found
from hortus.http.conventions.replies import JsonReply
from hortus.http.documents.kits import kit_object

router = APIRouter(tags=["Export"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ZIP: Responses = {200: {"description": "A zip archive.", "content": {"application/zip": _BINARY}}}
_FILES: Responses = {
    200: {
        "description": "The file, streamed while it is generated.",
        "content": {media_type.partition(";")[0]: _BINARY for media_type in MEDIA_TYPES.values()},
    }
}


class Estimate(TypedDict):
    """About how large an export is."""

    rows: int
    bytes: int


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
    access = await _access_of(services, claims)
    return await downloads.download_archive(
        request,
        services,
        access,
        kit_object(access.kit, is_exact=access.sees_exact_position),
        configuration_id=configuration,
        start=start,
        end=end,
        claim=lambda: _use(services, claims),
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
    sheet: Annotated[Sheet, Query()] = Sheet.PLAIN,
    local: Annotated[str | None, Query(max_length=MOST_ZONE_CHARACTERS)] = None,
) -> Response:
    """Rows are in chronological order; `from` is inclusive, `to` is exclusive.

    `sheet=semicolon` writes CSV for spreadsheet programs that write numbers with a comma. `local` is `kit` or
    the name of a time zone, such as `Europe/Amsterdam`: CSV then also has the times by its clocks. If the
    connection breaks before the end, the file is incomplete.
    """
    require_order(start, end)
    selection = Selection(
        data=Data(data),
        start=start,
        end=end,
        configuration_id=configuration,
        peripheral_id=peripheral,
        quantity_type_id=quantity_type,
    )
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
    access.require(Permission.VIEW)
    style = _style(services, access, form, sheet, local)
    return await downloads.download_readings(request, services, access, selection, form, style)


@router.get(
    "/kits/{kitSerial}/export/estimate",
    responses=HIDDEN | problems(403),
    summary="Estimate the size of an export",
)
async def estimate(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    form: Annotated[Literal["csv", "ndjson", "parquet", "zip"], Query(alias="format")] = "csv",
    data: Annotated[Literal["raw", "aggregate"], Query()] = "raw",
    start: Annotated[TimeInQuery, Query(alias="from")] = None,
    end: Annotated[TimeInQuery, Query(alias="to")] = None,
) -> JsonReply[Estimate]:
    """About how many rows and bytes an export would have; `zip` is the archive.

    Readings are not counted for it. Their hourly figures are, so the answer is quick and not exact.
    """
    require_order(start, end)
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        found = await estimate_export(connection, access.kit_id, form, Data(data), start, end)
    return JsonReply({"rows": found.rows, "bytes": found.size_bytes})


def _style(services: Services, access: KitAccess, form: Format, sheet: Sheet, local: str | None) -> CsvStyle:
    """Return how CSV is written. Raises Problem 422 for other formats, or if there is no such zone."""
    if form is not Format.CSV and (sheet is not Sheet.PLAIN or local is not None):
        raise Problem(422, detail="sheet and local are for format=csv.")
    if local is None:
        return CsvStyle(sheet)
    return CsvStyle(sheet, zone_asked_for(services, access, local))


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
