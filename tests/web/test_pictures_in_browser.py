"""The pictures of a kit in Debian's Chromium: the time-lapse, taking one, deleting some."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text
from test_pictures import add_picture
from test_pictures_page import add_camera, commands, somebody_sends
from web_helpers import CHROMIUM, PASSWORD, PATIENCE_MS, app_of, make_kit, make_user

from hortus.domain.media.objects import MediaObjects
from hortus.http.server.server import bind, serving

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

WIDTHS = pytest.mark.parametrize("width", [360, 1400])
LAPSE = "/pictures/lapse?every=hour&from={day}&to={day}"


@pytest.fixture
async def kit(own_engine):
    """A kit with a camera, and an administrator."""
    async with own_engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        await make_user(connection, "root", is_admin=True)
    await add_camera(own_engine, kit)
    return kit


@pytest.fixture
async def site(own_engine, kit, tmp_path: Path) -> AsyncIterator[str]:
    """Pictures of yesterday at 1, 2 and 4 o'clock, served."""
    objects = MediaObjects.in_folder(tmp_path / "media")
    now = datetime.now(UTC)
    for hour in (1, 2, 4):
        at = yesterday() + timedelta(hours=hour, minutes=10)
        await add_picture(own_engine, objects, kit, age=now - at)
    listener = bind("127.0.0.1", 0)
    async with serving(app_of(own_engine, media_objects=objects), listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def yesterday() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


@asynccontextmanager
async def opened(
    browser: Browser, site: str, path: str, width: int, *, script: bool = True
) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=script)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(f"{site}/login")
    await page.locator("#username").fill("root")
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site}/")
    await page.goto(site + path)
    yield page
    await context.close()
    assert complaints == []


def lapse_of(kit) -> str:
    return f"/kits/{kit.serial}" + LAPSE.format(day=yesterday().date())


@WIDTHS
async def test_keys_step_play_and_pause(kit, site, browser, width):
    async with opened(browser, site, lapse_of(kit), width) as page:
        await expect(page.locator("#lapse")).to_have_attribute("data-state", "ready")
        count, stages = page.locator("#count"), page.locator("#stages")
        frame = page.locator('[data-part="first"]')
        await stages.focus()
        for key, number in (("ArrowRight", 2), ("ArrowRight", 3), ("End", 4), ("ArrowLeft", 3), ("Home", 1)):
            await page.keyboard.press(key)
            await expect(count).to_have_text(f"Frame {number} of 4")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowRight")
        await expect(frame.get_by_text("No picture")).to_be_visible()
        await expect(frame.locator("img")).to_be_hidden()
        await expect(frame.locator("time")).to_contain_text("03:00")
        await page.keyboard.press("Home")
        await page.keyboard.press(" ")
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        await expect(count).to_have_text("Frame 4 of 4")
        await expect(page.get_by_role("button", name="Play")).to_be_visible()
        await expect(frame.locator("img")).to_be_visible()
        assert (
            await frame.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 400
        )
        await expect(page.locator("#position")).to_have_attribute(
            "aria-valuetext", await frame.locator("time").inner_text()
        )
        assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_keys_do_nothing_without_the_focus(kit, site, browser):
    async with opened(browser, site, lapse_of(kit), 1400) as page:
        await expect(page.locator("#lapse")).to_have_attribute("data-state", "ready")
        await page.keyboard.press("End")
        await expect(page.locator("#count")).to_have_text("Frame 1 of 4")


async def test_two_frames_are_compared_side_by_side_or_with_a_divider(kit, site, browser):
    async with opened(browser, site, lapse_of(kit) + "&i=0&beside=3", 1400) as page:
        first, second = page.locator('[data-part="first"]'), page.locator('[data-part="second"]')
        one, other = await first.bounding_box(), await second.bounding_box()
        assert one
        assert other
        assert one["x"] + one["width"] <= other["x"]
        await page.get_by_role("button", name="Lay over each other").click()
        await expect(page.locator("#divide")).to_be_visible()
        one, other = await first.bounding_box(), await second.bounding_box()
        assert one
        assert other
        assert one["x"] == other["x"]
        await page.locator("#divider").focus()
        await page.keyboard.press("Home")
        assert await second.evaluate("figure => figure.style.clipPath") == "inset(0px 0px 0px 0%)"


@WIDTHS
async def test_without_script_frames_are_links(kit, site, browser, width):
    async with opened(browser, site, lapse_of(kit), width, script=False) as page:
        await page.get_by_role("link", name="Next frame").click()
        await page.get_by_role("link", name="Next frame").click()
        await expect(page.get_by_text("Frame 3 of 4")).to_be_visible()
        await expect(page.locator('[data-part="first"]').get_by_text("No picture")).to_be_visible()
        await page.get_by_role("link", name="Previous frame").click()
        await expect(page.get_by_text("Frame 2 of 4")).to_be_visible()
        await page.get_by_text("All frames").click()
        await page.locator("#frames a").last.click()
        await expect(page.get_by_text("Frame 4 of 4")).to_be_visible()
        await expect(page.locator("#player")).to_be_hidden()


async def update(engine, changes: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE kit_commands SET {changes}"))


@WIDTHS
async def test_a_picture_is_asked_for_once_and_appears(own_engine, kit, site, browser, width):
    await somebody_sends(own_engine)
    async with opened(browser, site, f"/kits/{kit.serial}/pictures", width) as page:
        await page.get_by_role("button", name="Take a picture").dblclick(no_wait_after=True)
        await expect(page.get_by_text("Waiting for its turn")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("Waiting for its turn")).to_be_visible()
        ((number, camera, _),) = await commands(own_engine)
        assert camera == "Eye"
        await update(own_engine, "state = 'sent', sent_at = now(), answer_by = now() + interval '30 s'")
        await expect(page.get_by_text("It takes up to 30 s.")).to_be_visible()
        async with own_engine.begin() as connection:
            await connection.execute(_RESULT, {"id": number, "data": _PICTURE})
        await update(
            own_engine,
            "state = 'succeeded', finished_at = now(), result_media_type = 'image/gif', result_bytes = 43",
        )
        image = page.get_by_role("img", name="The picture that Eye has just taken")
        await expect(image).to_be_visible()
        assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
        assert len(await commands(own_engine)) == 1


async def test_without_script_the_page_waits_for_the_answer_too(own_engine, kit, site, browser):
    await somebody_sends(own_engine)
    async with opened(browser, site, f"/kits/{kit.serial}/pictures", 360, script=False) as page:
        await page.get_by_role("button", name="Take a picture").click()
        await expect(page.get_by_text("Waiting for its turn")).to_be_visible()
        await update(own_engine, "state = 'failed', error = 'KitOffline', finished_at = now()")
        await expect(page.get_by_text("The kit is offline, so it was not asked.")).to_be_visible()
        assert len(await commands(own_engine)) == 1


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_ticked_pictures_are_deleted_after_a_question(own_engine, kit, site, browser, script):
    async with opened(browser, site, f"/kits/{kit.serial}/pictures", 360, script=script) as page:
        ticks = page.get_by_role("checkbox")
        await expect(ticks).to_have_count(3)
        for index in (0, 2):
            await ticks.nth(index).check()
        await page.get_by_role("button", name="Delete the ticked pictures").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 pictures?")
        await page.get_by_role("button", name="Delete 2 pictures").click()
        await expect(page.get_by_text("The pictures were deleted.")).to_be_visible()
        await expect(ticks).to_have_count(1)


_RESULT = text("INSERT INTO kit_command_results (command_id, part, data) VALUES (:id, 0, :data)")
_PICTURE = bytes.fromhex(
    "47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b"
)
