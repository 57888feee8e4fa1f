from __future__ import annotations

import gzip
import hashlib
import re
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest
from chart_helpers import every_minute, make_chart_kit, measure
from web_helpers import client_of

from hortus.http.pages.joined_files import joined_modules

STATIC = resources.files("hortus.http.pages") / "static"
VENDOR = STATIC / "vendor"


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


async def test_the_modules_of_charts_are_one_script(engine):
    kit = await make_chart_kit(engine)
    async with client_of(engine) as client:
        page = (await client.get(f"/kits/{kit.serial}/charts")).text
        (address,) = re.findall(r'<script type="module" src="([^"]+)"', page)
        answer = await client.get(address)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert not re.search(r"^import\b", answer.text, re.MULTILINE)
    for file in (STATIC / "charts").iterdir():
        assert f"const ${file.name.removesuffix('.js')} = (() => {{" in answer.text


async def test_a_page_of_charts_is_small_and_asks_seldom(engine, database_url):
    kit = await make_chart_kit(engine, "Air", "Bench", "Water")
    start = datetime.now(UTC) - timedelta(days=1)
    for name in kit.names:
        await measure(database_url, kit, every_minute(start, 1440), name=name)
    async with client_of(engine) as client:
        path = f"/kits/{kit.serial}/charts"
        page = await client.get(path)
        ids = re.findall(r'data-name="(\d+)"', page.text)
        assert len(ids) == 3
        week = f"&from={start - timedelta(days=3):%Y-%m-%dT%H:%MZ}&to={datetime.now(UTC):%Y-%m-%dT%H:%MZ}"
        points = f"/kits/{kit.serial}/points.json?series={','.join(ids)}&points=1600{week}"
        # The icon of an app is fetched only by who installs it.
        linked = [each for each in re.findall(r'"(/static/[^"]+)"', page.text) if "/icons/" not in each]
        addresses = [path, *linked, points]
        sizes = {each: len(gzip.compress((await client.get(each)).content, 6)) for each in addresses}
    assert len(sizes) <= 8
    assert sum(sizes.values()) <= 100_000, sizes


@pytest.mark.parametrize(
    "source", ['import * as all from "./other.js";', "export default 3;", 'const later = import("./x.js");']
)
def test_a_form_of_import_that_the_joined_script_does_not_know_is_an_error(tmp_path, source):
    (tmp_path / "main.js").write_text(source)
    with pytest.raises(ValueError, match=r"main\.js has a form of import or export that is not known"):
        joined_modules(tmp_path, "main")


def test_modules_keep_their_names_apart(tmp_path):
    (tmp_path / "main.js").write_text('import { one as first } from "./other.js";\nconst one = first + 1;\n')
    (tmp_path / "other.js").write_text("// Not needed by a browser.\nexport const one = 1;\nexport { two };\n")
    assert joined_modules(tmp_path, "main") == (
        "const $other = (() => {\nconst one = 1;\nreturn { one, two };\n})();\n"
        "const $main = (() => {\nconst { one: first } = $other;\nconst one = first + 1;\nreturn {  };\n})();\n"
        "export const modules = { other: $other, main: $main };\n"
    )
