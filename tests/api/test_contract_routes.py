"""Every route of http-api 4, from a table: what it answers, key by key, and how it refuses.

`contract_endpoints.json` lists the routes of the API that came before. Ours differ where its clients cannot
break (docs/http-api.md): 401 where a caller without a valid token got 403, 308 with the headers of CORS.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import Installation, assert_problem
from contract_cases import _AN_HOUR, CASES, NAMES, ROUTES, Case
from contract_scene import (
    Scene,
    assert_shape,
    make_scene,
)

from hortus.domain.accounts.tokens import Tokens
from hortus.domain.media.objects import MediaObjects
from hortus.http.api.contract_routes import CONTRACT_ROUTES

# Not an endpoint of requests and replies: see item 9 of test_front_end_checklist.py, and tests/live.
SOCKET = "GET /ws"
SERVED = [route for route, name in zip(ROUTES, NAMES, strict=True) if name != SOCKET]


def test_the_routes_of_the_contract_are_those_on_which_clients_may_send_more() -> None:
    assert {(route["method"], route["path"]) for route in ROUTES} == CONTRACT_ROUTES


@pytest.fixture
async def api(serve: Any, tmp_path: Path) -> AsyncIterator[Installation]:
    """An API with open sign-up, and with a folder for media."""
    async with serve(sign_up_open=True, media_objects=MediaObjects.in_folder(tmp_path)) as installation:
        yield installation


def named(routes: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize(
        "route", routes, ids=[f"{route['method']} {route['path']}" for route in routes]
    )


def case_of(route: dict[str, Any]) -> Case:
    return CASES[f"{route['method']} {route['path']}"]


async def ask(
    scene: Scene, route: dict[str, Any], headers: dict[str, str] | None = None, method: str | None = None
) -> httpx.Response:
    """Send the request of a route's case: as the owner of the kit, unless other headers are given."""
    case = case_of(route)
    path = await value_of(case.path(scene))
    document = None if case.json is None else await value_of(case.json(scene))
    return await scene.send(method or route["method"], path, json=document, headers=headers)


async def value_of(made: Any) -> Any:
    return await made if inspect.isawaitable(made) else made


def assert_open_to_other_sites(response: httpx.Response) -> None:
    headers = response.headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-expose-headers"] == "link,x-next"
    varies = {part.strip() for part in headers["vary"].split(",")}
    assert {"origin", "access-control-request-method", "access-control-request-headers"} <= varies


def test_every_route_of_the_contract_has_its_case() -> None:
    assert set(NAMES) == CASES.keys() | {SOCKET}


async def test_the_live_feed_is_there_for_whoever_asks_as_for_a_page(api: Installation) -> None:
    response = await api.client.get("/ws")
    assert_problem(response, 426)
    assert response.headers["upgrade"] == "websocket"


@named([route for route in SERVED if not case_of(route).by_kit])
async def test_a_route_answers_as_the_contract_says(api: Installation, route: dict[str, Any]) -> None:
    scene = await make_scene(api)
    if route["path"] == "/kits" and route["method"] == "GET":
        await api.kit(public=True, on_map=True)
    response = await ask(scene, route)
    assert response.status_code == route["successStatus"], response.text
    assert_open_to_other_sites(response)
    is_medium = route["path"] == "/media/{mediaId}/content"
    assert response.headers.get("content-type") == ("image/png" if is_medium else route["responseContentType"])
    shape = case_of(route).shape
    if shape is None:
        assert response.content == b""
    elif shape is not bytes:
        assert_shape(response.json(), shape)


@named([route for route in SERVED if route["method"] == "GET" and not case_of(route).by_kit])
async def test_head_answers_as_get_does_without_the_body(api: Installation, route: dict[str, Any]) -> None:
    scene = await make_scene(api)
    head, get = await ask(scene, route, method="HEAD"), await ask(scene, route)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-type", "content-length", "link", "x-next", "access-control-allow-origin"):
        assert head.headers.get(name) == get.headers.get(name), name


def tokens_that_are_worth_nothing(api: Installation, scene: Scene) -> dict[str, dict[str, str]]:
    """Return headers by the category of the problem that they cause."""
    an_hour_ago = Tokens(api.parts.token_key, lambda: api.clock() - _AN_HOUR)
    return {
        "missing": {},
        "malformed": {"Authorization": "Bearer nonsense"},
        "expired": {"Authorization": f"Bearer {an_hour_ago.access(scene.owner.id)}"},
    }


@named([route for route in SERVED if not case_of(route).everybody])
async def test_nothing_private_is_shown_or_done_without_a_valid_token(
    api: Installation, route: dict[str, Any]
) -> None:
    scene = await make_scene(api)
    absent = case_of(route).absent
    for category, headers in tokens_that_are_worth_nothing(api, scene).items():
        answers = [await ask(scene, route, headers)]
        if absent is not None:  # private things cannot be distinguished from absent ones
            document = None if case_of(route).json is None else await value_of(case_of(route).json(scene))
            answers.append(await scene.send(route["method"], absent, json=document, headers=headers))
        for response in answers:
            assert_problem(response, 401, "/probs/authorization-header", category=category)
            assert_open_to_other_sites(response)
    # Nothing was done: those who may can still do it.
    if not case_of(route).by_kit:
        assert (await ask(scene, route)).status_code == route["successStatus"]


@named([route for route in SERVED if case_of(route).everybody])
async def test_what_everybody_may_do_needs_no_token_and_bears_a_bad_one(
    api: Installation, route: dict[str, Any]
) -> None:
    for category in ("missing", "expired"):
        scene = await make_scene(api)
        response = await ask(scene, route, tokens_that_are_worth_nothing(api, scene)[category])
        assert response.status_code == route["successStatus"], response.text


@named([route for route in SERVED if route["auth"] == "optional" and not case_of(route).everybody])
async def test_an_expired_token_does_not_hide_what_is_public(api: Installation, route: dict[str, Any]) -> None:
    scene = await make_scene(api)
    await api.run("UPDATE kits SET privacy_public_dashboard = true WHERE id = :id", id=scene.kit.id)
    for headers in tokens_that_are_worth_nothing(api, scene).values():
        assert (await ask(scene, route, headers)).status_code == route["successStatus"]


@named([route for route in SERVED if case_of(route).absent])
async def test_what_is_not_there_is_a_problem(api: Installation, route: dict[str, Any]) -> None:
    scene, case = await make_scene(api), case_of(route)
    document = None if case.json is None else await value_of(case.json(scene))
    response = await scene.send(route["method"], case.absent or "", json=document)
    assert_problem(response, 404)
    if not case.everybody:
        # The same for users who have nothing to do with the kit; but accounts are not secret.
        others = await ask(scene, route, scene.stranger.headers)
        assert_problem(others, 403 if route["path"].startswith("/users/") else 404)


@named([route for route in SERVED if route["requestContentType"]])
async def test_a_body_that_is_no_json_is_refused(api: Installation, route: dict[str, Any]) -> None:
    scene = await make_scene(api)
    path = await value_of(case_of(route).path(scene))
    json_type = {"Content-Type": "application/json", **scene.owner.headers}
    for content, category in ((b"{", "prematureEnd"), (b'{"a":}', "syntactic"), (b"[]", "semantic")):
        response = await api.client.request(route["method"], path, content=content, headers=json_type)
        assert_problem(response, 400, "/probs/invalid-json", category=category)
    plain = {"Content-Type": "text/plain", **scene.owner.headers}
    assert_problem(await api.client.request(route["method"], path, content=b"{}", headers=plain), 415)


@named([route for route in SERVED if route["method"] == "PATCH" and "memberships" not in route["path"]])
async def test_an_empty_change_changes_nothing(api: Installation, route: dict[str, Any]) -> None:
    scene = await make_scene(api)
    path = await value_of(case_of(route).path(scene))
    first, again = [await scene.send("PATCH", path, json={}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert_shape(first.json(), case_of(route).shape)
    assert first.json() == again.json()


PATHS = sorted({route["path"] for route in SERVED})
# Their GET sends a command to a kit, which a HEAD must not.
ASKING_A_KIT = {"/kit-rpc/{kitSerial}/uptime", "/kit-rpc/{kitSerial}/version"}


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_preflights_and_slashes(api: Installation, path: str) -> None:
    asked = re.sub(r"\{\w+\}", "x", path)
    preflight = await api.client.options(asked, headers={"Origin": "http://elsewhere.example"})
    assert (preflight.status_code, preflight.content) == (200, b"")
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-methods"] == "GET,POST,PUT,PATCH,DELETE,OPTIONS"
    assert preflight.headers["access-control-allow-headers"] == "content-type,authorization"

    refused = await api.client.request("PUT", asked)
    assert_problem(refused, 405)
    served = {route["method"] for route in SERVED if route["path"] == path}
    allowed = set(refused.headers["allow"].split(", "))
    assert allowed >= served | {"OPTIONS"}
    assert ("HEAD" in allowed) == ("GET" in served and path not in ASKING_A_KIT)

    redirected = await api.client.request(min(served), f"{asked}/?a=%2F")
    assert redirected.status_code == 308
    assert redirected.headers["location"] == f"/api{asked}?a=%2F"
    assert redirected.headers["access-control-allow-origin"] == "*"


async def test_a_page_of_aggregates_links_to_the_next(api: Installation) -> None:
    scene = await make_scene(api)
    first = await scene.send("GET", f"{scene.at}/aggregate-measurements?peripheral={scene.peripheral_id}")
    assert len(first.json()) == 50
    link = re.fullmatch(r'<(/kits/.+)>; rel="next"', first.headers["link"])
    assert link is not None
    last = await scene.send("GET", link[1])
    assert len(last.json()) == 1
    assert "link" not in last.headers
    starts = [each["datetimeStart"] for each in first.json() + last.json()]
    assert starts == sorted(set(starts), reverse=True)


async def test_a_page_of_kits_names_the_next_with_its_filter(api: Installation) -> None:
    await api.run(
        "INSERT INTO kits (serial, password_hash, privacy_public_dashboard, privacy_show_on_map) "
        "SELECT 'page-' || number, 'none', true, true FROM generate_series(1, 101) AS number"
    )
    await api.run(
        "INSERT INTO kit_last_seen (kit_id, datetime_last_seen) "
        "SELECT id, now() FROM kits WHERE serial LIKE 'page-%'"
    )
    first = await api.client.get("/kits?lastSeenSince=2026-01-01T00:00:00.000%2B00:00")
    assert len(first.json()) == 100
    following = first.headers["x-next"]
    assert following.startswith("/kits?lastSeenSince=2026-01-01T00%3A00%3A00Z&after=")
    last = await api.client.get(following)
    assert last.json()
    assert "x-next" not in last.headers
    assert not {each["id"] for each in first.json()} & {each["id"] for each in last.json()}


@pytest.mark.parametrize("path", ["/quantity-types", "/peripheral-definitions"])
async def test_definitions_are_one_page_that_need_not_be_sent_twice(api: Installation, path: str) -> None:
    first = await api.client.get(path)
    assert "x-next" not in first.headers
    again = await api.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    beyond = await api.client.get(f"{path}?after={first.json()[0]['id']}")
    assert beyond.json() == first.json()[1:]
