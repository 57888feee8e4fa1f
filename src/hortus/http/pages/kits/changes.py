"""`/kits/{serial}/changes`: whether somebody changed a kit since its page was shown."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.changes import KitChange, last_change
from hortus.http.conventions.problems import bad_request
from hortus.http.pages.kits.frame import reading_kit
from hortus.http.pages.kits.tabs import people_of_kit
from hortus.http.pages.moments import moment_in
from hortus.http.pages.site import Site

_BY_SOMEBODY = {
    "configuration": gettext_noop("The configuration was changed."),
    "members": gettext_noop("The members were changed."),
    "plants": gettext_noop("The plants were changed."),
}
_BY = {
    "configuration": gettext_noop("%(name)s changed the configuration."),
    "members": gettext_noop("%(name)s changed the members."),
    "plants": gettext_noop("%(name)s changed the plants."),
}


class ChangePages:
    """The sentence about the last change, for members of the kit: it names people."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [Route("/kits/{serial}/changes", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """Answer with a sentence, or 204 if nobody else changed anything. What changed is among `of`."""
        async with reading_kit(self._site, request) as (connection, kit):
            try:
                since = moment_in(request.query_params.get("since", ""), kit.zone)
            except (ValueError, OverflowError):
                raise bad_request(gettext("Give since as a time such as 2026-11-28T09:00Z.")) from None
            change = None
            if people_of_kit(kit):
                change = await last_change(connection, kit.id, since=since, not_by=kit.access.caller.user_id)
        if change is None or change.what not in _BY:
            return Response(status_code=204)
        return HTMLResponse(self._site.templates.render("kits/_changed.html", words=_words(change)))


def _words(change: KitChange) -> str:
    if change.name is None:
        return gettext(_BY_SOMEBODY[change.what])
    return gettext(_BY[change.what], name=change.name)
