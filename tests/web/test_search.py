"""*Go to*: what is found, by whom, and where it leads."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_member, make_user

from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.store import create_plant
from hortus.http.pages.places import PLACES, Audience

KINDS = ("public", "members", "private")


@pytest.fixture
async def garden(engine):
    """A public kit, one of which ada is a member, and a private one, each with a plant of flora's."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        flora = await make_user(connection, "flora")
        kits = {kind: await make_kit(connection, f"Shelf {kind}", public=kind == "public") for kind in KINDS}
        for kind, kit in kits.items():
            plant = await create_plant(connection, flora.id, name=f"Monty {kind}", species_id=1)
            await link_plant(
                connection, plant, MeasuringSource(kit_id=kit.id), since=now - timedelta(days=1), now=now
            )
            await connection.execute(
                text("UPDATE peripherals SET name = :name WHERE kit_id = :kit AND id = :id"),
                {"name": f"Probe {kind}", "kit": kit.id, "id": kit.peripherals[0].id},
            )
            await connection.execute(
                text("UPDATE kit_configurations SET active = true WHERE kit_id = :kit"), {"kit": kit.id}
            )
        await make_member(connection, await make_user(connection, "ada"), kits["members"])
        await make_user(connection, "root", is_admin=True)
    return kits


@pytest.mark.parametrize(
    ("who", "kits", "plants"),
    [
        (None, {"public"}, {"public"}),
        ("ada", {"public", "members"}, {"public", "members"}),
        ("flora", {"public"}, set(KINDS)),
        ("root", set(KINDS), set(KINDS)),
    ],
)
@pytest.mark.parametrize("path", ["/search", "/search/suggestions"])
async def test_each_viewer_finds_exactly_what_is_theirs_to_see(engine, garden, who, kits, plants, path):
    async with client_of(engine) as client:
        if who:
            await log_in(client, who)
        found = {
            name: (await client.get(path, params={"q": name.upper()})).text
            for name in ("shelf", "monty", "probe")
        }
    for name, seen in (("shelf", kits), ("probe", kits), ("monty", plants)):
        names = {kind for kind in KINDS if f"{name.title()} {kind}" in found[name]}
        assert (name, names) == (name, seen)


async def test_people_are_found_by_administrators_only(engine, garden):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        assert '<bdi class="about">root</bdi>' not in (await client.get("/search?q=roo")).text
    async with client_of(engine) as client:
        await log_in(client, "root")
        assert '<bdi class="about">ada</bdi>' in (await client.get("/search?q=ad")).text


@pytest.mark.parametrize("change", [str, str.upper, str.title])
async def test_a_serial_in_any_case_leads_straight_to_its_kit(engine, garden, change):
    serial = garden["public"].serial
    async with client_of(engine) as client:
        found = await client.get("/search", params={"q": f" {change(serial)} "})
        assert (found.status_code, found.headers["location"]) == (303, f"/kits/{serial}")
        kit = await client.get(found.headers["location"])
        assert (kit.status_code, f"<code>{serial}</code>" in kit.text) == (200, True)


async def test_a_hidden_kit_is_answered_like_an_unknown_one(engine, garden):
    serials = (garden["private"].serial, "k-none-none-none")
    async with client_of(engine) as client:
        strangers = [await client.get(f"/kits/{serial}") for serial in serials]
        searched = [await client.get("/search", params={"q": serial}) for serial in serials]
        await log_in(client, "ada")
        members = [await client.get(f"/kits/{serial}") for serial in serials]
    assert [answer.headers["location"] for answer in strangers] == [
        f"/login?next=/kits/{serial}" for serial in serials
    ]
    for one, other in (members, searched):
        assert one.status_code == other.status_code
        assert one.text.replace(serials[0], serials[1]) == other.text


@pytest.mark.parametrize("wanted", ["%", "_", "\\", "'", "a%b"])
async def test_signs_of_patterns_are_ordinary_characters(engine, garden, wanted):
    async with engine.begin() as connection:
        await make_kit(connection, f"Odd {wanted} name", public=True)
    async with client_of(engine) as client:
        answer = await client.get("/search/suggestions", params={"q": wanted})
    assert answer.status_code == 200
    assert answer.text.count('<a href="/kits/') == 1


async def test_a_search_of_a_hundred_characters_is_answered(engine):
    async with client_of(engine) as client:
        answer = await client.get("/search", params={"q": "x" * 100})
    assert answer.status_code == 200
    assert "Search for" not in answer.text.partition("<main")[2].partition("</main>")[0]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("x" * 101, "Search for at most 100 characters."),
        ("a\x00b", "The address contains a character that no text can contain."),
        ("\u202e", "Search for ordinary characters only."),
    ],
)
async def test_what_no_name_can_be_is_refused_with_a_sentence(engine, wanted, sentence):
    async with client_of(engine) as client:
        answer = await client.get("/search", params={"q": wanted})
    assert answer.status_code == 400
    assert sentence in answer.text.partition("<main")[2].partition("</main>")[0]


async def test_nothing_found_is_said_and_what_was_typed_is_escaped(engine):
    async with client_of(engine) as client:
        page = (await client.get("/search", params={"q": "<b>nobody</b>"})).text
    assert "Nothing that you can see is called “&lt;b&gt;nobody&lt;/b&gt;”." in page
    assert "<b>" not in page


async def test_every_place_exists_and_is_shown_to_whom_it_concerns(engine):
    async with engine.begin() as connection:
        await make_user(connection, "ada")
        await make_user(connection, "root", is_admin=True)
    async with client_of(engine) as client:
        for place in PLACES:
            if place.audience in {Audience.EVERYONE, Audience.STRANGERS}:
                assert (await client.get(place.path)).status_code == 200, place.path
    async with client_of(engine) as client:
        await log_in(client, "root")
        for place in PLACES:
            if place.audience in {Audience.PEOPLE, Audience.ADMINISTRATORS}:
                assert (await client.get(place.path)).status_code == 200, place.path
    async with client_of(engine) as client:
        assert 'href="/login"' in (await client.get("/search?q=log")).text
        await log_in(client, "ada")
        assert 'href="/login"' not in (await client.get("/search?q=log")).text


async def test_every_page_has_the_same_frame(engine, garden):
    async with engine.connect() as connection:
        plant = await connection.scalar(text("SELECT min(id) FROM plants"))
    paths = (
        "/",
        "/login",
        "/forgotten-password",
        "/search",
        "/nowhere",
        f"/plants/{plant}",
        "/help/components",
    )
    async with client_of(engine) as client:
        pages = {path: (await client.get(path)).text for path in paths}
    for path, page in pages.items():
        assert page.count("<h1") == 1, path
        assert page.count('<main id="content"') == 1, path
        assert re.search(r"<title>[^<]+ · Hortus</title>", page), path
        assert 'href="/search" data-opens="go-to"' in page, path
        assert ('aria-label="Breadcrumb"' in page) is (
            path in {"/forgotten-password", f"/plants/{plant}", "/help/components"}
        ), path
    assert 'href="/" aria-current="page"' in pages["/"]
    assert "aria-current" not in pages["/nowhere"]
