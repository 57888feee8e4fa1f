"""The pages of administrators in a browser: a queue that stands still is named, and is well again by itself."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text
from web_helpers import PASSWORD, make_kit, make_user, site_of

from hortus.base.database.url import DatabaseUrl
from programs import environment
from waiting import PATIENCE_SECONDS

_DELETION = text(
    "INSERT INTO queue_media_pending_deletion "
    "(media_id, kit_serial, media_datetime, media_size, created_at, next_attempt_at) "
    "VALUES (:id, 'k-1', now(), 1, now() - interval '11 minutes', now() - interval '11 minutes')"
)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr("hortus.http.monitoring.backlog._ANSWER_SECONDS", PATIENCE_SECONDS)
    # Figures a few seconds old would do, but the test would wait for them.
    monkeypatch.setattr("hortus.http.monitoring.backlog._KEEP_SECONDS", 0.0)


@pytest.fixture
async def garden(own_engine):
    async with own_engine.begin() as connection:
        await make_user(connection, "root", is_admin=True)
        await make_kit(connection, "Basil", public=True)
    return own_engine


@asynccontextmanager
async def jobs_running(engine, media, log):
    """Run `hortus jobs` until the context ends."""
    url = DatabaseUrl.parse(engine.url.render_as_string(hide_password=False)).libpq()
    settings = {"DATABASE_URL": url, "HORTUS_MEDIA_URL": f"file://{media}", "HORTUS_ALLOW_ROOT": "1"}
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hortus", "jobs"), stdout=file, stderr=file, env=environment(**settings)
        )
    try:
        yield
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


async def log_in_as_root(page: Page, site: str) -> None:
    await page.goto(f"{site}/login")
    await page.get_by_role("textbox").first.fill("root")
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site}/")


async def seen_again(page: Page) -> None:
    """Do what the browser does when a tab is shown again, instead of waiting for the next renewal."""
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.parametrize("width", [360, 1400])
async def test_jobs_that_stand_still_are_named_and_are_well_again_by_themselves(
    garden, page, browser, tmp_path, width
):
    media = tmp_path / "media"
    media.mkdir()
    log = tmp_path / "jobs.log"
    await page.set_viewport_size({"width": width, "height": 800})
    async with site_of(garden) as site:
        await log_in_as_root(page, site)
        late = page.get_by_text("Pictures are waiting for deletion.")
        await expect(page.get_by_role("heading", name="Basil")).to_be_visible()
        await expect(late).to_have_count(0)

        # Nothing does the work of a queue whose first item has been due for 11 minutes.
        async with garden.begin() as connection:
            await connection.execute(_DELETION, {"id": uuid4()})
        await expect(late).to_be_visible()
        await expect(page.get_by_text("Since 11 min ago.")).to_be_visible()
        await page.get_by_role("link", name="Queues").click()
        row = page.locator("[data-queue=media-deletion]")
        await expect(row).to_have_attribute("data-state", "late")
        await expect(row).to_contain_text("hortus jobs")
        await expect(row).to_contain_text("since 11 min ago")

        await page.goto(f"{site}/admin/health")
        part = page.locator("[data-part=jobs]")
        await expect(part).to_contain_text("1 queue is late: Pictures to delete")
        await expect(part).to_contain_text("11 min ago")

        home = await page.context.new_page()
        await home.goto(site)
        await expect(home.get_by_text("Pictures are waiting for deletion.")).to_be_visible()
        async with jobs_running(garden, media, log):
            # Both pages stay as they are open.
            await expect(home.get_by_text("Pictures are waiting for deletion.")).to_have_count(0)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await part.count():
                    await seen_again(page)
                    await asyncio.sleep(0.1)
        await home.close()


async def test_a_part_with_focus_is_not_renewed(garden, page):
    async with site_of(garden) as site:
        await log_in_as_root(page, site)
        await page.goto(f"{site}/admin")
        await page.get_by_role("link", name="How to back up").focus()
        async with garden.begin() as connection:
            await connection.execute(_DELETION, {"id": uuid4()})
        jobs = page.locator("[data-part=jobs]")
        await seen_again(page)
        await seen_again(page)
        assert await jobs.get_attribute("data-state") == "good"
        await page.evaluate("document.activeElement.blur()")
        await seen_again(page)
        await expect(jobs).to_have_attribute("data-state", "failed")


async def test_a_person_is_made_without_script(garden, browser):
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    async with site_of(garden) as site:
        await log_in_as_root(page, site)
        await page.goto(f"{site}/admin/people")
        await page.get_by_label("User name").fill("eve")
        await page.get_by_label("Email address", exact=True).fill("eve@example.org")
        await page.get_by_role("button", name="Add person").click()
        link = await page.locator(".copy code").inner_text()
        assert link.startswith(f"{site}/password-reset?token=")
        stranger = await (await browser.new_context(java_script_enabled=False)).new_page()
        await stranger.goto(link)
        await stranger.locator("#password").fill(PASSWORD)
        await stranger.keyboard.press("Enter")
        await expect(stranger.get_by_text("Your password has been changed.")).to_be_visible()
