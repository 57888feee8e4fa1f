"""The charts' page in Debian's Chromium: touch, files, table, theme, errors, and the page without a script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from chart_helpers import series_id
from chart_site import (
    DESK,
    FIXED,
    GREEN,
    PHONE,
    WIDTHS,
    Site,
    box_of,
    drag,
    has_colour,
    iso,
    module,
    opened,
    phone,
    pixels,
    served,
    until,
    view,
)
from PIL import Image
from playwright.async_api import expect
from web_helpers import CHROMIUM

from hortus.domain.definitions.precision import decimals_of
from hortus.domain.plants.state import Range
from hortus.http.pages.charts.scale import scale_of
from hortus.http.pages.figures import measured
from hortus.http.pages.times import precise_duration

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.fixture
async def site(database_url) -> AsyncIterator[Site]:
    async with served(database_url) as site:
        yield site


async def test_the_file_is_that_of_the_zoomed_range_and_the_table_too(site, page):
    air = await series_id(site.world.parts.engine, site.kit)
    await opened(page, site, DESK, f"?s={air}")
    link = page.locator("#save-csv")
    before = await link.get_attribute("href")
    await page.locator("#table summary").click()
    await drag(page, 0.40, 0.45)
    await expect(page).to_have_url(FIXED)
    await expect(link).not_to_have_attribute("href", before or "")
    query = page.url.split("?")[1]
    for part in ("from", "to"):
        wanted = next(each for each in query.split("&") if each.startswith(f"{part}="))
        assert wanted in (await link.get_attribute("href") or "")
    async with page.expect_download() as download:
        await link.click()
    lines = Path(await (await download.value).path()).read_text().splitlines()
    caption = page.locator("table.points caption")
    await expect(caption).to_contain_text(f"{len(lines) - 1} rows")
    times = await page.locator("table.points tbody time").evaluate_all("all => all.map(time => time.dateTime)")
    assert times[:50] == [line.split(",")[0] for line in lines[1:51]]


async def test_a_picture_has_title_range_zone_and_legend(site, page, tmp_path):
    await opened(page, site, DESK)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save as PNG").click()
    saved = await download.value
    assert saved.suggested_filename.startswith(site.kit.serial)
    image = Image.open(await saved.path()).convert("RGB")
    assert image.size[0] == 2 * 948
    assert has_colour(image, GREEN, 0, image.size[0])
    assert image.getpixel((3, 3)) == (255, 255, 255)


async def test_a_link_can_be_copied_also_where_the_browser_forbids_it(site, page):
    await opened(page, site, DESK)
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    await page.get_by_role("button", name="Copy link", exact=True).click()
    field = page.get_by_label("Link to copy")
    await expect(field).to_have_value(FIXED)
    await page.get_by_role("button", name="Copy link to the present").click()
    await expect(field).not_to_have_value(FIXED)


async def test_colours_follow_the_theme(site, page, tmp_path):
    air = await series_id(site.world.parts.engine, site.kit)
    await page.emulate_media(color_scheme="light")
    await opened(page, site, DESK, f"?s={air}")
    image, _ = await pixels(page, tmp_path)
    assert has_colour(image, GREEN, 0, 300)
    await page.emulate_media(color_scheme="dark")
    image, _ = await pixels(page, tmp_path)
    assert has_colour(image, (0x7F, 0xD0, 0x9F), 0, 300)
    assert not has_colour(image, GREEN, 0, 300)


async def test_a_server_that_does_not_answer_is_named_and_asked_again(site, page):
    await opened(page, site, DESK, "?r=1h")
    blocked = "**/points.json*"
    await page.route(
        blocked,
        lambda route: route.fulfill(
            status=503,
            headers={"Retry-After": "1", "Content-Type": "application/problem+json"},
            body='{"detail": "Many readings of this kit are still being summed up."}',
        ),
    )
    await page.locator(".ranges").get_by_text("30 d", exact=True).click()
    notice = page.locator("#chart-notice")
    await expect(notice).to_contain_text("still being summed up. This page tries again by itself.")
    await page.unroute(blocked)
    await expect(notice).to_be_hidden()


async def test_two_fingers_zoom_about_their_middle(site, browser):
    async with phone(browser) as page:
        await opened(page, site, PHONE)
        box = await box_of(page)
        start, end = await view(page)
        touch = await page.context.new_cdp_session(page)
        y, middle = box["y"] + box["height"] / 2, box["x"] + box["width"] * 0.4

        async def fingers(kind: str, apart: float) -> None:
            points = [{"x": middle - apart, "y": y, "id": 0}, {"x": middle + apart, "y": y, "id": 1}]
            await touch.send(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [] if kind == "touchEnd" else points}
            )

        await fingers("touchStart", 20)
        for apart in (30, 40, 50, 60):
            await fingers("touchMove", apart)
        await fingers("touchEnd", 60)
        await expect(page).to_have_url(FIXED)
        zoomed = await view(page)
        length = end - start
        assert zoomed[1] - zoomed[0] == pytest.approx(length / 3, rel=0.05)
        at_middle = start + 0.4 * length
        place = box["x"] + (at_middle - zoomed[0]) / (zoomed[1] - zoomed[0]) * box["width"]
        assert place == pytest.approx(middle, abs=5)


async def test_a_finger_that_moves_sideways_reads_off_and_one_that_moves_up_scrolls_the_page(site, browser):
    async with phone(browser) as page:
        await opened(page, site, PHONE)
        await page.evaluate("scrollTo(0, 0)")
        box = await page.locator(".u-over").first.bounding_box()
        assert box is not None
        before = await view(page)
        touch = await page.context.new_cdp_session(page)
        x, y = box["x"] + box["width"] / 2, box["y"] + 60

        async def finger(kind: str, x: float, y: float) -> None:
            points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
            await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        await finger("touchStart", x, y)
        for moved in range(5, 60, 5):
            await finger("touchMove", x + moved, y)
        await expect(page.locator(".readout").first).to_contain_text("°C")
        await finger("touchEnd", x, y)
        assert await page.evaluate("scrollY") == 0

        await finger("touchStart", x, y)
        for moved in range(20, 220, 20):
            await finger("touchMove", x, y - moved)
        await finger("touchEnd", x, y)
        await until(lambda: page.evaluate("scrollY > 100"))
        assert (await view(page))[0] == pytest.approx(before[0], abs=10)


@WIDTHS
async def test_the_table_has_the_extremes_and_gaps_of_the_points(site, page, width):
    air = await series_id(site.world.parts.engine, site.kit)
    await opened(page, site, width, f"?s={air}&from={iso(site.at(1080))}&to={iso(site.at(1380))}")
    await page.locator("#table summary").click()
    await expect(page.locator("table.points")).to_be_visible()
    values = await page.locator("table.points tbody data").evaluate_all(
        "all => all.map(each => Number(each.value))"
    )
    assert values
    gaps = await page.locator(".gap-row").all_text_contents()
    following = page.locator("#table a[rel=next]")
    while await following.count():
        first = await page.locator("table.points tbody time").first.get_attribute("datetime")
        await following.click()
        await expect(page.locator("table.points tbody time").first).not_to_have_attribute(
            "datetime", first or ""
        )
        values += await page.locator("table.points tbody data").evaluate_all(
            "all => all.map(each => Number(each.value))"
        )
        gaps += await page.locator(".gap-row").all_text_contents()
    answer = await page.request.get(
        f"{site.url}/kits/{site.kit.serial}/points.json?series={air}&from={iso(site.at(1080))}&to={iso(site.at(1380))}"
    )
    points = await answer.json()
    assert values == points["series"][0]["mean"]
    assert len(gaps) == len(points["gaps"]) == 2


@WIDTHS
async def test_without_a_script_pictures_and_the_table_are_there(site, browser, width):
    context = await browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
    page = await context.new_page()
    await page.goto(site.address())
    assert await page.locator(".picture-of .now .line").count() >= 3
    await page.locator("#table summary").click()
    await expect(page.locator("table.points")).to_be_visible()
    assert await page.locator("table.points tbody data").count() > 20
    assert await page.locator(".gap-row").count() + await page.locator("#table a[rel=next]").count() >= 1
    for name in ("Save as PNG", "Copy link"):
        assert await page.get_by_role("button", name=name).count() == 0
    await page.locator("#move-earlier").click()
    await expect(page).to_have_url(FIXED)
    await page.locator("#sensors summary").click()
    await page.get_by_role("checkbox").first.uncheck()
    await page.get_by_role("button", name="Show these sensors").click()
    await expect(page).to_have_url(re.compile(r"\?(.*&)?s=\d+&s="))
    await context.close()


@WIDTHS
async def test_two_clicks_lead_from_home_to_a_curve(site, page, width):
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(site.url)
    await page.locator(".kits h2 a, .kits h3 a").first.click()
    await page.locator("a.to-chart").first.click()
    await expect(page.locator("#charts")).to_have_attribute("data-state", "ready")
    await expect(page.locator("figure.panel")).to_have_count(1)


async def test_the_script_has_the_rules_of_the_server(site, page):
    await opened(page, site, DESK)
    scales = [
        ([20.0, 20.1], "°C", None, False),
        ([16.0, 22.0], "°C", (15, 24), False),
        ([16.0, 22.0], "°C", (None, 23), False),
        ([400.0, 500.0], "ppm", (0, 5000), True),
        ([-3.0, 5.0], "°C", None, True),
        ([0.0, 50_000.0], "lx", None, False),
        ([7.0, 7.0], "Something", None, False),
    ]
    for values, unit, band, from_zero in scales:
        range_ = None if band is None else Range(minimum=band[0], maximum=band[1])
        wanted = scale_of(values, unit, range_, from_zero=from_zero)
        made = await page.evaluate(
            "async ([url, values, unit, band, zero]) => (await import(url)).modules.scale"
            ".scaleOf(...values, unit, band, zero)",
            [await module(page), values, unit, band, from_zero],
        )
        assert made == pytest.approx([wanted.low, wanted.high])
    lengths = [0, 1, 59, 61, 3600, 7800, 86_400, 90_061, 180_000]
    made = await page.evaluate(
        "async ([url, all]) => { const { duration } = (await import(url)).modules.words;"
        " return all.map(duration); }",
        [await module(page), lengths],
    )
    assert made == [precise_duration(timedelta(seconds=each)) for each in lengths]
    values = [(18.94, "Temperature"), (-0.04, "Temperature"), (1011.4, "Pressure"), (0.4, "Light intensity")]
    made = await page.evaluate(
        "async ([url, all]) => { const { shown } = (await import(url)).modules.scale;"
        " return all.map(([value, quantity, decimals]) => shown(value, { quantity, decimals })); }",
        [await module(page), [(value, quantity, decimals_of(quantity)) for value, quantity in values]],
    )
    assert made == [measured(value, quantity) for value, quantity in values]
