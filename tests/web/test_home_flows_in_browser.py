"""What a grower does on Home and with alerts, in Debian's Chromium, on a phone and on a wide screen."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from page_visits import tab_of
from playwright.async_api import expect
from sqlalchemy import text
from web_helpers import (
    CHROMIUM,
    PASSWORD,
    add_readings,
    make_kit,
    make_member,
    make_user,
    site_of,
)

from hortus.domain.plants.links import MeasuringSource, link_plant
from hortus.domain.plants.store import create_plant

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

WIDTHS = [360, 1400]
# A phone with a small screen, without the bar of its browser.
HEIGHT = 640


@pytest.fixture
async def trouble(engine, database_url):
    """Ada's lettuce is too cold, another kit of hers is silent, and the third, first by name, is well."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        ada = await make_user(connection, "ada")
        kits = [await make_kit(connection, name) for name in ("Basil", "Chillies", "Lettuce in the cellar")]
        for kit in kits:
            await make_member(connection, ada, kit)
        plant_id = await create_plant(connection, ada.id, name="Lettuce", species_id=1)
        source = MeasuringSource(kit_id=kits[2].id)
        await link_plant(connection, plant_id, source, since=now - timedelta(days=2), now=now)
        alert_id = await connection.scalar(
            text(
                "INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, value, minimum,"
                " maximum, began_at) VALUES ('range', :plant, 1, :kit, 'low', 16.5, 18, 27, :began)"
                " RETURNING id"
            ),
            {"plant": plant_id, "kit": kits[2].id, "began": now - timedelta(hours=2, minutes=10)},
        )
    await add_readings(database_url, kits[0], [(now - timedelta(seconds=3), 21.0)])
    await add_readings(database_url, kits[1], [(now - timedelta(minutes=41), 19.0)])
    await add_readings(database_url, kits[2], [(now - timedelta(seconds=3), 13.6)])
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE kit_last_seen SET datetime_last_seen = :at WHERE kit_id = :kit"),
            {"kit": kits[1].id, "at": now - timedelta(minutes=41)},
        )
        await connection.execute(
            text(
                "UPDATE peripherals SET configuration = "
                """'{"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}}'"""
            )
        )
    return {"alert": alert_id, "plant": plant_id, "kits": kits}


async def log_in_at(page, site, path="/"):
    await page.goto(f"{site}{path}")
    if path == "/":
        await page.goto(f"{site}/login")
    await page.locator("#username").fill("ada")
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site}{path}")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_what_is_wrong_comes_first_and_is_above_the_fold(engine, browser, trouble, width, script):
    page = await tab_of(browser, width=width, java_script_enabled=script)
    await page.set_viewport_size({"width": width, "height": HEIGHT})
    async with site_of(engine) as site:
        await log_in_at(page, site)
        assert await page.title() == "(1) Home · Hortus"
        needs = page.locator(".needs li")
        await expect(page.get_by_role("heading", name="2 things need you")).to_be_visible()
        await expect(needs).to_have_count(2)
        await expect(needs.nth(0)).to_contain_text("Lettuce")
        await expect(needs.nth(0)).to_contain_text("2 h 10 min")
        await expect(needs.nth(1)).to_contain_text("Chillies")
        await expect(needs.nth(1)).to_contain_text("silent for 41 min")
        for each in (needs.nth(0), needs.nth(1)):
            box = await each.bounding_box()
            # Above the bar at the bottom of a phone.
            assert box["y"] + box["height"] <= HEIGHT - 56
        names = await page.locator(".kit h3").all_text_contents()
        assert names == ["Chillies", "Lettuce in the cellar", "Basil"]


@pytest.mark.parametrize("width", WIDTHS)
async def test_values_of_a_stopped_kit_say_as_of_when_and_stay_readable(engine, browser, trouble, width):
    page = await tab_of(browser, width=width)
    async with site_of(engine) as site:
        await log_in_at(page, site)
        kit = page.locator(f"#kit-{trouble['kits'][1].serial}")
        await expect(kit.locator(".reading.old")).to_contain_text("19.0")
        await expect(kit.locator(".reading.old .age")).to_contain_text("as of 41 min ago")
        for part in (".reading", ".reading .value"):
            opacity = await kit.locator(part).first.evaluate("(each) => getComputedStyle(each).opacity")
            assert opacity == "1"
        await expect(page.locator(".reading.old")).to_have_count(1)


@pytest.mark.parametrize("width", WIDTHS)
async def test_without_network_ages_go_on_and_with_it_everything_is_right_again(
    engine, browser, database_url, trouble, width
):
    page = await tab_of(browser, width=width)
    await page.clock.install()
    kit = trouble["kits"][0]
    async with site_of(engine) as site:
        await log_in_at(page, site)
        live, shown = page.locator("#live"), page.locator(f"#kit-{kit.serial} .reading")
        await expect(live).to_have_attribute("data-state", "live")
        await page.context.set_offline(True)
        await page.clock.run_for(6_000)
        await expect(live).to_contain_text("No connection since")
        before = await shown.locator("time").text_content()
        await page.clock.run_for(60_000)
        await expect(shown.locator("time")).not_to_have_text(before)
        await expect(shown).to_contain_text("min ago")
        await add_readings(database_url, kit, [(datetime.now(UTC), 22.5)])
        await page.context.set_offline(False)
        await page.clock.run_for(5_000)
        await expect(live).to_have_attribute("data-state", "live")
        await expect(shown.locator(".value")).to_have_text("22.5")


async def test_without_script_the_page_asks_to_be_loaded_again(engine, browser, trouble):
    page = await tab_of(browser, width=360, java_script_enabled=False)
    async with site_of(engine) as site:
        await log_in_at(page, site)
        assert await page.locator("meta[http-equiv=refresh]").get_attribute("content") == "10"
        await expect(page.locator(".reading time").first).to_have_attribute("title", re.compile("UTC"))


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_a_link_in_a_mail_leads_by_log_in_to_one_tap_that_can_be_undone(
    engine, browser, trouble, width, script
):
    page = await tab_of(browser, width=width, java_script_enabled=script)

    async def seen_at():
        async with engine.connect() as connection:
            return await connection.scalar(
                text("SELECT seen_at FROM alerts WHERE id = :id"), {"id": trouble["alert"]}
            )

    async with site_of(engine) as site:
        await log_in_at(page, site, f"/alerts/{trouble['alert']}")
        await expect(page.get_by_role("heading", name="Lettuce")).to_be_visible()
        await expect(page.get_by_text("It is too cold.")).to_be_visible()
        await page.get_by_role("button", name="Seen").click()
        await expect(page.get_by_role("status").filter(has_text="Reminders stopped")).to_be_visible()
        assert await seen_at() is not None
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_role("status").filter(has_text="Reminders go on")).to_be_visible()
        assert await seen_at() is None
        await page.locator("#to-plant").click()
        await page.get_by_role("button", name="Seen").click()
        await expect(page.get_by_role("status").filter(has_text="Reminders stopped")).to_be_visible()
        assert await seen_at() is not None


@pytest.mark.parametrize("width", WIDTHS)
async def test_an_alert_that_opens_or_is_seen_elsewhere_changes_header_and_title(
    engine, browser, trouble, width
):
    page = await tab_of(browser, width=width)
    await page.clock.install()
    async with site_of(engine) as site:
        await log_in_at(page, site)
        count = page.locator("[data-open-alerts]:visible")
        await expect(count).to_have_text(" (1)")
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alerts SET seen_at = now()"))
        await page.clock.run_for(6_000)
        await expect(page.locator(".needs li")).to_have_count(1)
        await expect(page).to_have_title("Home · Hortus")
        assert "icon.svg" in await page.locator("link[rel=icon]").get_attribute("href")
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alerts SET seen_at = NULL"))
        await page.clock.run_for(6_000)
        await expect(page).to_have_title("(1) Home · Hortus")
        await expect(count).to_have_text(" (1)")


async def test_the_table_is_sorted_by_a_quantity_and_keeps_its_order_while_it_renews(
    engine, browser, database_url, trouble
):
    page = await tab_of(browser, width=1400)
    await page.clock.install()
    names = page.locator("tbody th a")
    async with site_of(engine) as site:
        await log_in_at(page, site)
        await page.locator("#view-table").click()
        await page.locator("#sort-q1").click()
        assert await names.all_text_contents() == ["Lettuce in the cellar", "Chillies", "Basil"]
        await add_readings(database_url, trouble["kits"][2], [(datetime.now(UTC), 25.0)])
        await page.clock.run_for(6_000)
        await expect(page.locator("tbody tr").first).to_contain_text("25.0")
        assert await names.all_text_contents() == ["Lettuce in the cellar", "Chillies", "Basil"]
        await page.locator("#sort-q1").click()
        await expect(page.locator("th[aria-sort=descending]")).to_contain_text("Temperature")
        assert await names.all_text_contents() == ["Lettuce in the cellar", "Basil", "Chillies"]
