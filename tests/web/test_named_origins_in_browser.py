"""Pages of other origins that use the APIs, in Debian's Chromium: the browser does what the headers say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from web_helpers import CHROMIUM, SECRET_KEY

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.http.access.services import ApiParts
from hortus.http.api.app import create_api
from hortus.http.app import WebDependencies, create_app
from hortus.http.plantkeeper.app import create_plantkeeper_api
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.server.server import bind, serving

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

PASSWORD = "s3cret s3cret"
CALL = """
async ([url, options]) => {
    try {
        const response = await fetch(url, options);
        return [response.status, await response.json()];
    } catch (error) {
        return [0, String(error)];
    }
}
"""


@asynccontextmanager
async def served(app: ASGIApp, listener: Any) -> AsyncIterator[str]:
    async with serving(app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def front_end() -> Starlette:
    async def empty(_request: object) -> HTMLResponse:
        return HTMLResponse("<title>A front end</title>")

    return Starlette(routes=[Route("/", empty)])


async def test_a_named_page_logs_in_with_cookies_and_another_one_only_without(
    engine: Any, database_url: str, browser: Browser
) -> None:
    here, named, other = (bind("127.0.0.1", 0) for _ in range(3))
    parts = ApiParts(
        engine=engine,
        connect=connector(DatabaseUrl.parse(database_url), "test api"),
        token_key=b"a key of the tests that signs tokens",
        sign_up_open=True,
        named_origins=frozenset({f"http://127.0.0.1:{named.getsockname()[1]}"}),
    )
    api = create_api(parts)
    plantkeeper = create_plantkeeper_api(PlantKeeperParts(services=api.state.services))
    app = create_app(
        WebDependencies(services=api.state.services, secret_key=SECRET_KEY, api=api, plantkeeper=plantkeeper)
    )
    context = await browser.new_context()
    page = await context.new_page()

    async def call(method: str, path: str, body: str, credentials: str, **headers: str) -> Any:
        options = {
            "method": method,
            "credentials": credentials,
            "headers": {"Content-Type": "application/json", **headers},
            "body": body,
        }
        return await page.evaluate(CALL, [f"{site}/api/v1{path}", options])

    account = f'{{"username": "Anna Mäh", "email": "anna@example.org", "password": "{PASSWORD}"}}'
    async with (
        served(app, here) as site,
        served(front_end(), named) as named_page,
        served(front_end(), other) as other_page,
    ):
        await page.goto(named_page)
        assert (await call("POST", "/users", account, "include"))[0] == 201
        status, answer = await call("POST", "/auth/login", account, "include")
        assert status == 201
        assert {each["name"] for each in await context.cookies(site)} == {"hortus-device"}
        bearer = {"Authorization": f"Bearer {answer['access_token']}"}
        status, answer = await call("PATCH", "/users/me", '{"username": "Anna Müh"}', "include", **bearer)
        assert (status, answer["username"]) == (200, "Anna Müh")

        await page.goto(other_page)
        assert await call("PATCH", "/users/me", "{}", "include", **bearer) == [0, "TypeError: Failed to fetch"]
        assert (await call("PATCH", "/users/me", "{}", "omit", **bearer))[0] == 200
    await context.close()
