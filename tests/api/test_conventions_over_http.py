"""Conventions of every address: CORS, other methods, slashes, content types, queries (http-api 1)."""

from __future__ import annotations

import httpx
import orjson
import pytest
from api_client import Installation, assert_problem

from hortus.http.conventions.json_body import MOST_ANONYMOUS_BODY_BYTES, MOST_BODY_BYTES

PATHS = ["/kits", "/time", "/me", "/nowhere", "/kits/k-3467-bcdf-ghjk/password"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_preflight_is_answered_on_any_path(api: Installation, path: str) -> None:
    headers = {
        "Origin": "http://elsewhere.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = await api.client.options(path, headers=headers)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "GET,POST,PUT,PATCH,DELETE,OPTIONS"
    assert response.headers["access-control-allow-headers"] == "content-type,authorization"


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_lets_pages_of_other_sites_read_it(api: Installation, path: str) -> None:
    headers = (await api.client.get(path)).headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-expose-headers"] == "link,x-next"
    varies = {part.strip() for part in headers["vary"].split(",")}
    assert {"origin", "access-control-request-method", "access-control-request-headers"} <= varies


async def test_an_unknown_query_parameter_is_named(api: Installation) -> None:
    person = await api.person()
    kit = await api.kit()
    await api.join(kit, person)
    path = f"/kits/{kit.serial}/series/1"
    response = await api.client.get(f"{path}?pionts=3&to=2026-01-02T00:00:00Z&since=1", headers=person.headers)
    assert response.json()["detail"] == (
        "This endpoint has no query parameter pionts, since. It has from, local, points, to."
    )
    assert_problem(response, 422)
    nothing = await api.client.get(f"/kits/{kit.serial}/presence?colour=green", headers=person.headers)
    assert nothing.json()["detail"] == "This endpoint has no query parameter colour. It has none."
    long = await api.client.get("/species?" + "&".join(f"{'x' * 900}{number}=1" for number in range(9)))
    assert_problem(long, 422)
    assert len(long.content) < 500


async def test_clients_of_the_api_before_may_send_more(api: Installation) -> None:
    kit = await api.kit(public=True)
    for path in ("/time", "/kits", f"/kits/{kit.serial}", f"/kits/{kit.serial}/aggregate-measurements"):
        assert (await api.client.get(f"{path}?_=1764450000&fields=all")).status_code == 200


async def test_an_unknown_path_is_a_problem(api: Installation) -> None:
    assert_problem(await api.client.get("/version"), 404)


async def test_another_method_is_refused_with_those_that_are_allowed(api: Installation) -> None:
    response = await api.client.put("/kits/k-3467-bcdf-ghjk")
    assert_problem(response, 405)
    assert response.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"


@pytest.mark.parametrize("path", ["/quantity-types", "/kits", "/time"])
async def test_head_is_get_without_the_body(api: Installation, path: str) -> None:
    head, get = await api.client.head(path), await api.client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"] == "application/json"
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/kits/?after=1&x=%2F", "/api/kits?after=1&x=%2F"),
        ("/users/a%20b/", "/api/users/a%20b"),
        ("/me/auth/", "/api/me/auth"),
    ],
)
async def test_a_trailing_slash_is_redirected_with_the_query(
    api: Installation, asked: str, location: str
) -> None:
    response = await api.client.post(asked)
    assert (response.status_code, response.headers["location"]) == (308, location)


@pytest.mark.parametrize(
    "path",
    [
        "/kits?after=1&after=2",
        "/kits?after=x",
        "/kits?after=",
        "/kits?after=2147483648",
        "/kits?after=1_0",
        "/kits?lastSeenSince=2026-01-01",
        "/kits?lastSeenSince=2026-01-01T00:00:00",
        "/kits?lastSeenSince=1767225600",
        "/peripheral-definitions?withExpectedQuantityTypes=True",
        "/peripheral-definitions?withExpectedQuantityTypes=1",
        "/permissions",
    ],
)
async def test_a_query_that_cannot_be_read_is_a_problem(api: Installation, path: str) -> None:
    assert_problem(await api.client.get(path), 400)


async def test_unknown_query_keys_are_ignored(api: Installation) -> None:
    assert (await api.client.get("/kits?colour=green")).status_code == 200


async def test_an_id_in_a_path_that_is_none_is_a_problem(api: Installation) -> None:
    assert_problem(await api.client.delete("/peripherals/many"), 400)
    assert_problem(await api.client.delete("/media/0b0e0d0c"), 400)


async def test_the_time_has_an_offset_of_zero(api: Installation) -> None:
    response = await api.client.get("/time")
    assert response.headers["content-type"] == "application/json"
    assert response.json().endswith("+00:00")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_that_is_not_declared_as_json_is_refused(
    api: Installation, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await api.client.post("/me/auth", content=b'{"username":"a","password":"b"}', headers=headers)
    assert_problem(response, 415)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/merge-patch+json"])
async def test_other_ways_to_say_json_are_understood(api: Installation, content_type: str) -> None:
    body, headers = b'{"username":"nobody","password":"b","x":1}', {"Content-Type": content_type}
    response = await api.client.post("/me/auth", content=body, headers=headers)
    assert response.json()["type"] == "/probs/invalid-parameters"


@pytest.mark.parametrize(
    ("body", "category"),
    [
        (b"{", "prematureEnd"),
        (b"", "prematureEnd"),
        (b'{"username":}', "syntactic"),
        (b'{"username":NaN}', "syntactic"),
        (b"\xff", "syntactic"),
        (b"[]", "semantic"),
        (b'{"username":"a"}', "semantic"),
        (b'{"username":"a","password":1}', "semantic"),
        (b'{"username":"a\\u0000","password":"b"}', "semantic"),
        (b'{"username":"a","password":"b","x":' + b"[" * 100 + b"]" * 100 + b"}", "semantic"),
    ],
)
async def test_a_body_that_is_not_what_is_expected_is_refused_with_its_category(
    api: Installation, body: bytes, category: str
) -> None:
    response = await api.client.post("/me/auth", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "/probs/invalid-json", category=category)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("limit", [MOST_ANONYMOUS_BODY_BYTES, MOST_BODY_BYTES])
async def test_a_body_that_is_too_large_is_refused(api: Installation, chunked: bool, limit: int) -> None:
    content: object = orjson.dumps({"username": "a" * limit, "password": "b"})
    if chunked:
        whole = content

        async def parts():  # type: ignore[no-untyped-def]
            for start in range(0, len(whole), 65_536):  # type: ignore[arg-type]
                yield whole[start : start + 65_536]  # type: ignore[index]

        content = parts()
    headers = {"Content-Type": "application/json"}
    if limit == MOST_BODY_BYTES:
        headers |= (await api.person()).headers
    try:
        response = await api.client.post("/me/auth", content=content, headers=headers)  # type: ignore[arg-type]
    except httpx.WriteError:
        return  # the server answered and closed before everything was sent
    assert_problem(response, 413, "/probs/payload-too-large", limit=limit)
