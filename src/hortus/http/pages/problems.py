"""Error responses: a small page, or a problem document below /api (http-api 1.7)."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hortus.base.language.translation import gettext, gettext_noop
from hortus.http.conventions.problems import Problem
from hortus.http.pages.kits.opened import NoSuchKit
from hortus.http.pages.rendering import Templates
from hortus.http.pages.requests import to_log_in
from hortus.http.server.public_path import path_below

log = logging.getLogger(__name__)

RETRY_SECONDS = 5

_WORDS = {
    403: (gettext_noop("Not allowed"), gettext_noop("You cannot do this.")),
    404: (
        gettext_noop("Page not found"),
        gettext_noop("Check the address; the page may have been removed."),
    ),
    405: (
        gettext_noop("That action is not available here"),
        gettext_noop("This address does not accept this kind of request."),
    ),
    500: (gettext_noop("Hortus made a mistake"), gettext_noop("The error is in the server's log.")),
    503: (
        gettext_noop("The database is not answering"),
        gettext_noop("Readings from kits are kept until it is back. This page retries automatically."),
    ),
}
_OTHERWISE = (gettext_noop("That did not work"), gettext_noop("Hortus could not answer this request."))


class Problems:
    """Builds the responses to requests that fail."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    async def for_http_exception(self, request: Request, error: Exception) -> Response:
        """Answer an exception that has a status."""
        assert isinstance(error, HTTPException)
        return self.response(
            path_below(request.scope), error.status_code, error.detail, dict(error.headers or {})
        )

    async def for_problem(self, request: Request, error: Exception) -> Response:
        """Answer what the API's own rules refuse, such as a right that is missing."""
        assert isinstance(error, Problem)
        if error.status == HTTPStatus.UNAUTHORIZED:
            return to_log_in(request)
        # The API's sentences are in English, and are marked for translation where pages show them.
        detail = gettext(error.detail) if error.detail else ""
        return self.response(path_below(request.scope), error.status, detail, dict(error.headers))

    async def for_stranger(self, request: Request, _error: Exception) -> Response:
        """Send a stranger to the log-in."""
        return to_log_in(request)

    async def for_hidden_kit(self, request: Request, error: Exception) -> Response:
        """Answer hidden and nonexistent kits alike."""
        assert isinstance(error, NoSuchKit)
        if not error.is_person:
            return to_log_in(request)
        return self.response(path_below(request.scope), 404, str(error), {})

    async def for_database_failure(self, request: Request, _error: Exception) -> Response:
        """Answer while the database cannot be reached."""
        return self.response(path_below(request.scope), 503, "", {"Retry-After": str(RETRY_SECONDS)})

    def response(
        self, path: str, status: int, detail: str, headers: dict[str, str], reference: str = ""
    ) -> Response:
        """Answer with this status; `detail` replaces the default text if it says more than the status.

        `reference` finds the failure in the log.
        """
        standard_phrase = HTTPStatus(status).phrase
        if path == "/api" or path.startswith("/api/"):
            # No charset parameter: the front-end compares the content type for equality (http-api 1.2).
            problem = {"type": "about:blank", "title": standard_phrase, "status": status}
            headers["Content-Type"] = "application/problem+json"
            return Response(orjson.dumps(problem), status_code=status, headers=headers)
        title, explanation = (gettext(words) for words in _WORDS.get(status, _OTHERWISE))
        if detail and detail != standard_phrase:
            explanation = detail
        return self._templates.page(
            "problem.html",
            status_code=status,
            headers=headers,
            title=title,
            explanation=explanation,
            reference=reference,
            retry_seconds=RETRY_SECONDS if status == 503 else None,
        )


class UnexpectedErrors:
    """Logs unexpected exceptions and answers them with our own 500 page and headers."""

    def __init__(self, app: ASGIApp, problems: Problems) -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer if it fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            log.info("%s %s: the client went away", scope["method"], scope["path"])
        except Exception:  # whatever the failure, the visitor gets our page and headers
            if started:
                raise
            reference = f"{secrets.token_hex(2)}-{secrets.token_hex(1)}"
            log.exception("%s %s failed, reference %s", scope["method"], scope["path"], reference)
            response = self._problems.response(path_below(scope), 500, "", {}, reference)
            await response(scope, receive, send)
