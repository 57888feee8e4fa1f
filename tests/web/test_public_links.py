"""Public links: who has one sees how a kit is, and nothing of its place, its people or its serial."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from test_kit_settings import person, world  # noqa: F401  (a fixture)
from web_helpers import add_readings, client_of

from hortus.http.pages.kits.credentials import qr_code


def path_of(kit, suffix=""):
    return f"/kits/{kit.serial}/public-link{suffix}"


async def link_of(client, kit):
    """Return the path of the kit's public link, as its page shows it."""
    found = re.search(r"<code>(https?://[^<]*(/p/[^<]*))</code>", (await client.get(path_of(kit))).text)
    return found.group(2) if found else None


@pytest.fixture
async def owner(engine, world):  # noqa: F811
    return await person(engine, "owner")


async def test_a_stranger_with_the_link_sees_a_private_kit_and_what_it_measures(
    engine,
    world,  # noqa: F811
    owner,
    database_url,
):
    await add_readings(database_url, world, [(datetime.now(UTC) - timedelta(seconds=20), 21.5)])
    assert (await owner.post(path_of(world))).status_code == 303
    link = await link_of(owner, world)
    stranger = client_of(engine)
    assert (await stranger.get(f"/kits/{world.serial}")).status_code == 303, "the kit is private"
    answer = await stranger.get(link)
    assert answer.status_code == 200
    assert "21.5" in answer.text
    assert "<bdi>Basil</bdi>" in answer.text
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["referrer-policy"] == "same-origin"


async def test_the_page_says_nothing_of_serial_place_and_people(engine, world, owner):  # noqa: F811
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE kits SET latitude = 52.123456, longitude = 4.654321, description = 'By the pond.'")
        )
    await owner.post(path_of(world))
    link = await link_of(owner, world)
    page = (await client_of(engine).get(link)).text
    assert "By the pond." in page
    for secret in (
        world.serial,
        "52.12",
        "4.65",
        "owner@",
        "<bdi>owner",
        "<bdi>plain",
        f"/kits/{world.serial}",
    ):
        assert secret not in page, secret


async def test_a_withdrawn_or_replaced_link_no_longer_works(engine, world, owner):  # noqa: F811
    stranger = client_of(engine)
    await owner.post(path_of(world))
    first = await link_of(owner, world)
    await owner.post(path_of(world))
    second = await link_of(owner, world)
    assert first != second
    assert [(await stranger.get(each)).status_code for each in (first, second)] == [404, 200]
    assert (await owner.post(path_of(world, "/withdraw"))).status_code == 303
    assert await link_of(owner, world) is None
    assert (await stranger.get(second)).status_code == 404
    assert (await stranger.get(f"{second}/content")).headers["hx-refresh"] == "true"


@pytest.mark.parametrize("code", ["x", "é" * 22, "A" * 22, "A" * 5000, "a/b", "%00"])
async def test_an_invented_link_is_not_found(engine, code):
    answer = await client_of(engine).get(f"/p/{code}")
    assert answer.status_code == 404


@pytest.mark.parametrize(("name", "status"), [("config", 303), ("plain", 403), ("eve", 404)])
async def test_only_those_who_may_change_the_details_make_and_see_the_link(
    engine,
    world,  # noqa: F811
    owner,
    name,
    status,
):
    await owner.post(path_of(world))
    before = await link_of(owner, world)
    client = await person(engine, name)
    seen = await client.get(path_of(world))
    assert (before in seen.text) is (status == 303)
    assert (await client.post(path_of(world))).status_code == status
    assert ((await link_of(owner, world)) == before) is (status != 303)


async def test_the_code_to_print_is_that_of_the_link(engine, world, owner):  # noqa: F811
    await owner.post(path_of(world))
    page = (await owner.get(path_of(world))).text
    address = re.search(r"<code>(https?://[^<]*/p/[^<]*)</code>", page).group(1)
    assert f'd="{qr_code(address).path}"' in page


async def test_the_link_goes_with_its_kit(engine, world, owner):  # noqa: F811
    await owner.post(path_of(world))
    link = await link_of(owner, world)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM kits"))
    assert (await client_of(engine).get(link)).status_code == 404
