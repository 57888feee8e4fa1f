"""How paths are matched to endpoints, however many there are."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from hortus.http.conventions.endpoints import Endpoints


async def _answer(_request: Request) -> Response:
    return Response()


async def _nothing(_request: Request) -> None:
    """Prepare nothing."""


def _endpoints(*routes: tuple[str, str]) -> Endpoints:
    endpoints = Endpoints(_nothing)
    endpoints.add([Route(path, _answer, methods=[method]) for method, path in routes])
    return endpoints


def _scope(method: str, path: str, root_path: str = "") -> Scope:
    return {"type": "http", "method": method, "path": root_path + path, "root_path": root_path}


ROUTES = (
    ("GET", "/kits"),
    ("GET", "/kits/{kitSerial}"),
    ("DELETE", "/kits/{kitSerial}"),
    ("GET", "/kits/{kitSerial}/media"),
    ("GET", "/me/log-ins/all"),
    ("DELETE", "/me/log-ins/{logInId}"),
    ("GET", "/me/{part}/oldest"),
)


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_a_path_finds_its_endpoint_and_the_values_in_it(root_path: str) -> None:
    match, found = _endpoints(*ROUTES).matches(_scope("GET", "/kits/k-1/media", root_path))
    assert match is Match.FULL
    assert found["route"].path == "/kits/{kitSerial}/media"
    assert found["path_params"] == {"kitSerial": "k-1"}


@pytest.mark.parametrize(
    "path", ["", "/", "/kit", "/kits/", "/kits/k-1/", "/kits/k-1/media/2", "/kits//media", "//kits"]
)
def test_a_path_that_only_resembles_an_endpoint_finds_nothing(path: str) -> None:
    assert _endpoints(*ROUTES).matches(_scope("GET", path)) == (Match.NONE, {})


def test_another_method_is_told_apart_from_another_path() -> None:
    endpoints = _endpoints(*ROUTES)
    assert endpoints.matches(_scope("PUT", "/kits/k-1")) == (Match.PARTIAL, {})
    assert endpoints.methods_at("/kits/k-1") == {"GET", "HEAD", "DELETE"}
    assert endpoints.methods_at("/nowhere") == set()


def test_a_literal_segment_goes_before_a_parameter() -> None:
    endpoints = _endpoints(*ROUTES)
    _, found = endpoints.matches(_scope("GET", "/me/log-ins/all"))
    assert found["path_params"] == {}
    assert endpoints.methods_at("/me/log-ins/7") == {"DELETE"}


def test_a_literal_segment_that_leads_nowhere_leaves_the_parameter() -> None:
    endpoints = _endpoints(*ROUTES)
    _, found = endpoints.matches(_scope("GET", "/me/log-ins/oldest"))
    assert found["path_params"] == {"part": "log-ins"}
    _, found = endpoints.matches(_scope("DELETE", "/me/log-ins/all"))
    assert found["path_params"] == {"logInId": "all"}
    assert endpoints.methods_at("/me/log-ins/all") == {"GET", "HEAD", "DELETE"}


def test_two_endpoints_for_the_same_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="was added twice"):
        _endpoints(("GET", "/kits/{kitSerial}"), ("GET", "/kits/{other}"))
