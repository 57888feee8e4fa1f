"""The page at `/docs` that displays the OpenAPI document, with scripts from this server only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

_FILES = Path(__file__).parent / "static"
_SERVED = frozenset({"documentation.js", "swagger-ui-bundle.js", "swagger-ui.css"})

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Swagger UI sets styles on elements, and its images are embedded in its style sheet.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def documentation_routes(document: Callable[[], Mapping[str, Any]]) -> list[BaseRoute]:
    """Return the routes of the page, its files and the OpenAPI document."""

    async def openapi(request: Request) -> Response:
        # The mount point of the API is known only from the request.
        servers = [{"url": request.scope.get("root_path") or "/"}]
        return Response(orjson.dumps({**document(), "servers": servers}), media_type="application/json")

    return [
        Route("/openapi.json", openapi),
        Route("/docs", _page),
        Route("/docs/{name}", _file),
    ]


async def _page(_request: Request) -> Response:
    headers = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY}
    return FileResponse(_FILES / "documentation.html", media_type="text/html", headers=headers)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _SERVED:
        raise HTTPException(404)
    return FileResponse(_FILES / name, headers={"Cache-Control": "public, max-age=3600"})
