"""`/p/{code}`: a kit for everybody who has its public link, and the part of the page that renews itself."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext, gettext_noop
from hortus.http.pages.kits.overview.series import COURSE_HOURS
from hortus.http.pages.kits.public.store import NoSuchLink, PublicKit, PublicKitReader
from hortus.http.pages.renewal import reload_reply, renewal_reply, renewed
from hortus.http.pages.site import Site
from hortus.http.pages.times import clock_text
from hortus.http.server.answers import SharedAnswers

# The page asks every few seconds: many open tabs cost as much as one.
_KEEP_SECONDS = 2.0
_KEPT_ANSWERS = 200

_GONE = gettext_noop("This link does not work any more. Ask the person who gave it to you for a new one.")

# No search engine lists the page. The usual Referrer-Policy keeps its address from other sites.
_HEADERS = {"X-Robots-Tag": "noindex, nofollow"}


class PublicKitPages:
    """The page, and `/p/{code}/content` for its script."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = PublicKitReader(site)
        self._answers = SharedAnswers[tuple[str, str]](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/p/{code}", self.show, methods=["GET"]),
            Route("/p/{code}/content", self.renew, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the whole page, or 404 for a link that does not exist or was withdrawn."""
        viewer = await self._site.viewer(request)
        try:
            name, content = await self._content(request.path_params["code"])
        except NoSuchLink:
            raise HTTPException(404, gettext(_GONE)) from None
        return self._site.page(
            request,
            "kits/public.html",
            viewer=viewer,
            headers=_HEADERS,
            kit_name=name,
            code=request.path_params["code"],
            content=content,
        )

    async def renew(self, request: Request) -> Response:
        """Answer with the part that renews itself, 304 if it is the same, or a request to reload the page."""
        viewer = await self._site.viewer(request)
        if not self._site.templates.is_current(request, viewer):
            return reload_reply()
        try:
            _, content = await self._content(request.path_params["code"])
        except NoSuchLink:
            return reload_reply()  # withdrawn: the whole page says so
        return renewal_reply(request, renewed(content))

    async def _content(self, code: str) -> tuple[str, str]:
        """Return the kit's name and the part that renews itself. Raises NoSuchLink or DatabaseNotAnswering."""
        # Asked each time: a link that is withdrawn works for nobody from then on.
        kit_id = await self._reader.kit_of(code)

        async def ask() -> tuple[str, str]:
            kit = await self._reader.read(kit_id, code)
            return kit.name, self._rendered(kit)

        return await self._answers.get((current_language().tag, code), ask)

    def _rendered(self, kit: PublicKit) -> str:
        return self._site.templates.render(
            "kits/_public.html",
            kit=kit,
            course_hours=COURSE_HOURS,
            zone_name=str(kit.zone),
            clock=lambda moment: clock_text(moment, kit.zone, kit.now),
        )
