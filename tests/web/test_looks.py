"""Every page in every theme, width and direction: accessible, within the screen, and small."""

from __future__ import annotations

import gzip
import re
from pathlib import Path as FilePath

import axe_playwright_python
import pytest
from filled_garden import FilledGarden, fill
from page_visits import open_each, tab_of
from playwright.async_api import expect
from web_helpers import CHROMIUM, client_of, site_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

AXE = (FilePath(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
STYLES = FilePath(__file__).parents[2] / "src/hortus/http/pages/styles"
CHAPTERS = STYLES / "chapters"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_FINDINGS = """async (rules) => (await axe.run(document, {runOnly: rules})).violations.flatMap(
  (found) => found.nodes.map((node) => `${found.id}: ${node.html.slice(0, 200)} ${node.any[0]?.message}`))"""

_SMALL_TARGETS = """() => Array.from(
  document.querySelectorAll("button, .button, input:not([type=hidden]), summary, nav a, .plants a, .found a"))
    .map((each) => each.closest("label:has([type=radio], [type=checkbox])") ?? each)
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


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1400)])
async def test_what_opens_or_fails_is_accessible_too(engine, browser, garden, scheme, width):
    page = await tab_of(browser, width=width, scheme=scheme)
    found: dict[str, list[str]] = {}

    async def look(state: str) -> None:
        await page.evaluate(AXE)
        found[state] = await page.evaluate(_FINDINGS, _RULES)

    async with site_of(engine) as site:
        await page.goto(f"{site}/login")
        await page.locator("#username").fill("nobody")
        await page.locator("#password").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        await look("wrong password")
        await page.goto(site)
        await page.locator("[data-opens=go-to]:visible").first.click()
        await expect(page.locator("#found a").first).to_be_visible()
        await look("go to")
        await page.keyboard.press("Escape")
        await page.route("**/status?**", lambda route: route.abort())
        await expect(page.locator("#live")).to_contain_text("No connection since")
        await look("no connection")
        await page.goto(f"{site}/help/components")
        await page.locator("[data-opens=sample-question]").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await look("dialog")
    assert {state: faults for state, faults in found.items() if faults} == {}


async def test_pages_follow_what_a_person_set_in_their_system(engine, browser, garden):
    page = await tab_of(browser, width=1400)
    colour = "(name) => getComputedStyle(document.documentElement).getPropertyValue(name)"
    async with site_of(engine) as site:
        await page.goto(f"{site}/help/components")
        assert await page.evaluate("document.getAnimations().length") > 0
        await page.emulate_media(reduced_motion="reduce")
        assert await page.evaluate("document.getAnimations().length") == 0
        await page.emulate_media(contrast="more")
        assert await page.evaluate(colour, "--soft") == await page.evaluate(colour, "--ink")
        await page.emulate_media(contrast="no-preference", forced_colors="active")
        assert (
            await page.locator(".badge").first.evaluate("(badge) => getComputedStyle(badge).borderStyle")
            == "solid"
        )
        await page.emulate_media(forced_colors="none", media="print")
        for hidden in (".bar", ".top .places", ".go-to", ".toast"):
            await expect(page.locator(hidden).first).to_be_hidden()


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


async def test_every_page_loads_the_styles_of_its_chapter_and_no_more_than_needed(engine, browser, garden):
    page = await tab_of(browser, width=1400)
    chapters = {file.stem: file.read_text("utf-8") for file in CHAPTERS.iterdir()}
    sizes = {name: len(gzip.compress(source.encode(), 9)) for name, source in chapters.items()}
    of_all = len(
        gzip.compress("\n".join(each.read_text() for each in sorted(STYLES.glob("*.css"))).encode(), 9)
    )
    faults: dict[str, object] = {}
    async with site_of(engine) as site:
        async for path in open_each(page, site, garden):
            loaded = set(re.findall(r"/static/styles/([a-z]+)\.css", await page.content()))
            missing = {
                name: met
                for name, source in chapters.items()
                if name not in loaded and (met := await page.evaluate(_MET, source))
            }
            size = of_all + sum(sizes[name] for name in loaded)
            has_chart = "charts.css" in await page.content()
            if missing or (size > 9_000 and not has_chart):
                faults[path] = (missing, size)
    assert faults == {}


_MET = """(source) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(source);
  const rules = Array.from(sheet.cssRules)
    .flatMap((rule) => rule.cssRules?.length ? Array.from(rule.cssRules) : [rule]);
  return rules.map((rule) => rule.selectorText)
    .filter((selector) => selector && document.querySelector(selector));
}"""


async def test_pages_are_small(engine, garden):
    async with client_of(engine) as client:
        page = (await client.get("/")).text
        addresses = [each for each in re.findall(r'"(/static/[^"]+)"', page) if "apple-touch" not in each]
        sizes = {address: len(gzip.compress((await client.get(address)).content, 9)) for address in addresses}
    scripts = sum(size for address, size in sizes.items() if ".js" in address)
    assert scripts <= 25_000
    assert len(gzip.compress(page.encode(), 9)) <= 12_000
    assert 1 + len(addresses) <= 6


@pytest.mark.parametrize("theme", [0, 1])
def test_colours_have_enough_contrast(theme):
    source = (STYLES / "10-tokens.css").read_text("utf-8")
    light, dark = source.split("prefers-color-scheme: dark")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    if theme:
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark))
    pairs = [
        *((name, ground, 4.5) for name in _TEXTS for ground in ("card", "ground")),
        *((name, f"{name}-ground", 4.5) for name in ("red", "amber", "blue")),
        *(("on-deep", name, 4.5) for name in ("green-deep", "danger")),
        *(("edge", ground, 3.0) for ground in ("card", "ground", "band")),
        *((f"s{number}", ground, 3.0) for number in range(1, 7) for ground in ("card", "band", "night")),
    ]
    ratios = {(one, other): _contrast(colours[one], colours[other]) / least for one, other, least in pairs}
    assert {pair for pair, ratio in ratios.items() if ratio < 1} == set()


_TEXTS = ("ink", "soft", "green", "amber", "red", "blue")


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG's formula."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_every_component_is_shown_with_its_name(engine):
    source = (STYLES.parent / "templates/_components.html").read_text("utf-8")
    async with client_of(engine) as client:
        answer = await client.get("/help/components")
    assert answer.headers["x-robots-tag"] == "noindex"
    for name in re.findall(r"macro ([a-z]\w+)\(", source):
        assert f"<code>{name}</code>" in answer.text, name


def test_one_style_sheet_alone_says_how_a_class_looks():
    """They are joined: what one chapter says of a bare class holds on the pages of all others as well."""
    said_in: dict[str, set[str]] = {}
    for file in sorted([*STYLES.glob("[3-9]*.css"), *CHAPTERS.iterdir()]):
        source = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        for selectors in re.findall(r"([^{}@;]+)\{", source):
            for selector in selectors.split(","):
                if re.fullmatch(r"\.[\w-]+( \w+)?|\.[\w-]+ \+ \.[\w-]+", selector.strip()):
                    said_in.setdefault(selector.strip(), set()).add(file.name)
    assert {each: files for each, files in said_in.items() if len(files) > 1} == {}


def test_styles_have_no_left_and_no_right():
    """Only logical properties mirror in languages that are written from right to left."""
    for file in STYLES.rglob("*.css"):
        source = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        physical = re.findall(r"[\w-]*(?:left|right)[\w-]*\s*:|:\s*(?:left|right)\b", source)
        assert physical == [], file.name
