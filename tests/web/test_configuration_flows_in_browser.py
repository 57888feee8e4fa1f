"""A person configures and commands a virtual kit of a real `hortus up`, in Debian's Chromium."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from web_helpers import CHROMIUM, PATIENCE_MS

from hortus.domain.definitions.store import built_in_definitions
from hortus.simulator.kit import VirtualKit
from hortus.simulator.kit_connection import LinkSettings
from hortus.simulator.options import BootTimes, KitCredentials, SimulatorOptions
from up_process import Up, hortus, hortus_json, running
from waiting import until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

WIDTHS = [360, 1400]
DEFINITIONS = [
    each for each in built_in_definitions()["peripheralDefinitions"] if each["set"] in {"core", "simulation"}
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A running installation with one kit and an administrator."""

    up: Up
    password: str
    kit: dict[str, Any]

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.up.http_port}"

    @property
    def path(self) -> str:
        return f"{self.site}/kits/{self.kit['serial']}"


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[Box]:
    with running(tmp_path_factory.mktemp("box") / "data") as up:
        folder = ("--data-dir", up.data_dir)
        made = hortus(
            *("user", "create", "ada", "--email", "ada@example.org", "--admin", "--generate-password"), *folder
        )
        assert made.returncode == 0, made.stderr
        password = made.stdout.strip().splitlines()[-1].split()[-1]
        yield Box(up=up, password=password, kit=hortus_json("kit", "create", "--name", "Basil", *folder))


@asynccontextmanager
async def logged_in(browser: Browser, box: Box, width: int, *, script: bool = True) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, java_script_enabled=script, locale="en"
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{box.site}/login")
    await page.locator("input[name=username]").fill("ada")
    await page.locator("input[name=password]").fill(box.password)
    await page.locator("main button[type=submit]").click()
    await page.wait_for_url(f"{box.site}/")
    yield page
    await context.close()


@asynccontextmanager
async def virtual_kit(box: Box, **options: Any) -> AsyncIterator[VirtualKit]:
    """Run the kit, as soon as it has its configuration."""
    settings = {
        "port": box.up.mqtt_port,
        "link": LinkSettings(first_reconnect_seconds=0.05),
        "boot": BootTimes(answer_timeout_seconds=60.0, ask_again_seconds=0.2),
        "camera_seconds": 0.05,
    }
    kit = VirtualKit(
        KitCredentials(serial=box.kit["serial"], password=box.kit["password"]),
        SimulatorOptions(**settings | options),
    )
    task = asyncio.create_task(kit.run())
    try:
        await until(lambda: kit.measuring, "the kit measures")
        yield kit
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def create(page: Page, box: Box, name: str, preset: str = "empty") -> str:
    """Create a configuration, and return its address."""
    await page.goto(f"{box.path}/configuration")
    await page.locator("main form input[name=name]").fill(name)
    await page.locator(f"input[name=source][value={preset}]").check()
    await page.get_by_role("button", name="Create configuration").click()
    await page.wait_for_url(re.compile(r"/configuration/\d+"))
    return page.url.split("?")[0]


async def activate(page: Page, address: str) -> None:
    await page.goto(f"{address}/activate")
    await page.get_by_role("button", name="Activate configuration").click()
    await expect(page.locator("[data-step=active]")).to_have_attribute("data-state", "done")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_a_device_of_each_built_in_definition_is_added_by_its_form(browser, box, width, script):
    async with logged_in(browser, box, width, script=script) as page:
        address = await create(page, box, f"Everything {width} {script}")
        for definition in DEFINITIONS:
            await page.goto(f"{address}/peripherals/new")
            link = page.locator(
                ".definitions a", has=page.get_by_role("heading", name=definition["name"], exact=True)
            )
            await link.click()
            await page.get_by_role("button", name="Add device").click()
            await page.wait_for_url(re.compile(r"/configuration/\d+(\?said=added)?$"))
        await expect(page.locator(".device-list li")).to_have_count(len(DEFINITIONS))


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_a_bound_is_refused_at_its_field_with_the_focus_in_the_summary(browser, box, width, script):
    async with logged_in(browser, box, width, script=script) as page:
        address = await create(page, box, f"Bounds {width} {script}", "astroplant")
        await page.goto(address)
        await page.locator(".device-list a").first.click()
        field = page.locator("[id='settings.intervals.measurementInterval']")
        await field.fill("4")
        await page.get_by_role("button", name="Save device").click()
        await expect(page.locator("[id='settings.intervals.measurementInterval-error']")).to_have_text(
            "Enter at least 5 s."
        )
        await expect(field).to_have_value("4")
        if script:
            await expect(page.locator(".errors")).to_be_focused()
        await page.locator(".errors a").click()
        await expect(field).to_be_focused()


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_rule_by_night_is_stored_as_two_and_runs_when_the_kit_restarts(browser, box, width):
    """From writing a rule over activating it to Running, each step with its time."""
    async with logged_in(browser, box, width) as page:
        await activate(page, await create(page, box, f"Before {width}", "virtual"))
        async with virtual_kit(box) as kit:
            address = await create(page, box, f"By night {width}", "virtual")
            await add_rule(page, address)
            await expect(page.locator("[data-toast]")).to_contain_text("became two rules")
            await expect(page.locator(".rule-list > li")).to_have_count(2)
            await expect(page.get_by_text("00:00")).not_to_have_count(0)
            await page.goto(f"{address}/activate")
            await expect(page.locator(".changes")).to_contain_text("Rule 2 is new.")
            await activate(page, address)
            assert await steps(page) == ["done", "done", "ahead", "ahead"]
            await expect(
                page.get_by_text("Restart the kit; it asks for its configuration only then.")
            ).to_be_visible()
            kit.reboot()
            await until_shown(page, address, ["done"] * 4)
            await expect(page.locator(".activation time")).to_have_count(4)


async def add_rule(page: Page, address: str) -> None:
    """Write: if the temperature is far below target, heat fully, from 22:00 to 06:00."""
    await page.goto(f"{address}/rules")
    await page.get_by_text("Add target").click()
    await page.get_by_role("link", name="Climate · Temperature").click()
    await page.locator("[id='part.setpoints.0.value']").fill("21,5")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Add output").click()
    await page.get_by_role("link", name="Heater · Heat, by words").click()
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("link", name="Add rule").click()
    await page.locator("[id='part.condition.0.word']").select_option(label="far below target")
    await page.locator("[id='part.implication']").get_by_role("button", name="Add row").click()
    await page.locator("[id='part.implication.0.word']").select_option(label="maximal")
    await page.locator("[id='part.activeFrom']").fill("22:00:00")
    await page.locator("[id='part.activeTo']").fill("06:00:00")
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_url(re.compile(r"/rules"))


async def steps(page: Page) -> list[str | None]:
    return [await each.get_attribute("data-state") for each in await page.locator("[data-step]").all()]


async def until_shown(page: Page, address: str, wanted: list[str]) -> None:
    async def is_shown() -> bool:
        await page.goto(address)
        return await steps(page) == wanted

    await until(is_shown, f"the steps are {wanted}")


async def heat(page: Page, box: Box, value: str) -> None:
    """Fill in the form of the heater, and ask to send it."""
    await page.goto(f"{box.path}/commands")
    await page.locator(".device-choice").get_by_role("link", name="Heater").click()
    await page.locator("[id='command.heat']").fill(value)
    await page.get_by_role("button", name="Send to kit").click()


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_double_click_sends_once_and_done_comes_from_the_kit(browser, box, width):
    async with logged_in(browser, box, width) as page:
        await activate(page, await create(page, box, f"Heating {width}", "virtual"))
        async with virtual_kit(box):
            await page.goto(f"{box.path}/commands")
            before = await page.locator(".ledger-rows li").count()
            await heat(page, box, "3")
            dialog = page.locator("dialog#confirm")
            await expect(dialog).to_contain_text("Heater at Basil: Heater intensity 3 (0–10)?")
            await dialog.get_by_role("button", name="Send to kit").dblclick()
            newest = page.locator(".ledger-rows li").first
            await expect(newest).to_have_attribute("data-state", "succeeded")
            await expect(newest).to_contain_text("Done")
            await page.reload()
            await expect(page.locator(".ledger-rows li")).to_have_count(before + 1)


@pytest.mark.parametrize("width", WIDTHS)
async def test_without_script_a_page_asks_and_the_same_command_is_sent(browser, box, width):
    async with logged_in(browser, box, width, script=False) as page:
        await activate(page, await create(page, box, f"No script {width}", "virtual"))
        async with virtual_kit(box):
            await heat(page, box, "2")
            await expect(page.get_by_role("heading", name="Send this command?")).to_be_visible()
            await page.get_by_role("button", name="Send to kit").click()

            async def is_done() -> bool:
                await page.goto(f"{box.path}/commands")
                return await page.locator(".ledger-rows li").first.get_attribute("data-state") == "succeeded"

            await until(is_done, "the kit has answered")


async def test_a_kit_that_is_offline_is_named_before_the_tap_and_never_called_done(browser, box):
    async with logged_in(browser, box, 360) as page:
        await activate(page, await create(page, box, "Offline", "virtual"))
        async with virtual_kit(box):
            pass

        async def is_told() -> bool:
            await page.goto(f"{box.path}/commands")
            return await page.get_by_text("The kit is offline").is_visible()

        await until(is_told, "the page says that the kit is offline")
        await heat(page, box, "4")
        await page.locator("dialog#confirm").get_by_role("button", name="Send to kit").click()
        newest = page.locator(".ledger-rows li").first
        await expect(newest).to_have_attribute("data-error", "KitOffline")
        await expect(newest).to_contain_text("Kit offline, not sent")
        await expect(newest).not_to_contain_text("Done")


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_picture_appears_and_a_reload_in_between_takes_no_second_one(browser, box, width):
    async with logged_in(browser, box, width) as page:
        await activate(page, await create(page, box, f"Pictures {width}", "virtual"))
        async with virtual_kit(box, camera_seconds=0.5):
            await page.goto(f"{box.path}/commands")
            before = await page.locator(".ledger-rows li").count()
            await page.locator(".device-choice").get_by_role("link", name="Camera").click()
            await page.get_by_role("button", name="Send to kit").click()
            await page.wait_for_url(re.compile(r"device=\d+$"))
            await page.reload()
            newest = page.locator(".ledger-rows li").first
            await expect(newest).to_have_attribute("data-state", "succeeded")
            picture = newest.locator("img")
            await expect(picture).to_be_visible()
            assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
            await expect(page.locator(".ledger-rows li")).to_have_count(before + 1)
