"""The documentation page in a browser: everything is shown, and nothing is loaded from other hosts."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from api_client import Installation
from playwright.async_api import async_playwright

import hortus.http.conventions
from programs import browser_environment
from waiting import PATIENCE_SECONDS

STATIC = Path(hortus.http.conventions.__file__).parent / "static"
CHROMIUM = shutil.which("chromium")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
async def test_every_operation_is_shown_without_asking_another_server(api: Installation) -> None:
    document = (await api.client.get("/openapi.json")).json()
    assert document["servers"] == [{"url": "/api"}]
    operations = sum(len(operations) for operations in document["paths"].values())
    asked: list[str] = []
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=OPTIONS, env=browser_environment()
        )
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{api.base_url}/docs")
        await page.wait_for_function(f"document.querySelectorAll('.opblock').length === {operations}")
        await browser.close()
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith("data:")}
    assert hosts == {urlsplit(api.base_url).netloc}
    assert complaints == []


async def test_only_the_files_of_the_page_are_served(api: Installation) -> None:
    for path in ("/docs/README.md", "/docs/..%2Fapp.py", "/docs/nothing"):
        response: httpx.Response = await api.client.get(path)
        assert response.status_code == 404


def test_the_scripts_are_those_that_are_written_down() -> None:
    written = re.findall(r"\| `([^`]+)` \| `([0-9a-f]{64})` \|", (STATIC / "README.md").read_text("utf-8"))
    assert len(written) == 2
    for name, digest in written:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest
