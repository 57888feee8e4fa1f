"""Conventions for every address: CORS, OPTIONS, HEAD, slashes, other methods (http-api 1.1, 1.5)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hortus.http.conventions.cors import Cors
from hortus.http.conventions.endpoints import Endpoints, path_of
from hortus.http.conventions.head_requests import as_get_without_body
from hortus.http.conventions.problems import Problem, bad_request

log = logging.getLogger(__name__)


def _internal_error() -> Response:
    return Problem(500).response()


class Conventions:
    """Answers OPTIONS anywhere, HEAD as GET without a body, unexpected errors with `unexpected_fault`.

    Pages of `named_origins` may send credentials.
    """

    def __init__(
        self,
        app: ASGIApp,
        unexpected_fault: Callable[[], Response] = _internal_error,
        named_origins: Collection[str] = (),
    ) -> None:
        self._app = app
        self._cors = Cors(named_origins)
        self._unexpected_fault = unexpected_fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the CORS headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await self._cors.preflight(scope)(scope, receive, send)
            return
        without_body = scope["method"] == "HEAD"
        if without_body:
            scope = as_get_without_body(scope)
        cors_headers = self._cors.headers(scope)
        started = False

        async def completing_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *cors_headers]
            elif without_body and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, completing_send)
        except ClientDisconnect:
            log.info("%s %s: the client went away", scope["method"], scope["path"])
        except Exception:  # whatever the failure, the client gets a well-formed answer
            if started:
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            await self._unexpected_fault()(scope, receive, completing_send)


async def answer_unrouted(request: Request, error: Exception) -> Response:
    """Answer a request that matches no route, or matches one with another method only."""
    assert isinstance(error, HTTPException)
    endpoints: Endpoints = request.app.state.endpoints
    path = path_of(request.scope)
    if error.status_code == 405:
        allowed = endpoints.methods_at(path) | {"OPTIONS"}
        return Problem(405, headers={"Allow": ", ".join(sorted(allowed))}).response()
    if error.status_code == 404 and endpoints.methods_at(_other_slash(path)):
        query = request.scope["query_string"].decode("latin-1")
        location = quote(_other_slash(request.scope["path"])) + (f"?{query}" if query else "")
        return Response(status_code=308, headers={"Location": location})
    if error.status_code == 400:
        return bad_request(error.detail).response()
    return Problem(error.status_code, headers=error.headers).response()


def _other_slash(path: str) -> str:
    """Return the path with its trailing slash removed or added."""
    return path[:-1] if path.endswith("/") else f"{path}/"
