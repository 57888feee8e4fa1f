"""Pages of labels print the labels, and nothing else of the page."""

from __future__ import annotations

import pytest
from filled_garden import fill
from page_visits import tab_of
from web_helpers import CHROMIUM, PASSWORD, site_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.mark.parametrize("path", ["/kits/{fine_kit}/public-link", "/kits/new/many/labels?once={labels}"])
async def test_only_the_labels_are_printed(engine, database_url, browser, path):
    garden = await fill(engine, database_url)
    page = await tab_of(browser, width=1400)
    async with site_of(engine) as site:
        await page.goto(f"{site}/login")
        await page.get_by_role("textbox").first.fill("root")
        await page.locator("#password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{site}/")
        await page.goto(site + path.format(**garden.addresses))
        labels = (await page.locator(".labels").inner_text()).split()
        await page.emulate_media(media="print")
        printed = (await page.locator("body").inner_text()).split()
    assert labels
    assert printed == labels
