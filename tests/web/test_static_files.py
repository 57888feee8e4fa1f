from __future__ import annotations

import hashlib
import re
from importlib import resources

from chart_helpers import make_chart_kit
from web_helpers import client_of

VENDOR = resources.files("hortus.http.pages") / "static" / "vendor"


def test_scripts_of_others_are_unchanged_and_named_with_version_and_licence():
    readme = (VENDOR / "README.md").read_text()
    for file in VENDOR.iterdir():
        if file.name.endswith((".js", ".css")):
            line = next(line for line in readme.splitlines() if line.startswith(f"| `{file.name}`"))
            assert hashlib.sha256(file.read_bytes()).hexdigest() in line
            licence = re.search(r"see `([^`]+)`", line)
            assert licence
            assert (VENDOR / licence[1]).is_file()


async def test_a_page_needs_nothing_from_elsewhere_and_nothing_inline(engine):
    kit = await make_chart_kit(engine)
    async with client_of(engine) as client:
        for path in ("/", "/login", "/nowhere", "/search", "/help/components", f"/kits/{kit.serial}/charts"):
            content = (await client.get(path)).text
            addresses = re.findall(r'(?:src|href|action|hx-get)="([^"]+)"', content)
            assert all(address.startswith(("/", "#")) for address in addresses), addresses
            assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\son\w+=|javascript:", content)


async def test_files_may_be_kept_for_ever_and_pages_not_at_all(engine):
    async with client_of(engine) as client:
        page = await client.get("/")
        addresses = re.findall(r'"(/static/[^"]+)"', page.text)
        assert len(addresses) == 6
        for address in addresses:
            answer = await client.get(address)
            assert (answer.status_code, answer.headers["cache-control"]) == (
                200,
                "public, max-age=31536000, immutable",
            )
        assert page.headers["cache-control"] == "no-store"
        for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/vendor", "/static/"):
            assert (await client.get(path)).status_code == 404


async def test_modules_name_the_build_in_their_path_so_that_what_they_import_is_kept_too(engine):
    kit = await make_chart_kit(engine)
    async with client_of(engine) as client:
        page = (await client.get(f"/kits/{kit.serial}/charts")).text
        main = re.search(r'<script type="module" src="([^"]+/)main.js"', page)
        assert main
        for name in re.findall(r'from "\./([^"]+)"', (await client.get(f"{main[1]}main.js")).text):
            answer = await client.get(f"{main[1]}{name}")
            assert (answer.status_code, answer.headers["cache-control"]) == (
                200,
                "public, max-age=31536000, immutable",
            )
            assert f'<link rel="modulepreload" href="{main[1]}{name}">' in page
        for path in ("/static/build-nonsense/charts/main.js", "/static/build-0123456789ab/../app.py"):
            assert (await client.get(path)).status_code == 404
