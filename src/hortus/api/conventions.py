"""What holds for every address alike: CORS, OPTIONS, HEAD, slashes, other methods (contract, 1.1, 1.5)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hortus.api.problems import Problem, bad_request

log = logging.getLogger(__name__)

_EVERYWHERE = {
    "Access-Control-Allow-Origin": "*",
    "Vary": "origin, access-control-request-method, access-control-request-headers",
}
_NOT_PREFLIGHT = {"Access-Control-Expose-Headers": "link,x-next"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,OPTIONS",
    "Access-Control-Allow-Headers": "content-type,authorization",
}


class Conventions:
    """Answers OPTIONS anywhere, HEAD as GET without the body, and what nobody foresaw with a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the headers of CORS added to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await Response(headers={**_EVERYWHERE, **_PREFLIGHT})(scope, receive, send)
            return
        without_body = scope["method"] == "HEAD"
        if without_body:
            scope = {**scope, "method": "GET"}
        started = False

        async def completing_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.add_vary_header(_EVERYWHERE["Vary"])
                headers["Access-Control-Allow-Origin"] = _EVERYWHERE["Access-Control-Allow-Origin"]
                headers.update(_NOT_PREFLIGHT)
            elif without_body and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, completing_send)
        except Exception:
            if started:
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            await Problem(500).response()(scope, receive, completing_send)


async def answer_unrouted(request: Request, error: Exception) -> Response:
    """Answer a request that no route takes, or takes only with another method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return Problem(405, headers={"Allow": ", ".join(sorted(_methods_at(request)))}).response()
    if error.status_code == 404:
        other_path = _other_slash(request.scope["path"])
        if other_path is not None and _is_routed(request, other_path):
            query = request.scope["query_string"].decode("latin-1")
            location = quote(other_path) + (f"?{query}" if query else "")
            return Response(status_code=308, headers={"Location": location})
    if error.status_code == 400:
        return bad_request(error.detail).response()
    return Problem(error.status_code, headers=error.headers).response()


def _methods_at(request: Request) -> set[str]:
    methods: set[str] = set()
    for route in _routes_of(request):
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    if "GET" in methods:
        methods.add("HEAD")
    return methods | {"OPTIONS"}


def _is_routed(request: Request, path: str) -> bool:
    scope = {**request.scope, "path": path}
    return any(route.matches(scope)[0] is not Match.NONE for route in _routes_of(request))


def _routes_of(request: Request) -> Sequence[BaseRoute]:
    routes: Sequence[BaseRoute] = request.app.state.endpoints
    return routes


def _other_slash(path: str) -> str | None:
    """Return the path with a trailing slash taken away or added."""
    if path.endswith("/"):
        return path[:-1] or None
    return f"{path}/"
