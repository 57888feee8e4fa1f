"""Marks under the charts in a browser: signs that gather, and the list behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from chart_site import DESK, PHONE, Site, opened, served
from playwright.async_api import Page, expect
from sqlalchemy import text
from web_helpers import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    async with served(database_url) as site:
        async with site.world.parts.engine.begin() as connection:
            for number in range(30):
                await connection.execute(
                    text(
                        "INSERT INTO alerts (kind, kit_id, condition, began_at, opened_at, over_at, ending)"
                        " VALUES ('silence', :kit, 'silent', :at, :at, :at, 'recovered')"
                    ),
                    {"kit": site.kit.id, "at": site.start + timedelta(hours=12, seconds=2 * number)},
                )
            await connection.execute(
                text(
                    "INSERT INTO presence_intervals (kit_id, state, since, until, last_contact_at)"
                    " VALUES (:kit, 'offline', :since, :until, :since)"
                ),
                {
                    "kit": site.kit.id,
                    "since": site.start + timedelta(minutes=1200),
                    "until": site.start + timedelta(minutes=1260),
                },
            )
        yield site


@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_thirty_events_within_a_minute_are_one_sign_that_lists_them(page: Page, site: Site, width: int):
    await opened(page, site, width, "?r=24h&marks=alerts")
    sign = page.locator("#lane button")
    await expect(sign).to_have_count(1)
    await expect(sign).to_have_text("30")
    assert (await page.locator("#lane").bounding_box())["height"] == 28  # type: ignore[index]
    await sign.click()
    dialog = page.locator("#mark-dialog")
    await expect(dialog.get_by_role("heading")).to_contain_text("30 events from")
    await expect(dialog.locator("li")).to_have_count(30)
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(sign).to_be_focused()
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(wide) <= 0


async def test_a_gap_says_its_cause_and_kinds_can_be_left_out(page: Page, site: Site):
    await opened(page, site, DESK, "?r=24h")
    # The alerts, the silence, and just now the activation of the configuration.
    await expect(page.locator("#lane button")).to_have_count(3)
    await expect(page.locator("#lane .bar-of")).to_have_count(1)
    box = await page.locator(".u-over").first.bounding_box()
    assert box is not None
    # A quarter of an hour into the gap of an hour, which begins after 20 hours.
    await page.mouse.move(box["x"] + box["width"] * 1212 / 1440, box["y"] + 50)
    await expect(page.locator(".readout").first).to_contain_text("no readings")
    await expect(page.locator(".readout").first).to_contain_text("(kit silent)")
    await page.get_by_role("button", name="Silences").click()
    await page.wait_for_url(lambda url: "marks=" in url and "presence" not in url)
    await expect(page.locator("#lane button")).to_have_count(2)
    await expect(page.locator("#lane .bar-of")).to_have_count(0)


async def test_without_events_the_lines_are_drawn_all_the_same(page: Page, site: Site):
    await page.route("**/events.json*", lambda route: route.abort())
    await opened(page, site, DESK, "?r=24h")
    await expect(page.locator(".u-over").first).to_be_visible()
    # The server's lane stays.
    await expect(page.locator("#lane .lane-picture")).to_be_visible()
