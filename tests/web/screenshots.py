"""Draws every page for people to look at; `make screenshots` runs it. It is no test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from filled_garden import ENGLISH_NAMES, fill
from page_visits import open_each, tab_of
from web_helpers import site_of

FOLDER = Path(__file__).parents[2] / "build/screenshots"


@pytest.mark.parametrize("tag", ["en", "de", "ar-XB"])
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_screenshots(engine, database_url, browser, scheme, width, tag):
    garden = await fill(engine, database_url, ENGLISH_NAMES)
    page = await tab_of(browser, width=width, scheme=scheme, tag=tag)
    folder = FOLDER / f"{width}-{scheme}-{tag}"
    async with site_of(engine) as site:
        async for path in open_each(page, site, garden):
            name = re.sub(r"\W+", "-", path).strip("-") or "home"
            await page.screenshot(path=folder / f"{name}{'-logged-in' * path.is_for_root}.png", full_page=True)
        await page.goto(site)
        await page.locator("[data-opens=go-to]:visible").first.click()
        await page.locator("#found a").first.wait_for()
        await page.screenshot(path=folder / "go-to-opened.png")
