"""Hortus as an installed application: what browsers ask for, and fresh figures when the device wakes."""

from __future__ import annotations

import struct

import pytest
from playwright.async_api import expect
from sqlalchemy import text
from web_helpers import app_of, client_of, client_to, make_kit, site_of


def size_of_png(content: bytes) -> tuple[int, int]:
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", content[16:24])


@pytest.mark.parametrize("path", ["", "/hortus"])
async def test_the_manifest_names_icons_of_their_sizes_below_the_path(engine, path):
    async with client_to(app_of(engine, public_path=path)) as client:
        page = (await client.get(f"{path}/")).text
        assert f'rel="manifest" href="{path}/manifest.webmanifest"' in page
        answer = await client.get(f"{path}/manifest.webmanifest", headers={"Accept-Language": "de"})
        assert answer.headers["content-type"] == "application/manifest+json"
        manifest = answer.json()
        assert (manifest["start_url"], manifest["scope"], manifest["lang"]) == (f"{path}/", f"{path}/", "de")
        purposes = []
        for icon in manifest["icons"]:
            content = (await client.get(icon["src"])).content
            assert "x".join(map(str, size_of_png(content))) == icon["sizes"]
            purposes.append((icon["sizes"], icon["purpose"]))
        assert purposes == [("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")]
        touch = page.partition('rel="apple-touch-icon" href="')[2].partition('"')[0]
        assert size_of_png((await client.get(touch)).content) == (180, 180)


async def test_the_policy_allows_the_manifest_and_nothing_from_elsewhere(engine):
    async with client_of(engine) as client:
        policy = (await client.get("/")).headers["content-security-policy"]
    assert "manifest-src 'self';" in policy
    assert "http" not in policy


async def test_chromium_can_install_it_from_this_origin_alone(engine, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    async with site_of(engine) as site:
        await page.goto(site)
        session = await page.context.new_cdp_session(page)
        manifest = await session.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert manifest["url"] == f"{site}/manifest.webmanifest"
        errors = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
        # Tabs of tests are always in a private window, where nothing can be installed.
        assert [each["errorId"] for each in errors if each["errorId"] != "in-incognito"] == []
        assert [url for url in asked if not url.startswith(site)] == []


async def test_a_page_that_wakes_asks_for_the_present_state(engine, page):
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
    async with site_of(engine) as site:
        await page.goto(site)
        await expect(page.get_by_role("heading", name="Basil")).to_be_visible()
        # As if asleep: the page is hidden, so it does not ask.
        await page.evaluate(
            "Object.defineProperty(document, 'visibilityState', { get: () => window.seen });"
            "window.seen = 'hidden'; document.dispatchEvent(new Event('visibilitychange'))"
        )
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE kits SET name = 'Mint' WHERE id = :id"), {"id": kit.id})
        await page.evaluate("window.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")
        await expect(page.get_by_role("heading", name="Mint")).to_be_visible()
