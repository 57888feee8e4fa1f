"""Home: what needs a person first, then the kits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext_noop
from hortus.http.access.viewer import Viewer
from hortus.http.pages.alerts.said import ALERT_TOASTS, undo_address
from hortus.http.pages.home.content import READINGS_OF_CARD, Home, sorted_kits
from hortus.http.pages.home.store import HomeReader
from hortus.http.pages.home.view import HomeView, Shown, shown_of, view_of
from hortus.http.pages.kits.tabs import kit_page_address
from hortus.http.pages.places import is_place
from hortus.http.pages.renewal import Renewed, reload_reply, renewal_reply, renewed
from hortus.http.pages.site import Site
from hortus.http.pages.status_series import COURSE_HOURS
from hortus.http.pages.status_store import KITS_PER_PAGE, LEDGER_HOURS
from hortus.http.server.answers import SharedAnswers

# Pages poll every five seconds, so answers one second old will do, and many open tabs cost as much as one.
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 200

# What other pages end with that lead here.
_TOASTS = ALERT_TOASTS | {
    "deleted": gettext_noop("The kit is deleted, with all that it sent."),
    "left": gettext_noop("You left the kit."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The part of Home that renews itself, what it shows, and how many alerts are open."""

    part: Renewed
    shown: Shown
    open_alerts: int


class HomePages:
    """`/` and its self-refreshing part, `/status`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = HomeReader(site)
        self._answers = SharedAnswers[_Answer](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)
        self._totals = SharedAnswers[int](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/status", self.status, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """Answer with the whole page."""
        view = view_of(request.query_params)
        viewer = await self._site.viewer(request)
        if view.is_table is None:
            total = await self._totals.get(viewer.user, lambda: self._reader.count_kits(viewer))
            view = replace(view, is_table=total > KITS_PER_PAGE)
        answer = await self._answer(viewer, view, None)
        return self._site.page(
            request,
            "home/home.html",
            viewer=replace(viewer, open_alerts=answer.open_alerts),
            content=answer.part.content,
            etag=answer.part.etag,
            view=view,
            shown=answer.shown,
            toasts=_TOASTS,
            undo=undo_address(request),
        )

    async def status(self, request: Request) -> Response:
        """Answer with the self-refreshing part, or request a reload if anything around it changed."""
        view, shown = view_of(request.query_params), shown_of(request.query_params)
        viewer = await self._site.viewer(request)
        if shown is None or view.is_table is None or not self._site.templates.is_current(request, viewer):
            return reload_reply()
        answer = await self._answer(viewer, view, shown)
        return renewal_reply(request, answer.part) if answer.shown == shown else reload_reply()

    async def _answer(self, viewer: Viewer, view: HomeView, shown: Shown | None) -> _Answer:
        async def ask() -> _Answer:
            home = await self._reader.read(viewer, view, shown)
            if shown is None and view.is_table and view.sort:
                home = replace(home, kits=sorted_kits(home.kits, view.sort, downwards=view.downwards))
            return _Answer(
                part=renewed(await self._rendered(viewer, view, home)),
                shown=Shown(
                    kit_ids=tuple(each.kit.id for each in home.kits),
                    pages=home.status.pages,
                    total=home.status.kits_in_total,
                ),
                open_alerts=home.counts.open,
            )

        changes = self._site.open_alerts.changes_of(viewer.user.id if viewer.user else None)
        key = (viewer.user, current_language().tag, changes, view, shown)
        return await self._answers.get(key, ask)

    async def _rendered(self, viewer: Viewer, view: HomeView, home: Home) -> str:
        # Only administrators can do something about it.
        backlog = await self._site.backlog.look() if viewer.is_admin else None
        return self._site.templates.render(
            "home/_home.html",
            home=home,
            now=home.status.now,
            view=view,
            viewer=viewer,
            late=backlog.late if backlog else (),
            hours=LEDGER_HOURS,
            course_hours=COURSE_HOURS,
            most_readings=READINGS_OF_CARD,
            may_add=is_place(viewer, "/kits/new"),
            kit_page_address=kit_page_address,
        )
