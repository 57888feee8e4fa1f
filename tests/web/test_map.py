"""`/map`: which kits are on it, how exactly, and what the browser may load for it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_member, make_user, site_of

from hortus.base.map_tiles import MapTiles, checked_tiles_url
from hortus.domain.kits.position import rounded_position

HOME = (52.37654, 4.89512)
TILES = MapTiles(url="http://tiles.test/{z}/{x}/{y}.png", attribution="© <b>Somebody</b>")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cf000000030001a5f645400000000049454e44ae426082"
)


@pytest.fixture
async def garden(engine):
    """Kits: on the map, public but not on the map, private, and one without a place."""
    async with engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
        ada = await make_user(connection, "ada")
        kits = {
            name: await make_kit(connection, name, public=name != "Private")
            for name in ("Basil", "Chilli", "Private", "Nowhere")
        }
        await make_member(connection, ada, kits["Private"])
        for index, name in enumerate(("Basil", "Chilli", "Private")):
            await connection.execute(
                text("UPDATE kits SET latitude = :north, longitude = :east WHERE id = :id"),
                {"north": HOME[0] + index, "east": HOME[1] + index, "id": kits[name].id},
            )
        await connection.execute(
            text("UPDATE kits SET privacy_show_on_map = true WHERE name IN ('Basil', 'Private', 'Nowhere')")
        )
    return kits


def names_on(page: str) -> list[str]:
    return [name for name in ("Basil", "Chilli", "Private", "Nowhere") if f"<bdi>{name}</bdi></a>" in page]


@pytest.mark.parametrize(
    ("name", "seen"),
    [(None, ["Basil"]), ("ada", ["Basil", "Private"]), ("root", ["Basil", "Chilli", "Private"])],
)
async def test_everybody_sees_the_kits_that_they_may(engine, garden, name, seen):
    async with client_of(engine) as client:
        if name:
            await log_in(client, name)
        assert names_on((await client.get("/map")).text) == seen


async def test_strangers_learn_a_place_to_a_kilometre_and_members_exactly(engine, garden):
    north, east = rounded_position(*HOME)
    async with client_of(engine) as client:
        page = (await client.get("/map")).text
        assert f'data-latitude="{north}" data-longitude="{east}"' in page
        assert "52.376" not in page
        await log_in(client, "ada")
        page = (await client.get("/map")).text
        assert f'data-latitude="{north}" data-longitude="{east}"' in page
        assert f'data-latitude="{HOME[0] + 2}" data-longitude="{HOME[1] + 2}" data-exact' in page


async def test_the_list_is_searched_without_script(engine, garden):
    async with client_of(engine) as client:
        await log_in(client, "root")
        assert names_on((await client.get("/map?q=CHIL")).text) == ["Chilli"]
        serial = garden["Basil"].serial
        assert names_on((await client.get(f"/map?q={serial.upper()}")).text) == ["Basil"]
        assert "No kit on the map has" in (await client.get("/map?q=%25")).text


async def test_pictures_come_from_the_tiles_origin_only_and_only_on_the_map(engine, garden):
    async with client_of(engine, map_tiles=TILES) as client:
        policy = (await client.get("/map")).headers["content-security-policy"]
        assert "img-src 'self' http://tiles.test;" in policy
        assert "img-src 'self';" in (await client.get("/")).headers["content-security-policy"]
    async with client_of(engine) as client:
        assert "img-src 'self';" in (await client.get("/map")).headers["content-security-policy"]


@pytest.mark.parametrize(
    "url",
    [
        "https://tiles.example.org/{z}/{x}.png",
        "ftp://tiles.example.org/{z}/{x}/{y}",
        "https://{s}.example.org/{z}/{x}/{y}",
        "https://user:secret@example.org/{z}/{x}/{y}",
        "https://a.example.org; script-src *//{z}/{x}/{y}",
        "https://exämple.org/{z}/{x}/{y}",
        "/{z}/{x}/{y}",
    ],
)
def test_an_address_of_tiles_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="looks like"):
        checked_tiles_url(url)


def test_an_address_of_tiles_has_one_origin():
    url = checked_tiles_url("https://tiles.example.org:8443/a/{z}/{x}/{y}.png?key=1")
    assert MapTiles(url=url, attribution="").origin == "https://tiles.example.org:8443"


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("has_script", [True, False])
async def test_the_list_finds_and_opens_each_public_kit_from_this_origin_alone(
    engine, garden, browser, width, has_script
):
    context = await browser.new_context(
        java_script_enabled=has_script, viewport={"width": width, "height": 800}
    )
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    async with site_of(engine) as site:
        await page.goto(f"{site}/map")
        if has_script:
            await expect(page.locator(".map-mark")).to_have_count(1)
            await expect(page.locator("path.coast")).to_have_count(1)
        else:
            await expect(page.locator("noscript p")).to_contain_text("The list has the same kits.")
        await page.get_by_label("Name or serial").fill("basi")
        if not has_script:
            await page.get_by_role("button", name="Find").click()
        link = page.locator("[data-kit] a", has_text="Basil")
        await expect(link).to_have_attribute("href", f"/kits/{garden['Basil'].serial}")
        await link.click()
        await page.wait_for_url(lambda url: not url.startswith(f"{site}/map"))
        await expect(page.get_by_role("heading", name="Basil")).to_be_visible()
        assert [url for url in asked if not url.startswith(site)] == []
        assert asked
    await context.close()


async def test_map_and_list_filter_each_other(engine, garden, page):
    async with site_of(engine) as site:
        await page.goto(f"{site}/login")
        await page.get_by_role("textbox").first.fill("root")
        await page.locator("#password").fill("a rose is a rose")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{site}/")
        await page.set_viewport_size({"width": 1400, "height": 900})
        await page.goto(f"{site}/map")
        marks = page.locator(".map-mark")
        await expect(marks).to_have_count(3)
        await page.get_by_label("Name or serial").fill("chil")
        await expect(marks).to_have_count(1)
        await expect(page.locator("[data-kit]:visible")).to_have_count(1)
        await expect(page.get_by_text("1 of 3 are in view.")).to_be_visible()
        await page.get_by_role("button", name="Show all").click()
        await expect(marks).to_have_count(3)

        # A kit that is no longer in the frame leaves the list.
        await marks.first.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".leaflet-popup")).to_be_visible()
        for _ in range(4):
            await page.get_by_role("button", name="Zoom in").click()
            await expect(page.locator(".leaflet-zoom-anim")).to_have_count(0)
        await expect(page.get_by_text("of 3 are in view.")).to_be_visible()


async def test_tiles_are_asked_for_with_our_origin_and_dropped_without_a_data_picture(engine, garden, page):
    """The page fails on any refused picture: its fixture looks at the console."""
    asked = []

    async def tile(route):
        asked.append(await route.request.all_headers())
        await route.fulfill(body=PNG, content_type="image/png")

    await page.route("http://tiles.test/**", tile)
    async with site_of(engine, map_tiles=TILES) as site:
        await page.goto(f"{site}/map")
        await expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
        await expect(page.locator(".leaflet-control-attribution")).to_have_text("© <b>Somebody</b>")
        for name in ("Zoom out", "Zoom out", "Zoom in", "Zoom out"):
            before = len(asked)
            await page.get_by_role("button", name=name).click()
            await expect(page.locator(".leaflet-zoom-anim")).to_have_count(0)
            assert len(asked) >= before
        assert {headers.get("referer") for headers in asked} == {f"{site}/"}
        assert await page.locator(".leaflet-tile[src^='data:']").count() == 0
