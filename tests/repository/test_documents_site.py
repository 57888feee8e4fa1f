"""The site of the documents: it stands on its own, fits a phone, and is not built with holes in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from programs import browser_environment
from waiting import PATIENCE_SECONDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PHONE = {"width": 360, "height": 740}


def build(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--quiet",
        "--fail-on-warning",
        "--keep-going",
        str(docs),
        str(site),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("site")
    done = build(DOCS, built)
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"], env=browser_environment()
        )
        opened = browser.new_page(viewport=PHONE)
        opened.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield opened
        browser.close()


@pytest.fixture
def small_docs(tmp_path: Path) -> Path:
    """A folder of one page, built as the real one is."""
    shutil.copytree(DOCS / "_templates", tmp_path / "_templates")
    shutil.copy(DOCS / "conf.py", tmp_path)
    (tmp_path / "_toc.yml").write_text("root: index\n")
    (tmp_path / "index.md").write_text("# Start\n\n[Here](#start)\n")
    return tmp_path


def test_search_finds_a_page_without_a_server_and_nothing_is_loaded_from_elsewhere(
    site: Path, page: Page
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.goto(f"{(site / 'search.html').as_uri()}?q=quarantine")
    expect(page.locator("#search-results li a").first).to_be_visible(timeout=PATIENCE_SECONDS * 1000)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_no_page_is_wider_than_a_phone(site: Path, page: Page) -> None:
    too_wide = []
    for path in sorted(site.glob("**/*.html")):
        page.goto(path.as_uri())
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            too_wide.append(path.name)
    assert too_wide == []


def test_references_to_nothing_and_pages_in_no_navigation_fail_the_build(
    small_docs: Path, tmp_path: Path
) -> None:
    assert build(small_docs, tmp_path / "site").returncode == 0
    (small_docs / "index.md").write_text(
        "# Start\n\n[Page](gone.md) [Heading](#lost) ![Picture](images/void.png)\n"
    )
    (small_docs / "forgotten.md").write_text("# Forgotten\n")
    done = build(small_docs, tmp_path / "site")
    assert done.returncode != 0
    for name in ("gone.md", "lost", "void.png", "forgotten.md"):
        assert name in done.stderr
