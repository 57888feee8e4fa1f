"""`/kits/{serial}/export`: three questions, about how large the answer is, and the download."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, plural_patterns
from hortus.flow.export.estimate import ExportEstimate, estimate_export
from hortus.flow.export.selection import Selection
from hortus.flow.export.sheets import PLAIN, CsvStyle, Sheet
from hortus.http.access.downloads import download_archive, download_readings
from hortus.http.conventions.problems import Problem
from hortus.http.documents.kits import kit_object
from hortus.http.pages.kits.export_form import (
    FORMS,
    RANGE_NAMES,
    WHAT,
    Choice,
    Wanted,
    local_inputs,
    read_wanted,
)
from hortus.http.pages.kits.frame import kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.site import Site
from hortus.http.server.database_access import DatabaseNotAnswering

_BUSY = (429, 503)
_ESTIMATE_SECONDS = 3.0


class ExportPages:
    """The form of an export, and what it downloads."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/{serial}/export", self.show, methods=["GET"]),
            Route("/kits/{serial}/export/download", self.download, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form and with what its answers would download; 422 if they make no sense."""
        now = self._site.clock()
        async with reading_kit(self._site, request) as (_, kit):
            wanted, form = read_wanted(request.query_params, now, kit.zone)
        estimate = None if form.faults else await self._estimate(kit, wanted)
        start, end = local_inputs(wanted, now, kit.zone)
        return kit_page(
            self._site,
            request,
            kit,
            "export",
            "kits/export.html",
            status_code=422 if form.faults else 200,
            form=form,
            wanted=wanted,
            what=_shown(WHAT),
            forms=_shown(FORMS if find_spec("pyarrow") else FORMS[:-1]),
            ranges=[{"value": key, "name": gettext(name)} for key, name in RANGE_NAMES.items()],
            start_input=start,
            end_input=end,
            estimate=estimate,
            path=kit_path(kit, "/export"),
            base_url=str(request.base_url).rstrip("/"),
        )

    async def download(self, request: Request) -> Response:
        """Answer with the file, or with a page that says when there is room for another download."""
        now = self._site.clock()
        async with reading_kit(self._site, request) as (_, kit):
            wanted, form = read_wanted(request.query_params, now, kit.zone)
        if form.faults:
            raise HTTPException(400, next(iter(form.faults.values())))
        try:
            return await self._file(request, kit, wanted)
        except Problem as problem:
            if problem.status not in _BUSY or "Retry-After" not in problem.headers:
                raise
            return self._busy(request, kit, wanted, problem)

    async def _estimate(self, kit: OpenedKit, wanted: Wanted) -> ExportEstimate | None:
        """Return the estimate, or None if the database takes too long for it."""
        try:
            async with asyncio.timeout(_ESTIMATE_SECONDS), self._site.reading() as connection:
                return await estimate_export(
                    connection, kit.id, wanted.estimated_form, wanted.data, wanted.start, wanted.end
                )
        except (TimeoutError, DatabaseNotAnswering):
            return None

    async def _file(self, request: Request, kit: OpenedKit, wanted: Wanted) -> Response:
        services = self._site.services
        if wanted.is_archive:
            document = kit_object(kit.row, is_exact=kit.access.sees_exact_position)
            return await download_archive(
                request,
                services,
                kit.access,
                document,
                start=wanted.start,
                end=wanted.end,
            )
        selection = Selection(data=wanted.data, start=wanted.start, end=wanted.end)
        style = CsvStyle(Sheet.SEMICOLON, kit.zone) if wanted.is_sheet else PLAIN
        return await download_readings(request, services, kit.access, selection, wanted.form, style)

    def _busy(self, request: Request, kit: OpenedKit, wanted: Wanted, problem: Problem) -> Response:
        limits = self._site.services.parts.exports
        return kit_page(
            self._site,
            request,
            kit,
            "export",
            "kits/export_busy.html",
            status_code=problem.status,
            headers={"Retry-After": problem.headers["Retry-After"]},
            is_own_limit=problem.status == 429,
            most=limits.per_person if problem.status == 429 else limits.at_once,
            retry_seconds=int(problem.headers["Retry-After"]),
            countdown_patterns=_countdown_patterns,
            again=wanted.query(),
            path=kit_path(kit, "/export"),
        )


def _shown(choices: tuple[Choice, ...]) -> list[dict[str, str]]:
    return [
        {"value": str(each.value), "name": gettext(each.name), "about": gettext(each.about)} for each in choices
    ]


def _countdown_patterns() -> str:
    """Return the sentences of the countdown for its script, as JSON."""
    return orjson.dumps(plural_patterns("Try again in %(n)s s.", "Try again in %(n)s s.")).decode()
