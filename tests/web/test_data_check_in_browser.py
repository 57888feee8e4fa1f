"""The data check while messages arrive, in Debian's Chromium, also without script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text
from web_helpers import CHROMIUM, PASSWORD, PATIENCE_MS, app_of, make_user

from hortus.http.server.server import bind, serving
from ingest_world import World, now_ms

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

WIDTHS = pytest.mark.parametrize("width", [360, 1400])


class Clock:
    """The present, unless a test moves it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def site(world: World, clock: Clock) -> AsyncIterator[str]:
    async with world.engine.begin() as connection:
        cora = await make_user(connection, "cora")
        await connection.execute(
            text(
                "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super,"
                " access_configure) VALUES (:user, :kit, now(), false, true)"
            ),
            {"user": cora.id, "kit": world.kit.id},
        )
    listener = bind("127.0.0.1", 0)
    async with serving(app_of(world.engine, clock=clock), listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def tab(browser: Browser, width: int, *, script: bool) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=script)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    await context.close()


async def opened(page: Page, site: str, world: World) -> None:
    await page.goto(f"{site}/login?next=/kits/{world.kit.serial}/data-check")
    await page.locator("#username").fill("cora")
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Data check")


async def shown(page: Page) -> list[int]:
    """Return arrived, stored, repeats, set aside and refused as the page writes them."""
    sentence = await page.locator("[data-equation]").inner_text()
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", sentence)]
    assert len(numbers) == 5
    return numbers


@asynccontextmanager
async def load(world: World) -> AsyncIterator[None]:
    """Have messages arrive all the time: some new, some repeated, some that cannot be stored."""

    async def send() -> None:
        while True:
            reading = world.raw()
            for payload in (reading, reading, world.raw(), b"rubbish"):
                world.offer(payload)
            await world.settled()
            await asyncio.sleep(0.02)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


@WIDTHS
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_the_equation_holds_under_load_and_trying_again_changes_both_sides(
    world: World, site: str, clock: Clock, browser: Browser, width: int, script: bool
) -> None:
    await world.send(world.raw(datetime_ms=now_ms() + 30 * 60_000))
    async with tab(browser, width, script=script) as page:
        await opened(page, site, world)
        seen: list[list[int]] = []
        async with load(world):
            # With script the counts renew themselves; without, one loads the page again.
            async with asyncio.timeout(PATIENCE_MS / 1000):
                while len(seen) < 4:
                    if not script:
                        await page.reload()
                    numbers = await shown(page)
                    assert numbers[0] == sum(numbers[1:])
                    if numbers not in seen:
                        seen.append(numbers)
                    await asyncio.sleep(0.1)
            assert seen == sorted(seen)
            assert all(number > 0 for number in seen[-1][:4])
        await world.settled()
        await page.reload()
        before = await shown(page)
        clock.ahead = timedelta(hours=1)
        await page.get_by_role("link", name="Time in the future (1)").click()
        await page.get_by_role("button", name=re.compile("Try message .* again")).click()
        await expect(page.locator("[data-state=tried]")).to_have_text(
            "Tried again: 1 stored, 0 known already, 0 still wrong."
        )
        after = await shown(page)
        assert after == [before[0], before[1] + 1, before[2], before[3] - 1, before[4]]


@WIDTHS
async def test_discarding_asks_in_a_dialog_and_without_script_on_a_page(
    world: World, site: str, browser: Browser, width: int
) -> None:
    await world.send(b"rubbish")
    await world.send(b"more rubbish")
    async with tab(browser, width, script=True) as page:
        await opened(page, site, world)
        discard = page.get_by_role("link", name=re.compile("Discard message")).first
        await discard.click()
        dialog = page.get_by_role("dialog", name="Discard this message?")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(dialog).to_have_count(0)
        await discard.click()
        await dialog.get_by_role("button", name="Discard message").click()
        await expect(page.locator("[data-toast]")).to_contain_text("stays counted")
        await expect(page.locator(".aside-list > li")).to_have_count(1)
        assert await shown(page) == [2, 0, 0, 2, 0]
    async with tab(browser, width, script=False) as page:
        await opened(page, site, world)
        await page.get_by_role("link", name=re.compile("Discard message")).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Discard 1 message?")
        await page.get_by_role("button", name="Discard message").click()
        await expect(page.get_by_text("Nothing is set aside.")).to_be_visible()
        assert await shown(page) == [2, 0, 0, 2, 0]


async def test_what_is_being_read_is_not_replaced(world: World, site: str, browser: Browser) -> None:
    await world.send(world.raw())
    async with tab(browser, 1400, script=True) as page:
        await opened(page, site, world)
        await page.get_by_text("What is this?").click()
        async with page.expect_response(lambda response: "/counts" in response.url and response.status == 200):
            await world.send(world.raw())
        await expect(page.get_by_text("It is in the database.")).to_be_visible()
        assert await shown(page) == [1, 1, 0, 0, 0]
        await page.get_by_text("What is this?").click()
        await page.get_by_role("heading", level=1).click()
        await expect(page.locator("[data-equation]")).to_contain_text("2 arrived")
