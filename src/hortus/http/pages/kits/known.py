"""A kit with what is known of its connection, for the pages that say why it does not connect."""

from __future__ import annotations

from starlette.requests import Request

from hortus.flow.diagnosis.facts import ConnectionFacts, read_facts
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.frame import reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.kits.overview.series import make_missing_series
from hortus.http.pages.site import Site


async def open_known_kit(
    site: Site, request: Request, permission: Permission
) -> tuple[OpenedKit, ConnectionFacts]:
    """Return the kit of the address and what is known of it. Raises Problem 403 or NoSuchKit."""
    async with reading_kit(site, request) as (connection, kit):
        kit.require(permission)
    await make_missing_series(site, kit.id)
    async with site.reading() as connection:
        return kit, await read_facts(connection, kit.id, kit.serial, site.clock())
