"""The manifest with which browsers install Hortus as an application."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext
from hortus.http.pages.site import Site

GROUND_COLOUR = "#f4f6f1"
THEME_COLOUR = "#1f5c3d"
_ICONS = (("icon-192", 192, "any"), ("icon-512", 512, "any"), ("maskable-512", 512, "maskable"))


class Installable:
    """`/manifest.webmanifest`, which every page links to."""

    def __init__(self, site: Site) -> None:
        self._templates = site.templates

    def routes(self) -> list[Route]:
        return [Route("/manifest.webmanifest", self.show)]

    async def show(self, _request: Request) -> Response:
        """Answer with name, colours, icons, and where to start; all addresses are ours."""
        start = self._templates.address("/")
        manifest = {
            "id": start,
            "name": "Hortus",
            "short_name": "Hortus",
            "description": gettext("Your kits and plants"),
            "lang": current_language().tag,
            "dir": current_language().direction,
            "start_url": start,
            "scope": start,
            "display": "standalone",
            "background_color": GROUND_COLOUR,
            "theme_color": THEME_COLOUR,
            "icons": [
                {
                    "src": self._templates.static(f"icons/{name}.png"),
                    "sizes": f"{size}x{size}",
                    "type": "image/png",
                    "purpose": purpose,
                }
                for name, size, purpose in _ICONS
            ],
        }
        return Response(
            orjson.dumps(manifest),
            media_type="application/manifest+json",
            headers={"Cache-Control": "no-cache", "Vary": "Accept-Language"},
        )
