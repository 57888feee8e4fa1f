#!/usr/bin/env python3
"""Draws the icons of the installed application from icon.svg, with Chromium: run it when that changes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).parent.parent / "src/hortus/http/pages/static"
ICONS = (
    ("icon-192", 192, False),
    ("icon-512", 512, False),
    ("maskable-512", 512, True),
    ("apple-touch", 180, True),
)
"""Name, size in pixels, and whether systems cut it into shapes of their own: then the ground fills it."""


def drawing(*, fills: bool) -> str:
    """Return the icon as SVG; one that fills its square has its leaves in the part that is never cut off."""
    svg = (STATIC / "icon.svg").read_text("utf-8")
    if not fills:
        return svg
    ground, leaves = re.fullmatch(r"<svg[^>]*>(<rect[^>]*/>)(.*)</svg>\s*", svg, re.DOTALL).groups()
    ground = re.sub(r' rx="[^"]*"', "", ground)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'{ground}<g transform="translate(4 4) scale(0.75)">{leaves}</g></svg>'
    )


def main() -> None:
    """Write all icons."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, size, fills in ICONS:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(
                f"<style>*{{margin:0;display:block}}svg{{width:{size}px}}</style>{drawing(fills=fills)}"
            )
            page.screenshot(path=STATIC / "icons" / f"{name}.png", omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()
