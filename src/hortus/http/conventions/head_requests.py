"""HEAD: answered as GET without the body (http-api 1.1), unless the GET has side effects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.types import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_WITHOUT_BODY = "hortus.without_body"
_NOT_BY_HEAD = "hortus_not_by_head"


def as_get_without_body(scope: Scope) -> Scope:
    """Return a HEAD's scope as that of a GET, marked so that endpoints can skip producing a body."""
    extensions = {**(scope.get("extensions") or {}), _WITHOUT_BODY: {}}
    return {**scope, "method": "GET", "extensions": extensions}


def is_without_body(scope: Scope) -> bool:
    """Return whether the client wants only the response headers."""
    return _WITHOUT_BODY in (scope.get("extensions") or {})


def not_by_head(endpoint: Endpoint) -> Endpoint:
    """Mark a GET with effects that a HEAD must not have (RFC 9110, 9.2.1): HEAD is answered with 405."""
    setattr(endpoint, _NOT_BY_HEAD, True)
    return endpoint


def may_be_asked_by_head(endpoint: Callable[..., Any]) -> bool:
    """Return whether the endpoint of a GET answers HEAD too."""
    return not getattr(endpoint, _NOT_BY_HEAD, False)
