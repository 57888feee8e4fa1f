"""The overview of a kit in a browser: values that age, on a phone and on a desk."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from chart_helpers import heard_at, make_chart_kit, measure
from playwright.async_api import expect
from web_helpers import CHROMIUM, app_of

from hortus.http.server.server import bind, serving

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

_CONTRAST = """(element) => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let card = element;
  while (getComputedStyle(card).backgroundColor === "rgba(0, 0, 0, 0)") card = card.parentElement;
  let opacity = 1;
  for (let each = element; each; each = each.parentElement) opacity *= getComputedStyle(each).opacity;
  const [one, other] = [light(getComputedStyle(element).color), light(getComputedStyle(card).backgroundColor)];
  return opacity < 1 ? 0 : (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scripts", [True, False], ids=["with script", "without"])
async def test_values_of_a_kit_that_stops_say_from_when_they_are(engine, database_url, browser, width, scripts):
    kit = await make_chart_kit(engine, "Air", "Bench")
    begun = datetime.now(UTC).replace(microsecond=0)
    await measure(database_url, kit, [(begun - timedelta(seconds=2), 21.25)])
    await measure(database_url, kit, [(begun - timedelta(seconds=2), 19.0)], name="Bench")
    await heard_at(engine, kit, begun)
    passed = [timedelta()]
    listener = bind("127.0.0.1", 0)
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, java_script_enabled=scripts, color_scheme="light"
    )
    page = await context.new_page()
    async with serving(app_of(engine, clock=lambda: begun + passed[0]), listener):
        await page.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/kits/{kit.serial}")
        lines = page.locator(".reading-line")
        await expect(lines).to_have_count(2)
        await expect(lines.first).to_contain_text("21.2")
        await expect(page.locator(".reading-line .old")).to_have_count(0)
        # docs/series.md: stale after ten intervals of 60 s and a minute.
        passed[0] = timedelta(minutes=10, seconds=30)
        if not scripts:
            await page.reload()
        await expect(page.locator(".badge", has_text="Offline")).to_be_visible()
        await expect(page.locator(".reading-line .old")).to_have_count(0)
        passed[0] = timedelta(minutes=11, seconds=30)
        if not scripts:
            await page.reload()
        await expect(page.locator(".reading-line .old")).to_have_count(2)
        await expect(lines.first).to_contain_text("21.2")
        await expect(lines.first.locator("[data-sign=clock]")).to_be_visible()
        await expect(lines.first).to_contain_text(re.compile(r"as of \d\d:\d\d · 11 min ago"))
        for part in (".value", ".age", ".unit"):
            assert await lines.first.locator(part).first.evaluate(_CONTRAST) >= 4.5
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) <= 0 if scripts else True
    await context.close()


async def test_a_reading_appears_by_itself_and_keeps_the_focus(engine, database_url, page):
    kit = await make_chart_kit(engine)
    await measure(database_url, kit, [(datetime.now(UTC), 21.25)])
    listener = bind("127.0.0.1", 0)
    async with serving(app_of(engine), listener):
        await page.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/kits/{kit.serial}")
        link = page.locator(".reading-line a")
        await link.focus()
        await measure(database_url, kit, [(datetime.now(UTC), 23.75)])
        await expect(page.locator(".reading-line .value")).to_have_text("23.8")
        await expect(link).to_be_focused()
        # One tap leads from a number to its curve.
        await expect(link).to_have_attribute("href", f"/kits/{kit.serial}/charts?of=Air&quantity=1")
