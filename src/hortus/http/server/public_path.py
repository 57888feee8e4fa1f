"""The path below which a proxy offers Hortus: `/hortus` of `https://example.org/hortus`, or nothing.

A proxy may pass the path on or strip it; both are understood. Addresses in pages and redirects begin with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hortus.base.errors import UsageError

_KEY = "hortus.public_path"


def public_path(scope: Scope) -> str:
    """Return the path below which this request was made, without a trailing slash."""
    path: str = scope.get(_KEY, "")
    return path


def path_below(scope: Scope) -> str:
    """Return the path of the request as if Hortus had a host of its own."""
    path: str = scope["path"]
    return path.removeprefix(public_path(scope))


class PublicPath:
    """Completes requests whose path a proxy stripped, and tells the application below which path it is."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its whole path."""
        if scope["type"] in {"http", "websocket"}:
            scope = {**scope, **self._whole_path(scope), "root_path": self._path, _KEY: self._path}
        await self._app(scope, receive, send)

    def _whole_path(self, scope: Scope) -> dict[str, Any]:
        path = scope["path"]
        if path == self._path or path.startswith(f"{self._path}/"):
            return {}
        return {"path": self._path + path, "raw_path": self._path.encode() + scope.get("raw_path", b"")}


def require_distinct(path: str, routes: Iterable[BaseRoute]) -> None:
    """Raise UsageError if requests with and without this path in front cannot be told apart."""
    first = path.split("/")[1]
    taken = sorted({str(getattr(route, "path", "")).split("/")[1] for route in routes} - {""})
    if first in taken:
        raise UsageError(
            f"HORTUS_PUBLIC_URL: Hortus has pages of its own at /{first}, so it cannot be below that path. "
            f"Choose another path than {', '.join(f'/{name}' for name in taken)}."
        )
