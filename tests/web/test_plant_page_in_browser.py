"""From a message about an alert to the button, in Debian's Chromium."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
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

CONCENTRATION = 4

_ALERT = text(
    "INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, value, minimum, maximum,"
    " began_at) VALUES ('range', :plant_id, 1, :kit_id, 'low', 16.5, 18, 27, now())"
)


async def test_a_link_in_a_message_leads_by_log_in_to_the_button(engine, database_url, page):
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Shelf")
        ada = await make_user(connection, "ada")
        await make_member(connection, ada, kit)
        plant_id = await create_plant(connection, ada.id, name="Monty " + "x" * 60, species_id=1)
        await link_plant(
            connection, plant_id, MeasuringSource(kit_id=kit.id), since=now - timedelta(hours=1), now=now
        )
        await connection.execute(_ALERT, {"plant_id": plant_id, "kit_id": kit.id})
    await add_readings(database_url, kit, [(now, 16.25)])
    await page.set_viewport_size({"width": 375, "height": 812})
    async with site_of(engine) as site:
        await page.goto(f"{site}/plants/{plant_id}")
        await page.get_by_label("User name").fill("ada")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Monty")).to_be_visible()
        await expect(page.get_by_text("It is too cold.")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") == 375

        await page.get_by_role("button", name="Seen").click()
        await expect(page.get_by_role("button", name="Seen")).to_have_count(0)
        await expect(page.get_by_text("Open for").first).to_be_visible()

        # The page refreshes itself.
        await add_readings(database_url, kit, [(datetime.now(UTC), 22.5)])
        await expect(page.locator(".does")).to_contain_text("No recent readings")
        await page.get_by_role("link", name="Plants").first.click()
        await page.get_by_role("link", name="Monty").click()
        await expect(page).to_have_url(f"{site}/plants/{plant_id}")


async def test_words_of_built_in_quantities_are_not_broken_on_the_cards(engine, database_url, page):
    # Three cards side by side are the narrowest.
    async with engine.begin() as connection:
        kits = [await make_kit(connection, name, public=True) for name in ("One", "Two", "Three")]
    gas_meter = replace(kits[0].peripherals[0], quantity_types=(CONCENTRATION,))
    kit = replace(kits[0], peripherals=(gas_meter,))
    await add_readings(database_url, kit, [(datetime.now(UTC), 404.0)])
    async with site_of(engine) as site:
        for width in (1200, 375, 320):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.goto(site)
            name = page.locator(".quantity").filter(has_text="Concentration")
            lines = await name.evaluate(
                "cell => { const word = document.createRange(); word.selectNodeContents(cell.firstChild);"
                " return word.getClientRects().length; }"
            )
            assert (width, lines) == (width, 1)
