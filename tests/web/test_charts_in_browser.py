"""The charts' page with its script, in Debian's Chromium: zoom, cursor, gaps, following, files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from chart_helpers import HUMIDITY, ChartKit, every_minute, make_chart_kit, measure, series_id
from PIL import Image
from playwright.async_api import Browser, Page, expect
from web_helpers import CHROMIUM, PATIENCE_MS

from hortus.domain.definitions.precision import decimals_of
from hortus.domain.plants.state import Range
from hortus.http.pages.charts.panels import shown
from hortus.http.pages.charts.scale import scale_of
from hortus.http.pages.times import precise_duration
from live_world import live_world
from waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

PHONE, DESK = 360, 1400
WIDTHS = pytest.mark.parametrize("width", [PHONE, DESK])
FIXED = re.compile("[?&]from=.*&to=")
FOLLOWING_3_DAYS = re.compile("^(?!.*from=).*r=3d")
GAP = range(1200, 1260)
LONE = 1230


class Site:
    """A served kit with two sensors and a day of readings, which have a gap with a lone one in it."""

    def __init__(self, url: str, kit: ChartKit, world, database_url: str, start: datetime) -> None:
        self.url, self.kit, self.world, self.database_url, self.start = url, kit, world, database_url, start

    def address(self, query: str = "") -> str:
        return f"{self.url}/kits/{self.kit.serial}/charts{query}"

    def at(self, minute: float) -> float:
        return (self.start + timedelta(minutes=minute)).timestamp()

    async def measure(self, value: float) -> None:
        await measure(self.database_url, self.kit, [(datetime.now(UTC), value)])


@asynccontextmanager
async def served(database_url: str) -> AsyncIterator[Site]:
    async with live_world(database_url) as world:
        engine = world.parts.engine
        kit = await make_chart_kit(engine, "Air", "Bench")
        start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=1)
        start -= timedelta(minutes=start.minute % 5)
        readings = [(at, 15 + (value - 20) % 7) for at, value in every_minute(start, 1440) if value is not None]
        kept = [each for i, each in enumerate(readings) if i not in GAP or i == LONE]
        await measure(database_url, kit, kept)
        await measure(database_url, kit, [(at, value + 2) for at, value in kept], name="Bench")
        await measure(database_url, kit, [(at, 50.0 + value) for at, value in kept], quantity_type_id=HUMIDITY)
        for name, type_ in (("Air", 1), ("Bench", 1), ("Air", HUMIDITY)):
            await series_id(engine, kit, name, type_)
        yield Site(f"http://127.0.0.1:{world.port}", kit, world, database_url, start)


@pytest.fixture
async def site(database_url) -> AsyncIterator[Site]:
    async with served(database_url) as site:
        yield site


async def opened(page: Page, site: Site, width: int, query: str = "") -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(site.address(query))
    await expect(page.locator("#charts")).to_have_attribute("data-state", "ready")


async def view(page: Page) -> tuple[float, float]:
    """Return the shown range, as the first panel's scale has it, in seconds."""
    text = await page.evaluate(
        "async (url) => { const { view } = await import(url); return [view.from, view.to]; }",
        await module(page),
    )
    return text[0], text[1]


async def box_of(page: Page, index: int = 0) -> dict[str, float]:
    over = page.locator(".u-over").nth(index)
    await over.scroll_into_view_if_needed()
    box = await over.bounding_box()
    assert box is not None
    return dict(box)


async def x_of(page: Page, seconds: float) -> float:
    box = await box_of(page)
    start, end = await view(page)
    return box["x"] + (seconds - start) / (end - start) * box["width"]


async def drag(page: Page, start: float, end: float, *, shift: bool = False) -> None:
    """Drag over these shares of the first panel's width."""
    box = await box_of(page)
    y = box["y"] + box["height"] / 2
    if shift:
        await page.keyboard.down("Shift")
    await page.mouse.move(box["x"] + start * box["width"], y)
    await page.mouse.down()
    await page.mouse.move(box["x"] + (start + end) / 2 * box["width"], y)
    await page.mouse.move(box["x"] + end * box["width"], y)
    await page.mouse.up()
    if shift:
        await page.keyboard.up("Shift")


async def module(page: Page) -> str:
    """Return the address of the module that holds the view."""
    address = await page.locator("script[type=module]").get_attribute("src")
    assert address
    return address.replace("main.js", "view.js")


async def until_range(page: Page, start: float, end: float, within: float = 1.0) -> None:
    """Wait until this range is shown, to so many seconds."""

    async def shown() -> bool:
        return all(
            abs(at - wanted) <= within for at, wanted in zip(await view(page), (start, end), strict=True)
        )

    await until(shown)


async def until(condition) -> None:
    """Ask until the condition holds. Playwright's own waiting needs eval, which our policy forbids."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.02)


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


async def pixels(page: Page, tmp_path: Path, index: int = 0) -> tuple[Image.Image, dict[str, float]]:
    await page.mouse.move(2, 2)
    box = await box_of(page, index)
    path = tmp_path / "plot.png"
    await page.screenshot(path=path, clip=box)
    return Image.open(path).convert("RGB"), box


def has_colour(image: Image.Image, colour: tuple[int, int, int], left: float, right: float) -> bool:
    """Return whether a pixel of nearly this colour lies between these shares of the width."""
    width, height = image.size
    return any(
        all(abs(part - wanted) <= 24 for part, wanted in zip(image.getpixel((x, y)), colour, strict=True))
        for x in range(round(left), round(right))
        for y in range(height)
        if 0 <= x < width
    )


GREEN = (0x2F, 0x8F, 0x5B)


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


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")


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
    assert "from=" in await field.input_value()
    await page.get_by_role("button", name="Copy link to the present").click()
    await expect(page.get_by_label("Link to copy")).not_to_have_value(re.compile("from="))


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


@asynccontextmanager
async def phone(browser: Browser, *, script: bool = True) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport={"width": PHONE, "height": 640},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
        java_script_enabled=script,
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    yield page
    await context.close()
    assert complaints == []


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
    await page.locator(".series a.to-chart").first.click()
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
            "async ([url, values, unit, band, zero]) => (await import(url.replace('view.js', 'scale.js')))"
            ".scaleOf(...values, unit, band, zero)",
            [await module(page), values, unit, band, from_zero],
        )
        assert made == pytest.approx([wanted.low, wanted.high])
    lengths = [0, 1, 59, 61, 3600, 7800, 86_400, 90_061, 180_000]
    made = await page.evaluate(
        "async ([url, all]) => { const { duration } = await import(url.replace('view.js', 'words.js'));"
        " return all.map(duration); }",
        [await module(page), lengths],
    )
    assert made == [precise_duration(timedelta(seconds=each)) for each in lengths]
    values = [(18.94, "Temperature"), (-0.04, "Temperature"), (1011.4, "Pressure"), (0.4, "Light intensity")]
    made = await page.evaluate(
        "async ([url, all]) => { const { shown } = await import(url.replace('view.js', 'scale.js'));"
        " return all.map(([value, quantity, decimals]) => shown(value, { quantity, decimals })); }",
        [await module(page), [(value, quantity, decimals_of(quantity)) for value, quantity in values]],
    )
    assert made == [shown(value, quantity) for value, quantity in values]
