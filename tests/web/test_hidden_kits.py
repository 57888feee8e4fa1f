"""Every page of a private kit answers strangers and others like that of a kit that does not exist."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Route
from web_helpers import app_of, client_to, log_in, make_kit, make_user

UNKNOWN = "k-bbbb-bbbb-bbbb"
# What else an address may have: an id that exists, as far as ids exist in this small garden.
OTHERS = re.compile(r"{(?!serial}|serial:)[^}]*}")
# Differs between any two answers.
IGNORED_HEADERS = {"date", "content-length"}


def addresses(app) -> list[tuple[str, str]]:
    """Return method and path of every route with a serial, also of pages that are added later."""
    return [
        (method, OTHERS.sub("1", route.path).replace("{serial:path}", "{serial}"))
        for route in app.routes
        if isinstance(route, Route) and "{serial" in route.path
        for method in sorted(route.methods or ())
    ]


def seen(answer, serial: str) -> tuple[object, ...]:
    headers = {
        name: value.replace(serial, "SERIAL")
        for name, value in answer.headers.items()
        if name not in IGNORED_HEADERS
    }
    return answer.status_code, headers, answer.text.replace(serial, "SERIAL")


@pytest.mark.parametrize("name", [None, "bob"])
async def test_a_private_kit_looks_like_one_that_does_not_exist(engine, name):
    async with engine.begin() as connection:
        await make_user(connection, "bob")
        private = await make_kit(connection, "Secret garden")
    app = app_of(engine)
    async with client_to(app) as client:
        if name:
            await log_in(client, name)
        tried = addresses(app)
        assert ("GET", "/kits/{serial}/charts") in tried
        for method, path in tried:
            answers = [
                seen(await client.request(method, path.format(serial=serial)), serial)
                for serial in (private.serial, UNKNOWN)
            ]
            assert answers[0] == answers[1], f"{method} {path}"
            # A part of a page may ask the page to load itself anew, which then says the same of both.
            assert answers[0][0] != 200 or "hx-refresh" in answers[0][1], f"{method} {path}"
            assert "Secret garden" not in str(answers[0])
