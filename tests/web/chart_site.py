"""A served kit with charts, and what a person does with them in a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chart_helpers import HUMIDITY, ChartKit, every_minute, make_chart_kit, measure, series_id
from PIL import Image
from playwright.async_api import Browser, Page, expect
from web_helpers import PATIENCE_MS

from live_world import live_world
from waiting import PATIENCE_SECONDS

PHONE, DESK = 360, 1400
WIDTHS = pytest.mark.parametrize("width", [PHONE, DESK])
FIXED = re.compile("[?&]from=.*&to=")
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


async def opened(page: Page, site: Site, width: int, query: str = "") -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(site.address(query))
    await expect(page.locator("#charts")).to_have_attribute("data-state", "ready")


async def view(page: Page) -> tuple[float, float]:
    """Return the shown range, as the first panel's scale has it, in seconds."""
    text = await page.evaluate(
        "async (url) => { const { view } = (await import(url)).modules.view; return [view.from, view.to]; }",
        await module(page),
    )
    return text[0], text[1]


async def box_of(page: Page, index: int = 0) -> dict[str, float]:
    over = page.locator(".u-over").nth(index)
    await over.scroll_into_view_if_needed()
    box = await over.bounding_box()
    assert box is not None
    return dict(box)


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
    """Return the address of the script, whose modules a test may look into."""
    address = await page.locator("script[type=module]").get_attribute("src")
    assert address
    return address


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


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")


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
