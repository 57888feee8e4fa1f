"""Header, bottom bar, *Go to* and the comforts of every page, in Debian's Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect
from web_helpers import CHROMIUM, add_readings, make_kit, site_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.fixture
async def site(engine) -> AsyncIterator[str]:
    async with site_of(engine) as address:
        yield address


async def test_the_keyboard_alone_leads_to_a_kit(engine, page, site):
    async with engine.begin() as connection:
        await make_kit(connection, "Basil", public=True)
        fern = await make_kit(connection, "Fern", public=True)
    await page.goto(f"{site}/login")
    await page.keyboard.press("Control+k")
    field = page.get_by_role("dialog").get_by_role("searchbox")
    await expect(field).to_be_focused()
    await expect(page.get_by_role("link", name="Basil")).to_be_visible()
    await page.keyboard.type("fer")
    await expect(page.get_by_role("link", name="Basil")).to_have_count(0)
    await page.get_by_role("link", name="Fern").focus()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{site}/kits/{fern.serial}")


async def test_escape_closes_go_to_and_the_focus_returns(page, site):
    await page.goto(f"{site}/login")
    opener = page.locator(".top .go-to")
    await opener.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(opener).to_be_focused()


async def test_without_script_go_to_is_a_page(engine, browser, site):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{site}/login")
    await page.locator(".top .go-to").click()
    await page.get_by_role("searchbox").fill("bas")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Basil").click()
    await expect(page).to_have_url(f"{site}/kits/{kit.serial}")


async def test_on_a_phone_the_places_are_at_the_bottom_except_while_typing(page, site):
    await page.set_viewport_size({"width": 360, "height": 700})
    await page.goto(f"{site}/search")
    bar = page.get_by_role("navigation", name="Main places")
    await expect(bar).to_be_visible()
    await expect(bar).to_be_in_viewport(ratio=1)
    await expect(page.get_by_role("navigation", name="Places", exact=True)).to_have_count(0)
    await page.get_by_role("searchbox").focus()
    await expect(bar).to_be_hidden()
    await page.get_by_role("searchbox").blur()
    await bar.get_by_role("link", name="Home").click()
    await expect(page).to_have_url(f"{site}/")


async def test_ages_go_on_in_the_language_of_the_page(engine, database_url, browser, site):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
    await add_readings(database_url, kit, [(datetime.now(UTC) - timedelta(seconds=30), 21.0)])
    context = await browser.new_context(locale="de", extra_http_headers={"Accept-Language": "de"})
    page = await context.new_page()
    await page.clock.install()
    await page.goto(site)
    await page.route("**/status?**", lambda route: route.abort())
    await expect(page.locator(".reading .age")).to_have_text(re.compile("vor [345]\\d s"))
    await page.clock.run_for(60_000)
    await expect(page.locator(".reading .age")).to_have_text("vor 1 min")
    await expect(page.locator("#live")).to_contain_text("Keine Verbindung seit")


async def test_what_cannot_be_copied_is_selected(page, site):
    await page.goto(f"{site}/help/components")
    await page.evaluate("delete Navigator.prototype.clipboard")  # as without HTTPS
    await page.locator("[aria-labelledby=sample-copy] [data-copies]").click()
    await expect(page.get_by_role("button", name="Selected: copy it with the keyboard")).to_be_visible()
    assert await page.evaluate("getSelection().toString()") == "k-tnc7-mpgj-n9cc"


async def test_a_dialog_about_danger_begins_at_cancel(page, site):
    await page.goto(f"{site}/help/components")
    await page.locator("[data-opens=sample-question]").click()
    await expect(page.get_by_role("dialog", name="Delete this kit?")).to_be_visible()
    await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
