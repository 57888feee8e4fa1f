"""Cookies: hidden from scripts, limited to our path, and to https if the request used it.

Below a path of a host, their names contain it: browsers send cookies of `/` too, so those of another Hortus
there would be taken for ours.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from hortus.http.server.public_path import public_path


def read_cookie(request: HTTPConnection, name: str) -> str | None:
    """Return the value of the cookie, or None."""
    return request.cookies.get(_full_name(request, name))


def set_cookie(request: HTTPConnection, response: Response, name: str, value: str, lifetime: timedelta) -> None:
    """Set a cookie for all our addresses, which browsers do not send for pages of other sites."""
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=int(lifetime.total_seconds()),
        path=_path(request),
        httponly=True,
        samesite=_SAME_SITE,
        secure=request.url.scheme == "https",
    )


def delete_cookie(request: HTTPConnection, response: Response, name: str) -> None:
    """Have the browser forget the cookie."""
    response.delete_cookie(_full_name(request, name), path=_path(request), httponly=True, samesite=_SAME_SITE)


_SAME_SITE: Literal["lax"] = "lax"


def _full_name(request: HTTPConnection, name: str) -> str:
    return name + public_path(request.scope).replace("/", ".")


def _path(request: HTTPConnection) -> str:
    return public_path(request.scope) or "/"
