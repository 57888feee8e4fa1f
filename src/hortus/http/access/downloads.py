"""Downloads of a kit's readings: streamed while they are generated, a few at a time in each process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.flow.export.archive import archive, archive_name, read_contents
from hortus.flow.export.formats import MEDIA_TYPES, Format, export
from hortus.flow.export.parquet import ParquetNotInstalled, require_parquet
from hortus.flow.export.reading import Piece
from hortus.flow.export.selection import Selection
from hortus.flow.export.sheets import PLAIN, CsvStyle
from hortus.flow.export.source import ExportedKit, open_source
from hortus.http.access.addresses import network_of
from hortus.http.access.kit_access import KitAccess
from hortus.http.access.services import Services
from hortus.http.conventions.head_requests import is_without_body
from hortus.http.conventions.problems import Problem, not_found
from hortus.http.conventions.streaming import StreamedReply
from hortus.http.server.database_access import DatabaseNotAnswering


async def download_readings(
    request: Request,
    services: Services,
    access: KitAccess,
    selection: Selection,
    form: Format,
    style: CsvStyle = PLAIN,
) -> Response:
    """Return the selected rows as a file. Raises DatabaseNotAnswering, or Problem 404, 429, 501 or 503."""
    require_installed(form)
    async with AsyncExitStack() as resources:
        resources.enter_context(services.exports.taken(access.caller.user_id, network_of(request)))
        source = await resources.enter_async_context(opened(services, access.kit_id))
        return StreamedReply(
            _contents_of(export(source, selection, form, style)),
            resources.pop_all(),
            media_type=MEDIA_TYPES[form],
            filename=f"{access.kit['serial']}_{selection.data}_{services.clock():%Y-%m-%dT%H%M%SZ}.{form}",
            idle_seconds=services.parts.exports.idle_seconds,
        )


async def download_archive(
    request: Request,
    services: Services,
    access: KitAccess,
    kit: Mapping[str, Any],
    *,
    configuration_id: int | None = None,
    start: datetime | None,
    end: datetime | None,
    claim: Callable[[], Awaitable[None]] | None = None,
) -> Response:
    """Return everything that the kit has measured, as a zip; `kit` is its document.

    `claim` is called last before the archive begins, so that a request that fails does not use up a link.
    Raises DatabaseNotAnswering, or Problem 404, 429 or 503.
    """
    async with AsyncExitStack() as resources:
        resources.enter_context(services.exports.taken(access.caller.user_id, network_of(request)))
        source = await resources.enter_async_context(opened(services, access.kit_id))
        async with services.reading() as connection:
            contents = await read_contents(
                connection,
                kit,
                configuration_id=configuration_id,
                start=start,
                end=end,
                made_at=services.clock().astimezone(UTC),
            )
        if claim is not None and not is_without_body(request.scope):
            await claim()
        return StreamedReply(
            archive(source, contents),
            resources.pop_all(),
            media_type="application/zip",
            filename=archive_name(access.kit["serial"], contents.made_at),
            idle_seconds=services.parts.exports.idle_seconds,
        )


def require_installed(form: Format) -> None:
    """Raise Problem 501 if the server lacks the library for this format."""
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


async def _contents_of(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece.content
