"""The charts' page with its script, in Debian's Chromium: zoom, cursor, gaps, following."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest
from chart_helpers import measure, series_id
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
    opened,
    pixels,
    served,
    until,
    until_range,
    view,
)
from playwright.async_api import expect
from web_helpers import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

FOLLOWING_3_DAYS = re.compile("^(?!.*from=).*r=3d")


@pytest.fixture
async def site(database_url) -> AsyncIterator[Site]:
    async with served(database_url) as site:
        yield site


@WIDTHS
async def test_the_script_takes_the_place_of_the_pictures_without_a_shift(site, page, width):
    await page.add_init_script(
        "window.shifts = 0; new PerformanceObserver((list) => { for (const each of list.getEntries()) if"
        " (!each.hadRecentInput) shifts += each.value; }).observe({type: 'layout-shift', buffered: true})"
    )
    await opened(page, site, width)
    assert await page.locator(".u-over").count() == 2
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    assert await page.evaluate("window.shifts") <= 0.02
    height = await page.locator("[data-plot]").first.evaluate("box => box.clientHeight")
    assert height == (180 if width == PHONE else 220)


@WIDTHS
async def test_a_zoom_is_a_step_of_the_history_and_its_link_shows_the_same_times(site, page, browser, width):
    await opened(page, site, width)
    await page.locator(".ranges").get_by_text("3 d", exact=True).click()
    await expect(page).to_have_url(FOLLOWING_3_DAYS)
    start, end = await view(page)
    await drag(page, 0.25, 0.75)
    length = end - start
    await until_range(page, start + length / 4, end - length / 4, within=length / 50)
    await expect(page).to_have_url(FIXED)
    zoomed = await view(page)
    copied = page.url
    other = await browser.new_page()
    await other.goto(copied)
    await expect(other.locator("#charts")).to_have_attribute("data-state", "ready")
    assert await view(other) == pytest.approx(zoomed, abs=1)
    await other.close()
    await page.go_back()
    await expect(page).to_have_url(FOLLOWING_3_DAYS)
    start, end = await view(page)
    assert end - start == pytest.approx(3 * 86400, abs=1)
    await page.go_back()
    await expect(page).not_to_have_url(re.compile("r=3d"))
    assert "charts" in page.url


@WIDTHS
async def test_escape_and_a_double_click_go_one_zoom_back(site, page, width):
    await opened(page, site, width)
    before = await view(page)
    for undo in ("key", "mouse"):
        await drag(page, 0.4, 0.6)
        await expect(page).to_have_url(FIXED)
        if undo == "key":
            await page.keyboard.press("Escape")
        else:
            await page.locator(".u-over").first.dblclick()
        await expect(page).not_to_have_url(FIXED)
        assert (await view(page))[0] == pytest.approx(before[0], abs=60)


async def test_shift_and_drag_moves_in_time_and_a_short_drag_is_a_click(site, page):
    await opened(page, site, DESK)
    start, end = await view(page)
    length = end - start
    await drag(page, 0.25, 0.75, shift=True)
    await until_range(page, start - length / 2, end - length / 2, within=length / 50)
    await page.locator("#move-now").click()
    await drag(page, 0.5, 0.502)
    assert (await view(page))[1] - (await view(page))[0] == pytest.approx(length, abs=1)
    readout = page.locator(".readout").first
    await expect(readout).not_to_be_empty()
    pinned = await readout.text_content()
    await page.mouse.move(5, 5)
    await expect(readout).to_have_text(pinned or "")


async def test_ctrl_and_the_wheel_zoom_at_the_pointer_and_the_wheel_alone_scrolls(site, page):
    await opened(page, site, DESK, "?r=24h")
    box = await box_of(page)
    start, end = await view(page)
    await page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 50)
    await page.mouse.wheel(0, 40)
    assert (await view(page))[1] - (await view(page))[0] == pytest.approx(end - start, abs=1)
    await page.mouse.wheel(0, -1000)
    box = await box_of(page)
    await page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 50)
    await page.keyboard.down("Control")
    await page.mouse.wheel(0, -100)
    await page.keyboard.up("Control")
    await expect(page).to_have_url(FIXED)
    zoomed_start, zoomed_end = await view(page)
    assert zoomed_end - zoomed_start < (end - start) * 0.9
    middle = start + (end - start) / 4
    assert zoomed_start + (zoomed_end - zoomed_start) / 4 == pytest.approx(middle, abs=(end - start) / 100)


@WIDTHS
async def test_no_line_crosses_a_gap_and_a_lone_bucket_in_it_is_seen(site, page, tmp_path, width):
    air = await series_id(site.world.parts.engine, site.kit)
    span = f"&from={iso(site.at(1080))}&to={iso(site.at(1380))}"
    await opened(page, site, width, f"?s={air}{span}")
    image, box = await pixels(page, tmp_path)

    def x(minute: float) -> float:
        return (minute - 1080) / 300 * box["width"]

    assert has_colour(image, GREEN, x(1100), x(1190))
    assert has_colour(image, GREEN, x(1270), x(1370))
    assert has_colour(image, GREEN, x(1230) - 4, x(1230) + 4), "the lone reading"
    assert not has_colour(image, GREEN, x(1201) + 3, x(1230) - 5)
    assert not has_colour(image, GREEN, x(1230) + 5, x(1259) - 3)
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + x(1215), y)
    clocks = [f"{site.start + timedelta(minutes=each):%H:%M}" for each in (1199, 1230)]
    await expect(page.locator(".readout").first).to_contain_text(f"no readings {clocks[0]}–{clocks[1]}")
    await page.mouse.move(box["x"] + x(1230), y)
    await expect(page.locator(".readout").first).to_contain_text("°C")


@WIDTHS
async def test_the_cursor_shows_the_same_time_on_all_panels_and_keys_move_and_announce_it(site, page, width):
    await opened(page, site, width)
    box = await box_of(page)
    await page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    lines = page.locator(".u-cursor-x")
    assert await lines.count() == 2
    places = [await lines.nth(i).evaluate("line => line.getBoundingClientRect().x") for i in range(2)]
    assert places[0] == pytest.approx(places[1], abs=1)
    assert places[0] == pytest.approx(box["x"] + box["width"] * 0.3, abs=2)
    readouts = page.locator(".readout")
    first = (await readouts.nth(0).text_content() or "").split(" ·")[0].split(" ")[0]
    assert (await readouts.nth(1).text_content() or "").startswith(first)

    await page.mouse.move(2, 2)
    plot = page.locator("[data-plot]").first
    await plot.focus()
    announced = page.locator("#chart-announce")
    await page.keyboard.press("End")
    await expect(announced).to_contain_text("°C")
    last = await announced.text_content()
    await page.keyboard.press("ArrowLeft")
    await expect(announced).not_to_have_text(last or "")
    await page.keyboard.press("ArrowRight")
    await expect(announced).to_have_text(last or "")
    await page.keyboard.press("Home")
    await expect(announced).not_to_have_text(last or "")


async def test_keys_zoom_move_reset_and_open_the_table_only_while_the_chart_has_focus(site, page):
    await opened(page, site, DESK)
    start, end = await view(page)
    length = end - start
    await page.keyboard.press("+")
    await page.keyboard.press("t")
    assert (await view(page))[1] - (await view(page))[0] == pytest.approx(length, abs=1)
    await page.locator("[data-plot]").first.focus()
    await page.keyboard.press("+")
    await until_range(page, start + length / 4, end - length / 4, within=30)
    await page.keyboard.press(",")
    await until_range(page, start + length / 8, end - length * 3 / 8, within=30)
    await page.keyboard.press(".")
    await page.keyboard.press("-")
    await until_range(page, start, end, within=60)
    await page.keyboard.press("0")
    await expect(page).not_to_have_url(FIXED)
    await expect(page.locator("#table")).not_to_have_attribute("open", "")
    await page.keyboard.press("t")
    await expect(page.locator("#table")).to_have_attribute("open", "")


@WIDTHS
async def test_the_five_buttons_stay_where_they_are(site, page, width):
    await opened(page, site, width)

    async def places() -> list[dict[str, float] | None]:
        names = ("earlier", "later", "wider", "closer", "now")
        return [await page.locator(f"#move-{name}").bounding_box() for name in names]

    before = await places()
    for name in ("earlier", "closer", "wider", "later", "now"):
        await page.locator(f"#move-{name}").click()
        assert await places() == before


@WIDTHS
async def test_new_readings_appear_while_following_and_do_not_move_a_zoomed_view(site, page, width):
    air = await series_id(site.world.parts.engine, site.kit)
    await opened(page, site, width, f"?s={air}&r=1h")
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    await expect(page.locator("#live")).to_be_visible()
    await site.measure(42.5)
    await page.locator("[data-plot]").first.focus()

    async def newest_is(text: str) -> bool:
        await page.keyboard.press("End")
        return text in (await page.locator("#chart-announce").text_content() or "")

    await until(lambda: newest_is("42.5"))
    await drag(page, 0.2, 0.6)
    await expect(page).to_have_url(FIXED)
    zoomed = await view(page)
    notice = page.locator("#chart-notice")
    await site.measure(43.0)
    await expect(notice).to_contain_text("1 new reading. Go to now")
    await site.measure(43.5)
    await expect(notice).to_contain_text("2 new readings. Go to now")
    assert await view(page) == zoomed
    await notice.get_by_role("link").click()
    await expect(notice).to_be_hidden()
    await expect(page).not_to_have_url(FIXED)
    await page.locator("[data-plot]").first.focus()
    await until(lambda: newest_is("43.5"))


async def test_the_last_bucket_grows_with_each_reading_without_asking_for_all_points_again(site, page):
    air = await series_id(site.world.parts.engine, site.kit)
    more = [(site.start + timedelta(seconds=30 + 60 * each), 18.0) for each in range(600)]
    await measure(site.database_url, site.kit, more)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "points.json" in request.url else None)
    await opened(page, site, DESK, f"?s={air}&r=24h")
    await expect(page.locator("#live")).to_be_visible()
    await page.locator("[data-plot]").first.focus()

    async def highest_is(text: str) -> bool:
        await page.keyboard.press("End")
        return f"to {text}" in (await page.locator("#chart-announce").text_content() or "")

    for value in (41.0, 42.0, 43.0, 44.0, 45.0):
        await site.measure(value)
        await until(partial(highest_is, f"{value:.1f}"))
    # Once at the beginning, and once for what was told when the feed began.
    assert len(asked) <= 2
