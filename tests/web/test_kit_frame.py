"""What surrounds the pages of a kit, and what pages say after a change."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from web_helpers import app_of, client_of, client_to, log_in, make_kit, make_member, make_user

from hortus.base.language.translation import gettext_noop
from hortus.http.access.permissions import Permission
from hortus.http.access.sessions import Sessions
from hortus.http.monitoring.backlog import BacklogReader
from hortus.http.pages.kits.frame import changing_kit, reading_kit
from hortus.http.pages.rendering import Templates
from hortus.http.pages.requests import redirect, to_log_in
from hortus.http.pages.site import Site
from web_services import services_on


def site_on(engine):
    return Site(
        services=services_on(engine),
        sessions=Sessions("only for tests", engine),
        templates=Templates(),
        backlog=BacklogReader(engine),
    )


@pytest.fixture
async def world(engine):
    """A private kit, its member ada, and an application with two more routes."""
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        await make_member(connection, await make_user(connection, "ada"), kit)
        await make_user(connection, "eve")
    site = site_on(engine)

    async def name(request: Request) -> Response:
        async with reading_kit(site, request) as (_, opened):
            return Response(opened.name)

    async def delete(request: Request) -> Response:
        async with changing_kit(site, request, Permission.DELETE):
            return Response("deleted")

    async def account(request: Request) -> Response:
        _, user = await site.person(request)
        return Response(user.username)

    async def rename(request: Request) -> Response:
        return redirect(request, "/told?page=2", said="renamed")

    async def told(request: Request) -> Response:
        toasts = {"renamed": gettext_noop("The kit has a new name.")}
        values = {"title": "Told", "explanation": "", "reference": "", "retry_seconds": None}
        viewer = await site.viewer(request)
        return site.page(request, "problem.html", viewer=viewer, toasts=toasts, undo="/undo", **values)

    app = app_of(engine)
    app.router.routes[:0] = [
        Route("/kits/{serial}/name", name),
        Route("/kits/{serial}/delete", delete, methods=["POST"]),
        Route("/account", account),
        Route("/rename", rename, methods=["POST"]),
        Route("/told", told),
        Route("/asked", to_log_in, methods=["GET", "POST"]),
    ]
    return app, kit


async def test_hidden_and_unknown_kits_are_answered_alike(world):
    app, kit = world
    async with client_to(app) as client:
        for serial in (kit.serial, "k-aaaa-aaaa-aaaa"):
            answer = await client.get(f"/kits/{serial}/name?r=7d")
            assert (answer.status_code, answer.headers["location"]) == (
                303, f"/login?next=/kits/{serial}/name%3Fr%3D7d",
            )  # fmt: skip
        await log_in(client, "eve")
        answers = [
            await client.get(f"/kits/{serial}/name") for serial in (kit.serial, "k-aaaa-aaaa-aaaa", "rubbish")
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert answers[0].text == answers[1].text == answers[2].text


async def test_a_member_opens_the_kit_and_may_not_do_everything(world):
    app, kit = world
    async with client_to(app) as client:
        await log_in(client, "ada")
        assert (await client.get(f"/kits/{kit.serial}/name")).text == "Basil"
        refused = await client.post(f"/kits/{kit.serial}/delete")
        assert (refused.status_code, "You do not have the permission delete" in refused.text) == (403, True)
        foreign = await client.post(f"/kits/{kit.serial}/delete", headers={"origin": "http://evil.test"})
        assert "sent by a page of another site" in foreign.text


async def test_a_stranger_is_sent_to_the_log_in_and_from_there_to_the_page(world):
    app, _ = world
    async with client_to(app) as client:
        assert (await client.get("/account?tab=2")).headers["location"] == "/login?next=/account%3Ftab%3D2"
        assert (await client.post("/asked")).headers["location"] == "/login?next=/"
        await log_in(client, "ada")
        assert (await client.get("/account")).text == "ada"


async def test_a_page_says_what_was_changed_and_only_what_it_knows(world):
    app, _ = world
    async with client_to(app) as client:
        answer = await client.post("/rename")
        assert answer.headers["location"] == "/told?page=2&said=renamed"
        told = (await client.get(answer.headers["location"])).text
        assert ("The kit has a new name." in told, 'action="/undo"' in told) == (True, True)
        assert "data-toast" not in (await client.get("/told?said=deleted")).text


async def test_the_log_in_of_the_header_leads_back_to_the_page(engine):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
    async with client_of(engine) as client:
        page = (await client.get(f"/kits/{kit.serial}/charts?r=7d")).text
    assert f'href="/login?next=/kits/{kit.serial}/charts%3Fr%3D7d"' in page
    assert 'aria-label="Pages of this kit"' in page
