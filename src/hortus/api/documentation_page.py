"""The page at `/docs` that shows the OpenAPI document, with its scripts, all from this server."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

_FILES = Path(__file__).parent / "static"
_SERVED = frozenset({"documentation.js", "swagger-ui-bundle.js", "swagger-ui.css"})

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Swagger UI sets styles on elements, and its pictures are part of its style sheet.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def add_documentation_page(app: Starlette) -> None:
    """Serve the page and its files."""
    app.add_route("/docs", _page, methods=["GET"], include_in_schema=False)
    app.add_route("/docs/{name}", _file, methods=["GET"], include_in_schema=False)


async def _page(_request: Request) -> Response:
    headers = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY}
    return FileResponse(_FILES / "documentation.html", media_type="text/html", headers=headers)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _SERVED:
        raise HTTPException(404)
    return FileResponse(_FILES / name, headers={"Cache-Control": "public, max-age=3600"})
