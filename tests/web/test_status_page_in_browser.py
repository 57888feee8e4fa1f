"""The status page as a person sees it, in Debian's Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from playwright.async_api import expect
from sqlalchemy import text
from web_helpers import (
    CHROMIUM,
    PASSWORD,
    add_readings,
    add_to_ledger,
    app_of,
    ledger_connection,
    make_kit,
    make_user,
    site_of,
)

from hortus.http.server.server import bind, serving
from programs import free_port

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.fixture
async def site(engine) -> AsyncIterator[str]:
    async with site_of(engine) as address:
        yield address


async def test_a_committed_reading_appears_by_itself(engine, database_url, page, site):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
    await page.goto(site)
    await expect(page.get_by_role("heading", name="Basil")).to_be_visible()
    await expect(page.get_by_text("No messages were received")).to_be_visible()
    await expect(page.get_by_text("Has not connected yet")).to_be_visible()

    await add_readings(database_url, kit, [(datetime.now(UTC), 21.25)])

    await expect(page.locator(".value")).to_have_text("21.2")
    await expect(page.locator(".unit")).to_have_text("°C")
    await expect(
        page.get_by_text("The one message received in the last 24 hours is accounted for.")
    ).to_be_visible()


async def test_what_was_unfolded_and_where_the_keyboard_is_survive_an_update(engine, database_url, page, site):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
    async with ledger_connection(database_url) as connection:
        await add_to_ledger(connection, kit.id, quarantined=3)
    await page.goto(site)
    summary = page.get_by_text("3 messages were not stored. Why?")
    await summary.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Check the clock of the kit.")).to_be_visible()

    await add_readings(database_url, kit, [(datetime.now(UTC), 21.25)])

    await expect(page.locator(".value")).to_have_text("21.2")
    await expect(page.get_by_text("Check the clock of the kit.")).to_be_visible()
    await expect(summary).to_be_focused()


async def test_a_lost_connection_is_shown_and_mends_by_itself(engine, browser, page):
    app = app_of(engine)
    port = free_port()
    live = page.locator("#live")
    async with serving(app, bind("127.0.0.1", port)):
        await page.goto(f"http://127.0.0.1:{port}")
        await expect(live).to_have_text("Live")
    await expect(live).to_contain_text("No connection since")
    async with serving(app, bind("127.0.0.1", port)):
        await expect(live).to_have_text("Live")


async def test_a_database_that_does_not_answer_is_told_from_a_lost_connection(engine, page, site):
    await page.goto(site)
    await page.route(
        "**/status?**", lambda route: route.fulfill(status=503, content_type="text/html", body="down")
    )
    await expect(page.locator("#live")).to_contain_text("The database has not answered since")
    await page.unroute("**/status?**")
    await expect(page.locator("#live")).to_have_text("Live")


async def test_logging_out_in_one_tab_takes_private_kits_from_the_other(engine, browser, page, site):
    async with engine.begin() as connection:
        await make_kit(connection, "Secret saffron")
        await make_user(connection, "root", is_admin=True)
    await page.goto(f"{site}/login")
    await page.get_by_label("User name").fill("root")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_have_text("Wrong user name or password.")
    await expect(page.get_by_label("Password")).to_be_focused()
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Secret saffron")).to_be_visible()

    other = await page.context.new_page()
    await other.goto(site)
    await other.locator(".top .menu summary").click()
    await other.get_by_role("button", name="Log out").click()
    await expect(other.get_by_role("heading", name="No public kits")).to_be_visible()
    await expect(page.get_by_role("heading", name="No public kits")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone_without_scrolling_sideways(own_engine, migrated_database_url, page, scheme):
    async with own_engine.begin() as connection:
        kit = await make_kit(connection, "Supercalifragilisticexpialidociousplants" * 2, public=True)
        await connection.execute(text("UPDATE quantity_types SET physical_unit_symbol = 'a long unit'"))
    await add_readings(migrated_database_url, kit, [(datetime.now(UTC), -123456.789)])
    async with ledger_connection(migrated_database_url) as connection:
        await add_to_ledger(connection, kit.id, stored=123_456_789, quarantined=12_345)
    await page.set_viewport_size({"width": 375, "height": 812})
    await page.emulate_media(color_scheme=scheme)
    async with site_of(own_engine) as site:
        for path in ("/", "/login", "/nowhere"):
            await page.goto(site + path)
            assert await page.evaluate("document.documentElement.scrollWidth") == 375
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 23, 19)"
        assert dark is (scheme == "dark")


async def test_a_hidden_tab_asks_nothing_until_it_is_looked_at_again(engine, page, site):
    asked = []
    await page.clock.install()
    page.on("request", lambda request: asked.append(request.url) if "/status?" in request.url else None)
    await page.goto(site)
    await page.evaluate(_SET_VISIBILITY, "hidden")
    await page.clock.run_for(60_000)
    assert asked == []
    async with page.expect_request("**/status?**"):
        await page.evaluate(_SET_VISIBILITY, "visible")


_SET_VISIBILITY = """(state) => {
  Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
