"""From nothing to a first reading on screen, against a real `hortus up`, on a phone and on a desk."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect
from web_helpers import CHROMIUM, PATIENCE_MS

from hortus.simulator.kit import VirtualKit
from hortus.simulator.options import KitCredentials, SimulatorOptions
from up_process import publish, running
from waiting import until, wait_until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

NAME, PASSWORD = "ada", "a rose is a rose"
WIDTHS = pytest.mark.parametrize("width", [360, 1400])
SCRIPTS = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("wizard") / "data") as up:
        yield up


@pytest.fixture(scope="module")
def site(up):
    return f"http://127.0.0.1:{up.http_port}"


@pytest.fixture(scope="module")
def board_port(up):
    return int(wait_until(lambda: re.search(r"http://127.0.0.1:(\d+)/sensor-data", up.said))[1])


def set_up_link(up):
    return wait_until(lambda: re.search(r"http://\S+/setup\?token=\S+", up.said))[0]


@asynccontextmanager
async def opened(browser, site, up, width, *, script=True):
    """A page at home, logged in; the first one creates the account, by the link that `hortus up` prints."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, java_script_enabled=script, accept_downloads=True
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(set_up_link(up))
    if await page.get_by_label("User name").count():
        await page.get_by_label("User name").fill(NAME)
        await page.get_by_label("Email address").fill("ada@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Create account").click()
    else:
        await page.goto(f"{site}/login")
        await page.get_by_label("User name").fill(NAME)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("main").get_by_role("button", name="Log in").click()
    await expect(page).to_have_url(f"{site}/")
    yield page
    await context.close()


def step(page, key, state):
    return page.locator(f'[data-step="{key}"][data-state="{state}"]')


async def fits(page, heading):
    """The page with this heading is no wider than its window."""
    await expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    await page.wait_for_load_state()
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@WIDTHS
@SCRIPTS
async def test_a_virtual_kit_shows_its_first_reading_after_four_clicks(browser, site, up, width, script):
    async with opened(browser, site, up, width, script=script) as page:
        await page.get_by_role("main").get_by_role("link", name="Add a kit").first.click()
        await fits(page, "Add a kit")
        await page.get_by_role("button", name="Add a virtual kit").click()
        await fits(page, "Add a virtual kit")
        await page.get_by_role("button", name="Create virtual kit").click()
        value = page.locator('[data-state="first-reading"] data.value')
        await expect(value).to_be_visible()
        await fits(page, "First reading of Virtual kit")
        await expect(page.locator('[data-state="first-reading"] .unit')).not_to_be_empty()
        await expect(page.locator('[data-state="first-reading"] time')).to_be_visible()
        for key in ("registered", "logged-in", "fetched", "first-reading"):
            await expect(step(page, key, "done")).to_be_visible()


@WIDTHS
async def test_a_kit_is_connected_with_the_password_that_is_shown_once(browser, site, up, width):
    async with opened(browser, site, up, width) as page:
        await page.goto(f"{site}/kits/new")
        await page.get_by_role("button", name="Add a kit").click()
        # The browser's own zone is filled in where the server knows it.
        await expect(page.get_by_label("Time zone")).to_have_value(re.compile(r"\w"))
        await page.get_by_label("Name", exact=True).fill("Basil by the window")
        await page.get_by_role("button", name="Create kit").click()
        await expect(page).to_have_url(re.compile(r"/connect\?once="))
        await fits(page, "Connect Basil by the window")
        password = await page.locator("[data-secret] code").inner_text()
        serial = page.url.split("/")[-2]
        await expect(page.get_by_text(str(up.mqtt_port), exact=True)).to_be_visible()
        await page.get_by_text("As file or QR code").click()
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Save as file").click()
        assert (await downloading.value).suggested_filename == "kit_config.toml"
        assert (await page.locator("svg.qr").bounding_box())["width"] > 100
        await fits(page, "Connect Basil by the window")
        await expect(step(page, "registered", "done")).to_be_visible()
        await expect(step(page, "logged-in", "next")).to_be_visible()

        kit = VirtualKit(KitCredentials(serial=serial, password=password), SimulatorOptions(port=up.mqtt_port))
        runs = asyncio.create_task(kit.run())
        for key in ("logged-in", "fetched", "first-reading"):
            await expect(step(page, key, "done")).to_be_visible()
        runs.cancel()
        await asyncio.gather(runs, return_exceptions=True)

        # What renews beside it leaves the password alone; a reload does not show it again.
        await expect(page.locator("[data-secret]")).to_be_visible()
        await page.get_by_label("I have stored the password").check()
        await page.get_by_role("button", name="Continue").click()
        await expect(page.locator('[data-state="first-reading"]')).to_be_visible()
        await page.go_back()
        await expect(page.get_by_text("It was shown once, when the kit was created.")).to_be_visible()
        await page.reload()
        await expect(page.locator("[data-secret]")).to_have_count(0)
        assert password not in await page.content()


@WIDTHS
async def test_a_wrong_password_is_named_and_not_taken_for_being_offline(browser, site, up, width):
    async with opened(browser, site, up, width) as page:
        await page.goto(f"{site}/kits/new")
        await page.get_by_role("button", name="Add a kit").click()
        await page.get_by_label("Name", exact=True).fill("Lettuce")
        await page.get_by_role("button", name="Create kit").click()
        serial = page.url.split("/")[-2]
        kit = {"serial": serial, "password": "not the password"}
        assert await asyncio.to_thread(publish, up, kit, "measurement/raw", b"x", 1) != 0
        trouble = page.locator('[data-trouble="wrong-password"]')
        await expect(trouble).to_contain_text("The password is wrong")
        await fits(page, "Connect Lettuce")
        await page.goto(f"{site}/kits/{serial}/connection")
        await expect(page.locator("[data-first]")).to_contain_text("The password is wrong")
        await expect(page.get_by_role("main")).not_to_contain_text("offline")
        await fits(page, "Connection")


def send(port, number, temperature):
    """Send a reading as the firmware does: without a Host header."""
    body = b'{"id":%d,"temperature":%.8f,"humidity":55,"light":900}' % (number, temperature)
    head = (
        b"POST /sensor-data HTTP/1.1\r\nUser-Agent: Arduino/2.2.0\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\nAccept: */*\r\n\r\n" % len(body)
    )
    with socket.create_connection(("127.0.0.1", port)) as board:
        board.sendall(head + body)
        assert board.recv(65_536).startswith(b"HTTP/1.1 200")


@WIDTHS
@SCRIPTS
async def test_an_unknown_board_is_offered_and_naming_it_shows_what_it_has_sent(
    browser, site, up, board_port, width, script
):
    number = width * 2 + script
    for temperature in (20.5, 21.5, 22.5):
        await asyncio.to_thread(send, board_port, number, temperature)
    async with opened(browser, site, up, width, script=script) as page:
        board = page.locator(f'[data-board="{number}"]')

        async def is_offered():
            await page.goto(f"{site}/kits/new")
            return await board.count() and "3 readings" in await board.inner_text()

        await until(is_offered, "the wizard offers the board with its three readings")
        await fits(page, "Add a kit")
        await board.get_by_role("button", name="Name it").click()
        await page.get_by_label("Name", exact=True).fill("Fern in the hall")
        await page.get_by_role("button", name="Create board").click()
        await expect(page.locator('[data-state="first-reading"] data.value')).to_be_visible()
        await page.get_by_role("link", name="Show its charts").click()
        await page.goto(f"{page.url.split('?')[0]}?rows=100")
        for value in ("20.5", "21.5", "22.5"):
            await expect(page.locator("table").get_by_text(value).first).to_be_attached()


@WIDTHS
async def test_a_virtual_kit_outlives_a_restart_and_ends_when_it_is_deleted(browser, tmp_path, width):
    data = tmp_path / "data"
    with running(data) as up:
        site = f"http://127.0.0.1:{up.http_port}"
        async with opened(browser, site, up, width) as page:
            await page.goto(f"{site}/kits/new")
            await page.get_by_role("button", name="Add a virtual kit").click()
            await page.get_by_role("button", name="Create virtual kit").click()
            await expect(page.locator('[data-state="first-reading"]')).to_be_visible()
            serial = page.url.split("/")[-2]
    with running(data) as up:
        wait_until(lambda: f"virtual kit {serial} runs" in up.said, "it runs again")
        site = f"http://127.0.0.1:{up.http_port}"
        context = await browser.new_context(viewport={"width": width, "height": 800})
        page = await context.new_page()
        await page.goto(f"{site}/login")
        await page.get_by_label("User name").fill(NAME)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("main").get_by_role("button", name="Log in").click()
        await page.goto(f"{site}/kits/{serial}/settings")
        await page.get_by_label("Type the name of the kit").fill("Virtual kit")
        await page.get_by_role("button", name="Delete kit").click()
        await expect(page).to_have_url(re.compile(r":\d+/(\?said=[^#]*)?(#.*)?$"))
        await until(lambda: f"virtual kit {serial} stopped" in up.said, "it is stopped")
        await context.close()
