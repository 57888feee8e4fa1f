"""All pages: a new group of pages adds its class here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.routing import Route

from hortus.http.pages.admin.definitions import AdminDefinitions
from hortus.http.pages.admin.devices import AdminDevices
from hortus.http.pages.admin.overview import AdminOverview
from hortus.http.pages.admin.people import AdminPeople
from hortus.http.pages.admin.set_aside import AdminSetAside
from hortus.http.pages.admin.storage import AdminStorage
from hortus.http.pages.charts.pages import ChartPages
from hortus.http.pages.components_page import ComponentsPage
from hortus.http.pages.installable import Installable
from hortus.http.pages.login import LoginPages
from hortus.http.pages.map.pages import MapPages
from hortus.http.pages.pages import StatusPages
from hortus.http.pages.password_reset import ForgottenPasswordPages, PasswordResetPages
from hortus.http.pages.pictures import PicturePages
from hortus.http.pages.plants import PlantPages
from hortus.http.pages.search import SearchPages
from hortus.http.pages.setup import SetUpPages
from hortus.http.pages.site import Site


class PageGroup(Protocol):
    """Some pages that belong together."""

    def __init__(self, site: Site) -> None: ...

    def routes(self) -> list[Route]:
        """Return the routes. HEAD is answered wherever GET is."""


# Where two routes match an address, the first one wins: `/kits/new` stands before `/kits/{serial}`.
PAGE_GROUPS: Sequence[type[PageGroup]] = (
    StatusPages,
    SearchPages,
    ChartPages,
    PlantPages,
    PicturePages,
    LoginPages,
    ForgottenPasswordPages,
    PasswordResetPages,
    SetUpPages,
    MapPages,
    Installable,
    AdminOverview,
    AdminDefinitions,
    AdminDevices,
    AdminPeople,
    AdminSetAside,
    AdminStorage,
    ComponentsPage,
)


def page_routes(site: Site) -> list[Route]:
    """Return the routes of all pages."""
    return [route for group in PAGE_GROUPS for route in group(site).routes()]
