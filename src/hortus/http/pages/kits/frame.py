"""What surrounds every page of a kit: its name, the way to it, and the tabs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from hortus.base.language.translation import gettext
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.opened import OpenedKit, open_kit
from hortus.http.pages.kits.tabs import TABS, Group
from hortus.http.pages.requests import require_same_origin
from hortus.http.pages.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTab:
    """A tab in the language of the request."""

    key: str
    path: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KitFrame:
    """What `kits/kit.html` shows around a page. `current` is the key of its tab."""

    serial: str
    name: str
    is_public: bool
    watch: Sequence[ShownTab]
    manage: Sequence[ShownTab]
    current: str


@asynccontextmanager
async def reading_kit(site: Site, request: Request) -> AsyncIterator[tuple[AsyncConnection, OpenedKit]]:
    """Yield a snapshot of the database and the kit of the address.

    Raises NoSuchKit or DatabaseNotAnswering.
    """
    viewer = await site.viewer(request)
    async with site.reading() as connection:
        yield connection, await open_kit(connection, viewer, request.path_params["serial"])


@asynccontextmanager
async def changing_kit(
    site: Site, request: Request, permission: Permission
) -> AsyncIterator[tuple[AsyncConnection, OpenedKit]]:
    """Yield a transaction, committed at its end, and the kit of the address. Read forms before.

    Raises HTTPException 403 for forms of other sites, Problem 403 without the permission, NoSuchKit or
    DatabaseNotAnswering.
    """
    require_same_origin(request)
    viewer = await site.viewer(request)
    async with site.changing() as connection:
        kit = await open_kit(connection, viewer, request.path_params["serial"])
        kit.require(permission)
        yield connection, kit


def kit_path(kit: OpenedKit, suffix: str = "") -> str:
    """Return the address of a page of this kit: `kit_path(kit, "/charts")`."""
    return f"/kits/{quote(kit.serial)}{suffix}"


def kit_page(site: Site, request: Request, kit: OpenedKit, tab: str, template: str, **values: Any) -> Response:
    """Return a page of the kit. `values` are those of `Site.page` and of the template."""
    return site.page(request, template, viewer=kit.viewer, frame=_frame(kit, tab), kit=kit, **values)


def _frame(kit: OpenedKit, current: str) -> KitFrame:
    def shown(group: Group) -> list[ShownTab]:
        return [
            ShownTab(key=tab.key, path=kit_path(kit, tab.suffix), name=gettext(tab.name))
            for tab in TABS
            if tab.group is group and tab.is_seen_by(kit)
        ]

    return KitFrame(
        serial=kit.serial,
        name=kit.name,
        is_public=bool(kit.row["privacy_public_dashboard"]),
        watch=shown(Group.WATCH),
        manage=shown(Group.MANAGE),
        current=current,
    )
