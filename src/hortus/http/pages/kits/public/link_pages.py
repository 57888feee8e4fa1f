"""`/kits/{serial}/public-link`: making, printing and withdrawing the public link of a kit."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext_noop
from hortus.domain.kits.public_links import find_public_link, make_public_link, withdraw_public_link
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.credentials import qr_code
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.requests import read_form, redirect
from hortus.http.pages.site import Site

_TOASTS = {
    "made": gettext_noop("The link works now."),
    "withdrawn": gettext_noop("The link no longer works."),
}


class PublicLinkPages:
    """The page of the link, for those who may change the kit's details: they could make it public as well."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/public-link"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(path, self.make, methods=["POST"]),
            Route(f"{path}/withdraw", self.withdraw, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the link and its QR code, or with the form that makes one."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_DETAILS)
            link = await find_public_link(connection, kit.id)
        address = f"{self._site.address_for_others(request)}/p/{link.code}" if link else ""
        return kit_page(
            *(self._site, request, kit, "settings", "kits/public_link.html"),
            toasts=_TOASTS,
            link=link,
            address=address,
            qr=qr_code(address) if link else None,
            now=self._site.clock(),
        )

    async def make(self, request: Request) -> Response:
        """Make a link. One that the kit had before no longer works."""
        await read_form(request)
        async with changing_kit(self._site, request, Permission.EDIT_DETAILS) as (connection, kit):
            await make_public_link(connection, kit.id, self._site.clock())
        return redirect(request, kit_path(kit, "/public-link"), said="made")

    async def withdraw(self, request: Request) -> Response:
        """Withdraw the link: its page is gone at once."""
        await read_form(request)
        async with changing_kit(self._site, request, Permission.EDIT_DETAILS) as (connection, kit):
            await withdraw_public_link(connection, kit.id)
        return redirect(request, kit_path(kit, "/public-link"), said="withdrawn")
