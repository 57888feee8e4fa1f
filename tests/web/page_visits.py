"""Visiting all pages in Chromium, as a stranger and then as an administrator."""

from __future__ import annotations

from collections.abc import AsyncIterator

from filled_garden import FilledGarden
from page_addresses import PATHS, Path
from playwright.async_api import Browser, Page
from web_helpers import PASSWORD


async def open_each(page: Page, site: str, garden: FilledGarden) -> AsyncIterator[Path]:
    """Visit every page, and yield its path once it is there."""
    is_logged_in = False
    for path in PATHS:
        if path.is_for_root and not is_logged_in:
            await page.goto(f"{site}/login")
            await page.get_by_role("textbox").first.fill("root")
            await page.locator("#password").fill(PASSWORD)
            await page.keyboard.press("Enter")
            await page.wait_for_url(f"{site}/")
            is_logged_in = True
        await page.goto(site + path.format(**garden.addresses))
        yield path


async def tab_of(
    browser: Browser, *, width: int, scheme: str = "light", tag: str = "en", **options: object
) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        locale=tag,
        extra_http_headers={"Accept-Language": tag},
        **options,
    )
    return await context.new_page()
