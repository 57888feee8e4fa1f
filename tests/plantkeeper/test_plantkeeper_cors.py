"""Pages of other origins: those that the operator named may send credentials, to both APIs and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from plantkeeper_world import PlantKeeper, serve_plantkeeper

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMED = "https://plants.example.org"
UNNAMED = [
    "https://plants.example.org.evil.example",
    "https://evil-plants.example.org",
    "http://plants.example.org",
    "https://plants.example.org:8443",
    "HTTPS://PLANTS.EXAMPLE.ORG",
    "https://plants.example.org/",
    "null",
    "",
]
PASSWORD = "s3cret s3cret"
PATHS = [
    "/api/v1/users/me",
    "/api/v1/general-plants",
    "/api/v1/nothing",
    "/api/me",
    "/api/time",
    "/api/nowhere",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(keeper: PlantKeeper) -> AsyncIterator[PlantKeeper]:
    """An installation whose operator named two origins."""
    origins = frozenset({NAMED, "http://localhost:3000"})
    async with serve_plantkeeper(keeper.world, named_origins=origins) as named:
        yield named


async def call(served: PlantKeeper, method: str, path: str, origin: str | None, **more: str) -> httpx.Response:
    headers = ({} if origin is None else {"Origin": origin}) | more
    return await served.client.request(method, f"http://127.0.0.1:{served.port}{path}", headers=headers)


def allowed(response: httpx.Response) -> tuple[list[str], list[str]]:
    """Return origins and credentials as allowed; a header that is there twice is an error to browsers."""
    names = ("access-control-allow-origin", "access-control-allow-credentials")
    origins, credentials = (response.headers.get_list(name) for name in names)
    return origins, credentials


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [NAMED, "http://localhost:3000"])
async def test_a_named_origin_is_echoed_and_may_send_credentials(
    served: PlantKeeper, path: str, origin: str
) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = await call(served, method, path, origin)
        assert allowed(answer) == ([origin], ["true"])
        assert "origin" in answer.headers["vary"].lower()
        assert answer.headers["access-control-expose-headers"] == "link,x-next"


@pytest.mark.parametrize("path", PATHS)
async def test_its_preflight_is_answered_204_on_any_path(served: PlantKeeper, path: str) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    answer = await call(served, "OPTIONS", path, NAMED, **asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert allowed(answer) == ([NAMED], ["true"])
    assert "origin" in answer.headers["vary"].lower()
    assert answer.headers["access-control-allow-methods"] == "GET,POST,PUT,PATCH,DELETE,OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "content-type,authorization"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [*UNNAMED, None])
async def test_any_other_origin_gets_no_credentials(
    served: PlantKeeper, keeper: PlantKeeper, path: str, origin: str | None
) -> None:
    """It gets the same as where no origin is named."""
    for method, status in (("GET", None), ("OPTIONS", 200)):
        answer, elsewhere = [await call(each, method, path, origin) for each in (served, keeper)]
        assert allowed(answer) == (["*"], [])
        assert answer.status_code == (status or elsewhere.status_code)
        assert "origin" in answer.headers["vary"].lower()
        ignored = {"date", "content-length"}
        assert {k: v for k, v in answer.headers.items() if k not in ignored} == {
            k: v for k, v in elsewhere.headers.items() if k not in ignored
        }


async def test_two_origins_in_one_request_are_none(served: PlantKeeper) -> None:
    url = f"http://127.0.0.1:{served.port}/api/time"
    headers = [("Origin", NAMED), ("Origin", "https://evil.example")]
    answer = await served.client.get(url, headers=headers)
    assert allowed(answer) == (["*"], [])


async def test_the_device_of_a_named_page_is_known_by_its_cookie(served: PlantKeeper) -> None:
    account = {"username": "cross", "email": "cross@example.org", "password": PASSWORD}
    made = await served.client.post("/users", json=account, headers={"Origin": NAMED})
    assert (made.status_code, allowed(made)) == (201, ([NAMED], ["true"]))
    answer = await served.client.post("/auth/login", json=account, headers={"Origin": NAMED})
    assert allowed(answer) == ([NAMED], ["true"])
    assert "hortus-device" in answer.cookies
    served.client.cookies.clear()


async def test_cookies_alone_open_nothing_in_either_api(served: PlantKeeper) -> None:
    """So a page that sends them cannot do anything in its visitor's name."""
    await served.client.post(
        "/users", json={"username": "visitor", "email": "visitor@example.org", "password": PASSWORD}
    )
    form = {"username": "visitor", "password": PASSWORD}
    entered = await served.client.post(f"http://127.0.0.1:{served.port}/login", data=form)
    by_name = await served.client.post(f"http://127.0.0.1:{served.port}/api/me/auth", json=form)
    cookies = "; ".join(
        f"{name}={value}" for each in (entered, by_name) for name, value in each.cookies.items()
    )
    served.client.cookies.clear()
    assert "hortus-session" in cookies
    assert "hortus-live" in cookies
    for path in ("/api/v1/users/me", "/api/me", "/api/me/log-ins", "/api/v1/users/plants", "/api/plants"):
        assert (await call(served, "GET", path, NAMED, Cookie=cookies)).status_code == 401


async def test_a_named_page_submits_no_form_of_our_pages_and_reads_none(served: PlantKeeper) -> None:
    for sent in ({"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        for path in ("/login", "/logout"):
            answer = await call(served, "POST", path, NAMED, **sent)
            assert answer.status_code == 403
            assert allowed(answer) == ([], [])
    assert allowed(await call(served, "GET", "/", NAMED)) == ([], [])
