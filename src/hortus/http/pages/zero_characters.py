"""Addresses with the character U+0000, which PostgreSQL cannot compare with any text."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from hortus.base.language.translation import gettext
from hortus.http.pages.problems import Problems
from hortus.http.server.public_path import path_below


class NoZeroCharacters:
    """Refuses such addresses of pages: nothing has that name, and nothing can be looked up by it.

    The API refuses them itself, in its own words.
    """

    def __init__(self, app: ASGIApp, problems: Problems) -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless its path or its query has a zero character."""
        if scope["type"] != "http" or (status := _refusal(scope)) is None:
            await self._app(scope, receive, send)
            return
        detail = gettext("The address contains a character that no text can contain.") if status == 400 else ""
        response = self._problems.response(path_below(scope), status, detail, {})
        await response(scope, receive, send)


def _refusal(scope: Scope) -> int | None:
    path = path_below(scope)
    if path == "/api" or path.startswith("/api/"):
        return None
    if "\0" in path:
        return 404
    return 400 if b"%00" in scope["query_string"] else None
