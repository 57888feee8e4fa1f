"""Every page in every theme, width and direction: accessible, within the screen, and small."""

from __future__ import annotations

import gzip
import re
from pathlib import Path as FilePath

import axe_playwright_python
import pytest
from filled_garden import FilledGarden, fill
from page_visits import open_each, tab_of
from web_helpers import CHROMIUM, client_of, site_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

AXE = (FilePath(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_FINDINGS = """async (rules) => (await axe.run(document, {runOnly: rules})).violations.flatMap(
  (found) => found.nodes.map((node) => `${found.id}: ${node.html.slice(0, 200)} ${node.any[0]?.message}`))"""

_SMALL_TARGETS = """() => Array.from(
  document.querySelectorAll("button, .button, input:not([type=hidden]), summary, nav a, .plants a, .found a"))
    .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
    .map((each) => each.outerHTML)"""


@pytest.fixture
async def garden(engine, database_url) -> FilledGarden:
    return await fill(engine, database_url)


@pytest.mark.parametrize("tag", ["en", "en-XA", "ar-XB"])
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_the_screen(engine, browser, garden, scheme, width, tag):
    page = await tab_of(browser, width=width, scheme=scheme, tag=tag)
    found: dict[str, list[str]] = {}
    async with site_of(engine) as site:
        async for path in open_each(page, site, garden):
            await page.evaluate(AXE)
            wide = await page.evaluate("document.documentElement.scrollWidth")
            found[path] = [
                *await page.evaluate(_FINDINGS, _RULES),
                *([f"{wide} px wide"] if wide != width else []),
            ]
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("width", [320, 768])
async def test_no_page_scrolls_sideways_between_and_below_the_usual_widths(engine, browser, garden, width):
    page = await tab_of(browser, width=width, tag="en-XA")
    async with site_of(engine) as site:
        async for path in open_each(page, site, garden):
            assert (path, await page.evaluate("document.documentElement.scrollWidth")) == (path, width)


async def test_fingers_have_targets_of_44_pixels(engine, browser, garden):
    page = await tab_of(browser, width=360, has_touch=True, is_mobile=True)
    async with site_of(engine) as site:
        async for path in open_each(page, site, garden):
            small = await page.evaluate(_SMALL_TARGETS)
            assert (path, small) == (path, [])


async def test_pages_are_small(engine, garden):
    async with client_of(engine) as client:
        page = (await client.get("/")).text
        addresses = re.findall(r'"(/static/[^"]+)"', page)
        sizes = {address: len(gzip.compress((await client.get(address)).content, 9)) for address in addresses}
    styles = sum(size for address, size in sizes.items() if ".css" in address)
    scripts = sum(size for address, size in sizes.items() if ".js" in address)
    assert styles <= 9_000
    assert scripts <= 25_000
    assert len(gzip.compress(page.encode(), 9)) <= 12_000
    assert 1 + len(addresses) <= 6


def test_styles_have_no_left_and_no_right():
    """Only logical properties mirror in languages that are written from right to left."""
    folder = FilePath(__file__).parents[2] / "src/hortus/http/pages/styles"
    for file in folder.iterdir():
        source = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        physical = re.findall(r"[\w-]*(?:left|right)[\w-]*\s*:|:\s*(?:left|right)\b", source)
        assert physical == [], file.name
