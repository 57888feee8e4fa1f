"""`/account/sessions`: where one is logged in, and ending that."""

from __future__ import annotations

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext_noop
from hortus.domain.accounts.log_ins import end_log_in, end_other_log_ins, list_log_ins
from hortus.http.pages.account.tabs import account_tabs
from hortus.http.pages.requests import redirect, require_same_origin
from hortus.http.pages.site import Site

_TOASTS = {
    "ended": gettext_noop("That log-in has ended."),
    "others": gettext_noop("All other log-ins have ended."),
}


class SessionPages:
    """The list of log-ins, to the pages and to the API."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/account/sessions", self.show, methods=["GET"]),
            Route("/account/sessions/end-others", self.end_others, methods=["POST"]),
            Route("/account/sessions/{session_id}/end", self.end, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the log-ins, the most recently used first."""
        viewer, user = await self._site.person(request)
        now = self._site.clock()
        async with self._site.reading() as connection:
            log_ins = await list_log_ins(connection, user.id, now)
        return self._site.page(
            request,
            "account/sessions.html",
            viewer=viewer,
            toasts=_TOASTS,
            tabs=account_tabs(),
            log_ins=log_ins,
            this_one=self._this_one(request),
            now=now,
        )

    async def end(self, request: Request) -> Response:
        """End one log-in; ending this one is logging out."""
        require_same_origin(request)
        _, user = await self._site.person(request)
        session_id = _id(request.path_params["session_id"])
        if session_id is not None and session_id == self._this_one(request):
            response = redirect(request, "/")
            await self._site.sessions.end(request, response)
            return response
        if session_id is not None:
            async with self._site.changing() as connection:
                await end_log_in(connection, user.id, session_id)
        # One that has ended meanwhile is as gone as this one is now.
        return redirect(request, "/account/sessions", said="ended")

    async def end_others(self, request: Request) -> Response:
        """End all log-ins but this one."""
        require_same_origin(request)
        _, user = await self._site.person(request)
        this_one = self._this_one(request)
        if this_one is not None:
            async with self._site.changing() as connection:
                await end_other_log_ins(connection, user.id, this_one)
        return redirect(request, "/account/sessions", said="others")

    def _this_one(self, request: Request) -> UUID | None:
        claims = self._site.sessions.claims_of(request)
        return claims.token_id if claims else None


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
