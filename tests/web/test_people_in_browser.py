"""Members, invitations and one's account in Debian's Chromium, on a phone and on a desk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect
from sqlalchemy import text
from web_helpers import CHROMIUM, PASSWORD, PATIENCE_MS, add_readings, make_kit, make_user

from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.delivery import DeliveryLimits, MessageDelivery
from hortus.domain.messages.sealing import Seal
from live_world import TOKEN_KEY, live_world
from mail_server import mail_server

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

WIDTHS = pytest.mark.parametrize("width", [360, 1400])
QUICK = DeliveryLimits(first_pause_seconds=0.02, longest_pause_seconds=0.05, poll_seconds=0.02)


@asynccontextmanager
async def person_at(browser: Browser, site: str, name: str, width: int) -> AsyncIterator[Page]:
    """A browser of its own in which this person has logged in."""
    context: BrowserContext = await browser.new_context(viewport={"width": width, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{site}/login")
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Log in").click()
    await expect(page).to_have_url(f"{site}/")
    yield page
    await context.close()


async def members_world(engine):
    """A private kit with ada, who has full access, and bob."""
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        for name, full in (("ada", True), ("bob", False)):
            user = await make_user(connection, name)
            await connection.execute(
                text(
                    "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, "
                    "access_configure) VALUES (:user, :kit, now(), :full, :full)"
                ),
                {"user": user.id, "kit": kit.id, "full": full},
            )
    return kit


@WIDTHS
async def test_members_are_raised_lowered_and_removed_and_the_removed_one_is_told(database_url, browser, width):
    async with live_world(database_url) as world:
        site, kit = f"http://127.0.0.1:{world.port}", await members_world(world.parts.engine)
        await add_readings(database_url, kit, [(datetime.now(UTC) - timedelta(seconds=9), 21.5)])
        async with (
            person_at(browser, site, "ada", width) as ada,
            person_at(browser, site, "bob", width) as bob,
        ):
            await bob.goto(f"{site}/kits/{kit.serial}/charts")
            await ada.goto(f"{site}/kits/{kit.serial}/members")
            await expect(ada.get_by_text("You are the only member with full access")).to_be_visible()
            row = ada.locator("li", has_text="bob")
            for level in ("Full access", "Can configure"):
                await row.get_by_label(level).check()
                await row.get_by_role("button", name="Save level of bob").click()
                await expect(ada.get_by_text("The level of access has been changed.")).to_be_visible()
                await expect(row.get_by_label(level)).to_be_checked()
            await row.get_by_role("link", name="Remove bob").click()
            dialog = ada.get_by_role("dialog")
            await expect(dialog).to_contain_text("bob no longer sees Basil")
            await dialog.get_by_role("button", name="Remove bob").click()
            await expect(ada.get_by_text("Removed from the members.")).to_be_visible()
            await expect(ada.locator("li", has_text="bob")).to_have_count(0)
            # Pages ask every 15 s.
            await expect(bob.get_by_role("alert")).to_contain_text("You no longer see this kit", timeout=30_000)
            await world.store(kit, 99.5)
            answer = await bob.request.get(f"{site}/kits/{kit.serial}/points.json?series=1")
            assert answer.status == 404
            assert "99.5" not in await bob.content()


@WIDTHS
async def test_an_invitation_by_link_leads_a_person_without_an_account_to_the_kit(database_url, browser, width):
    async with live_world(database_url) as world:
        site, kit = f"http://127.0.0.1:{world.port}", await members_world(world.parts.engine)
        async with person_at(browser, site, "ada", width) as ada:
            await ada.goto(f"{site}/kits/{kit.serial}/members")
            await ada.get_by_role("link", name="Invite by link").click()
            await ada.get_by_label("How many people").fill("2")
            await ada.get_by_role("button", name="Make link").click()
            link = await ada.locator(".secret code").inner_text()
            assert re.fullmatch(re.escape(site) + r"/invitations/[\w-]{43}", link)
        context = await browser.new_context(viewport={"width": width, "height": 900})
        page = await context.new_page()
        await page.goto(link)
        await expect(page.get_by_role("heading", name="Invitation to Basil")).to_be_visible()
        await page.get_by_label("User name").fill("Flora")
        await page.get_by_label("Email address").fill("flora@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Create account and accept").click()
        await page.wait_for_url(lambda address: "/invitations/" not in address)
        answer = await page.request.get(f"{site}/kits/{kit.serial}/members")
        assert (answer.status, "Flora" in await answer.text()) == (200, True)
        await context.close()


@WIDTHS
async def test_a_key_works_until_it_is_deleted_and_all_others_are_logged_out(database_url, browser, width):
    async with live_world(database_url) as world:
        site, kit = f"http://127.0.0.1:{world.port}", await members_world(world.parts.engine)
        async with (
            person_at(browser, site, "ada", width) as page,
            person_at(browser, site, "ada", width) as second,
            httpx.AsyncClient(base_url=f"{site}/api") as program,
        ):
            await page.goto(f"{site}/account/keys")
            await page.get_by_label("Name", exact=True).fill("Script")
            await page.get_by_role("button", name="Make key").click()
            key = await page.locator(".secret code").inner_text()
            bearer = {"Authorization": f"Bearer {key}"}
            seen = await program.get(f"/kits/{kit.serial}", headers=bearer)
            assert (seen.status_code, seen.json()["serial"]) == (200, kit.serial)
            await page.goto(f"{site}/account/keys")
            await expect(page.get_by_text(key)).to_have_count(0)
            await page.get_by_role("link", name="Delete key Script").click()
            await page.get_by_role("dialog").get_by_role("button", name="Delete key").click()
            await expect(page.get_by_text("No keys yet.")).to_be_visible()
            assert (await program.get(f"/kits/{kit.serial}", headers=bearer)).status_code == 401

            await page.goto(f"{site}/account/sessions")
            await page.get_by_role("button", name="End all others").click()
            await expect(page.get_by_text("You are logged in nowhere else.")).to_be_visible()
            # Its open home page asks every two seconds.
            await expect(second.get_by_role("main").get_by_text("Basil")).to_have_count(0)
            await second.goto(f"{site}/account")
            await expect(second).to_have_url(f"{site}/login?next=/account")


@WIDTHS
async def test_a_test_message_tells_what_the_mail_server_said(database_url, browser, width, tmp_path: Path):
    seal = Seal(TOKEN_KEY)
    async with mail_server(tmp_path) as mail:
        access = MessageAccess(seal=seal, mail=mail.account())
        async with live_world(database_url, message_access=access) as world:
            site = f"http://127.0.0.1:{world.port}"
            await members_world(world.parts.engine)
            delivery = MessageDelivery(world.parts.engine, seal, access.carriers(), limits=QUICK)
            task = asyncio.create_task(delivery.run())
            async with person_at(browser, site, "ada", width) as page:
                await page.goto(f"{site}/account/notifications")
                result = page.locator("#ways-list [data-result]")
                send = page.get_by_role("button", name="Send a test by Email")
                await send.click()
                await expect(result).to_have_text(re.compile(r"Accepted by the mail server \d\d:\d\d(:\d\d)?$"))
                assert [mail_.get("Subject") for mail_ in mail.mails] == ["Test message"]
                mail.refusal = "554 no such garden"
                await send.click()
                await expect(result).to_contain_text("554 no such garden")
                assert "elivered" not in await page.content()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_what_people_choose_is_what_the_browser_shows(database_url, browser):
    async with live_world(database_url) as world:
        site = f"http://127.0.0.1:{world.port}"
        await members_world(world.parts.engine)
        async with person_at(browser, site, "ada", 1400) as page:
            await page.goto(f"{site}/account")
            await page.get_by_label("Dark").check()
            await page.get_by_label("Keyboard shortcuts").uncheck()
            await page.get_by_role("button", name="Save choices").click()
            await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
            ground = "getComputedStyle(document.body).backgroundColor"
            assert await page.evaluate(ground) == "rgb(18, 23, 19)"
            await page.keyboard.press("Control+k")
            await expect(page.get_by_role("dialog")).to_have_count(0)
