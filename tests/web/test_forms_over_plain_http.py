"""Forms work where browsers send no Sec-Fetch-Site: over plain HTTP, under a name of the home network.

There the form's Origin decides whether it is ours, and a page with `Referrer-Policy: no-referrer` has
browsers send `Origin: null`.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from filled_garden import fill
from page_addresses import PATHS
from playwright.async_api import async_playwright, expect
from sqlalchemy import text
from web_helpers import CHROMIUM, PASSWORD, client_of, log_in, make_kit, make_member, make_user, site_of

from conftest import OPTIONS, browser_environment
from hortus.domain.kits.invitations import create_invitation
from hortus.domain.kits.public_links import find_public_link, make_public_link

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"
)


@pytest.fixture
async def page():
    """A tab of a browser that knows this machine as garden.lan."""
    async with async_playwright() as playwright:
        options = [*OPTIONS, "--host-resolver-rules=MAP garden.lan 127.0.0.1"]
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=options, env=browser_environment()
        )
        yield await browser.new_page()
        await browser.close()


@needs_chromium
async def test_an_invitation_is_accepted_and_a_public_page_left(engine, page):
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        owner = await make_user(connection, "ada")
        await make_member(connection, owner, kit)
        await connection.execute(text("UPDATE kit_memberships SET access_super = true"))
        _, token = await create_invitation(
            connection, kit.id, owner.id, access_super=False, access_configure=False, now=now
        )
        await make_public_link(connection, kit.id, now)
        link = await find_public_link(connection, kit.id)
    async with site_of(engine) as site:
        site = site.replace("127.0.0.1", "garden.lan")
        await page.goto(f"{site}/invitations/{token}")
        await page.locator("#username").fill("flora")
        await page.locator("#email_address").fill("flora@example.org")
        await page.locator("#password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Account").locator("summary")).to_contain_text("flora")

        await page.goto(f"{site}/p/{link.code}")
        await page.get_by_label("Account").locator("summary").click()
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("link", name="Log in").first).to_be_visible()


async def test_no_page_keeps_the_origin_of_its_forms_from_us_or_tells_others_its_address(engine, database_url):
    garden = await fill(engine, database_url)
    async with client_of(engine) as client:
        await log_in(client, "root")
        policies = {
            path: (await client.get(path.format(**garden.addresses))).headers["referrer-policy"]
            for path in PATHS
        }
    assert {path: policy for path, policy in policies.items() if policy != "same-origin"} == {}
