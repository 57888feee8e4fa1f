"""Which pages of other origins may use the APIs (CORS, http-api 1.5).

Any page may, without credentials: that is what `*` means. Pages of origins that the operator has named may also
send the cookies of this host, for which browsers require the exact origin in the response.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from starlette.responses import Response
from starlette.types import Scope

_VARY = "origin, access-control-request-method, access-control-request-headers"
_METHODS = "GET,POST,PUT,PATCH,DELETE,OPTIONS"
_REQUEST_HEADERS = "content-type,authorization"
_EXPOSED = "link,x-next"

Header = tuple[bytes, bytes]


class Cors:
    """The headers for pages of other origins. `named_origins` may send credentials."""

    def __init__(self, named_origins: Collection[str] = ()) -> None:
        # Pre-encoded, because they are part of every response.
        self._for_anyone = _encoded(("access-control-allow-origin", "*"))
        self._for_named = {
            origin.encode("ascii"): _encoded(
                ("access-control-allow-origin", origin), ("access-control-allow-credentials", "true")
            )
            for origin in named_origins
        }
        self._in_answers = _encoded(("vary", _VARY), ("access-control-expose-headers", _EXPOSED))

    def headers(self, scope: Scope) -> list[Header]:
        """Return the headers of a response to this request. Its `Vary` adds to an existing one."""
        return [*(self._named(scope) or self._for_anyone), *self._in_answers]

    def preflight(self, scope: Scope) -> Response:
        """Return the response to OPTIONS, on whatever path."""
        named = self._named(scope)
        response = Response(
            status_code=200 if named is None else 204,
            headers={
                "Vary": _VARY,
                "Access-Control-Allow-Methods": _METHODS,
                "Access-Control-Allow-Headers": _REQUEST_HEADERS,
            },
        )
        response.raw_headers += named or self._for_anyone
        return response

    def _named(self, scope: Scope) -> list[Header] | None:
        """Return the headers for the origin of this request if the operator named it."""
        if not self._for_named:
            return None
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        return self._for_named.get(origins[0]) if len(origins) == 1 else None


def _encoded(*headers: Iterable[str]) -> list[Header]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
