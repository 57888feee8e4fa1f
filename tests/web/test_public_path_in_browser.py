"""`hortus web` behind a proxy that offers it below a path, in Debian's Chromium."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.async_api import expect
from test_pictures import picture
from test_plant_page import alert, garden  # noqa: F401  (garden is a fixture)
from web_helpers import CHROMIUM, PASSWORD, add_readings

from hortus.domain.plants.photos import prepare_photo, put_photo
from hortus.http.access.sessions import COOKIE
from path_proxy import proxy_below
from web_process import web_process

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

BELOW = "/hortus"
LIVE_FEED_ANSWERS = """path => new Promise((answered, failed) => {
  const socket = new WebSocket(`ws://${location.host}${path}`);
  socket.onerror = () => failed("no live feed");
  socket.onopen = () => { socket.close(); answered("open"); };
})"""


@pytest.fixture
def settings(database_url, tmp_path):
    key = tmp_path / "token-signer.key"
    key.write_text(secrets.token_urlsafe(48))
    return {
        "DATABASE_URL": database_url,
        "TOKEN_SIGNER_KEY": str(key),
        "HORTUS_PUBLIC_URL": f"https://example.org{BELOW}",
    }


@pytest.fixture
async def watched_plant(engine, garden):  # noqa: F811
    """A plant with a photo and an alert that ada may mark as seen, and its kit."""
    plant_id, kit = garden.plants["members"], garden.kits["members"]
    async with engine.begin() as connection:
        await put_photo(connection, plant_id, await prepare_photo(picture()))
    await alert(engine, plant_id, kit)
    return plant_id, kit


@pytest.mark.parametrize("strips", [False, True], ids=["path kept", "path stripped"])
async def test_pages_and_live_feed_work_below_a_path(
    engine, watched_plant, database_url, page, settings, tmp_path, strips
):
    plant_id, kit = watched_plant
    elsewhere = []
    async with (
        web_process(tmp_path / "web.log", **settings) as web,
        proxy_below(BELOW, web.base_url, strips=strips) as site,
    ):
        page.on("response", lambda answer: elsewhere.append(answer.url) if answer.status == 418 else None)
        await page.goto(f"{site}/plants/{plant_id}")
        await page.get_by_label("User name").fill("ada")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{site}/plants/{plant_id}")
        assert await page.locator("img.photo").evaluate(
            "photo => photo.decode().then(() => photo.naturalWidth)"
        )
        assert await page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") != "0px"
        await page.get_by_role("button", name="Seen:").click()
        await expect(page.get_by_role("button", name="Seen:")).to_have_count(0)

        await add_readings(database_url, kit, [(datetime.now(UTC) - timedelta(seconds=5), 16.5)])
        await expect(page.locator("#live")).to_have_text("Live")
        await expect(page.get_by_role("region", name="Now")).to_contain_text("16.5")

        await page.get_by_label("Places", exact=True).get_by_role("link", name="Home").click()
        await expect(page).to_have_url(f"{site}/")
        await add_readings(database_url, kit, [(datetime.now(UTC), 23.5)])
        await expect(page.locator(".value").filter(has_text="23.5")).to_be_visible()
        assert await page.evaluate(LIVE_FEED_ANSWERS, f"{BELOW}/api/ws") == "open"
        cookies = {each["name"]: each["path"] for each in await page.context.cookies()}
        assert cookies[f"{COOKIE}.hortus"] == BELOW

        await page.get_by_label("Account").locator("summary").click()
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_url(f"{site}/")
        await expect(page.get_by_role("link", name="Log in")).to_be_visible()
    assert elsewhere == []


@pytest.mark.parametrize("strips", [False, True], ids=["path kept", "path stripped"])
async def test_the_description_of_the_api_loads_below_a_path(page, settings, tmp_path, strips):
    async with (
        web_process(tmp_path / "web.log", **settings) as web,
        proxy_below(BELOW, web.base_url, strips=strips) as site,
        httpx.AsyncClient() as client,
    ):
        for api in (f"{BELOW}/api", f"{BELOW}/api/v1"):
            document = (await client.get(f"{site.removesuffix(BELOW)}{api}/openapi.json")).json()
            assert document["servers"] == [{"url": api}]
        await page.goto(f"{site}/api/docs")
        await expect(page.get_by_role("heading", name="Hortus")).to_be_visible()
