"""The script of charts knows days of the kit's zone, and shows several kits, as the server does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from chart_helpers import every_minute, make_chart_kit, measure, series_id
from chart_site import DESK, WIDTHS, Site, module, opened, served, until, view
from playwright.async_api import expect
from web_helpers import CHROMIUM

from hortus.base.time_zones import day_start

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

DAYS = {
    "Europe/Amsterdam": [date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 1)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],
    # Clocks go from midnight to one o'clock.
    "America/Santiago": [date(2026, 9, 6), date(2026, 4, 5)],
    "Asia/Kathmandu": [date(2026, 6, 1)],
}


@pytest.fixture
async def site(database_url):
    async with served(database_url) as site:
        yield site


async def set_zone(site: Site, zone: str) -> None:
    connection = await asyncpg.connect(site.database_url)
    await connection.execute("UPDATE kits SET time_zone = $1", zone)
    await connection.close()


async def test_the_script_knows_where_local_days_and_weeks_begin(site, page):
    for name, days in DAYS.items():
        zone = ZoneInfo(name)
        await set_zone(site, name)
        await opened(page, site, DESK)
        moments, wanted = [], []
        for day in days:
            start, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
            monday = day_start(day - timedelta(days=day.weekday()), zone)
            for moment in (
                start,
                start + timedelta(minutes=90),
                start + (end - start) / 2,
                end - timedelta(seconds=1),
            ):
                moments.append(moment.timestamp())
                wanted.append([start.timestamp(), monday.timestamp()])
        made = await page.evaluate(
            "async ([url, moments]) => { const { dayStart } = (await import(url)).modules.view;"
            " return moments.map((moment) => [dayStart(moment), dayStart(moment, true)]); }",
            [await module(page), moments],
        )
        assert made == wanted, name


@WIDTHS
async def test_today_begins_at_the_midnight_of_the_kit_and_back_returns(site, page, width):
    zone = ZoneInfo("Australia/Lord_Howe")
    await set_zone(site, "Australia/Lord_Howe")
    await opened(page, site, width, "?r=6h")
    today = page.locator(".ranges a", has_text="Today")
    await today.click()

    async def begins_at_midnight() -> bool:
        start, end = await view(page)
        midnight = day_start(datetime.fromtimestamp(end, UTC).astimezone(zone).date(), zone).timestamp()
        return abs(start - midnight) <= 1

    await until(begins_at_midnight)
    await expect(today).to_have_attribute("aria-current", "")
    assert "r=today" in page.url
    await page.go_back()

    async def has_six_hours() -> bool:
        start, end = await view(page)
        return abs(end - start - 6 * 3600) <= 1

    await until(has_six_hours)


@WIDTHS
async def test_readings_of_several_kits_arrive_on_one_page(site, page, width):
    engine = site.world.parts.engine
    other = await make_chart_kit(engine, "Air", name="Cellar")
    now = datetime.now(UTC)
    await measure(site.database_url, other, every_minute(now - timedelta(minutes=30), 29, value=12.0))
    names = [f"{kit.serial}:{await series_id(engine, kit)}" for kit in (site.kit, other)]
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(f"{site.url}/charts?s={','.join(names)}&r=1h")
    await expect(page.locator("#charts")).to_have_attribute("data-state", "ready")
    await expect(page.locator("figure.panel")).to_have_count(1)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")

    async def newest() -> list[float]:
        return await page.evaluate(
            "async (url) => Array.from((await import(url)).modules.data.held.series.values(),"
            " ({ mean }) => mean.at(-1))",
            await module(page),
        )

    await site.measure(33.5)
    await measure(site.database_url, other, [(datetime.now(UTC), 11.5)])

    async def both() -> bool:
        return await newest() == [33.5, 11.5]

    await until(both)
    # The range and the sensors stay in the address.
    await page.get_by_role("link", name="6 h", exact=True).click()
    assert page.url.endswith(f"/charts?s={','.join(names)}&r=6h")


async def test_the_comparison_of_the_script_is_that_of_the_server(site, page):
    await set_zone(site, "Europe/Amsterdam")
    day_before = [(at - timedelta(days=1), value) for at, value in every_minute(site.start, 600, value=5.0)]
    await measure(site.database_url, site.kit, [(at, 10 + value % 7) for at, value in day_before])
    air = await series_id(site.world.parts.engine, site.kit)
    await opened(page, site, DESK, f"?s={air}&vs=day&r=24h")
    found = await page.evaluate(
        "async ([url, limit]) => { const { held } = (await import(url)).modules.data;"
        " const before = Array.from(held.before.values())[0];"
        # Right at the end of the range, a day before is where the readings of this day begin.
        " const at = before.at.filter((each) => each < limit);"
        " return [at[0], at.at(-1), at.length]; }",
        [await module(page), site.at(1000)],
    )
    assert found[2] > 100
    assert abs(found[0] - site.at(0)) <= 600
    assert abs(found[1] - site.at(600)) <= 600
