"""A plant that somebody looks at or changes, by the API's own rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request

from hortus.base.language.translation import gettext, gettext_noop
from hortus.http.access.plant_access import PlantAccess, editable_plant
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.pages.plant_store import NoSuchPlant, visible_plant
from hortus.http.pages.requests import LogInNeeded, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.viewers import caller_of

NO_PLANT = gettext_noop("This plant does not exist, or you cannot see it.")

# The API's sentences about plants, for translation where pages show them.
_REFUSALS = (
    gettext_noop("Only the plant's owner and people who may configure its kit can change it."),
    gettext_noop("Only the plant's owner can do this."),
    gettext_noop("Built-in species cannot be changed. Create one of your own instead."),
)


def id_in_path(request: Request, name: str, otherwise: str) -> int:
    """Return a number of the address. Raises HTTPException 404 with this text."""
    text = request.path_params[name]
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > LARGEST_ID:
        raise HTTPException(404, gettext(otherwise))
    return int(text)


def hidden(viewer: Viewer) -> Exception:
    """Return the answer to hidden and nonexistent plants alike."""
    return LogInNeeded() if viewer.user is None else HTTPException(404, gettext(NO_PLANT))


@asynccontextmanager
async def reading_plant(
    site: Site, request: Request
) -> AsyncIterator[tuple[AsyncConnection, Viewer, PlantAccess]]:
    """Yield a snapshot, the viewer, and the plant of the address, which they may change.

    Raises LogInNeeded, HTTPException 404, Problem 403 or DatabaseNotAnswering.
    """
    plant_id = id_in_path(request, "plant_id", NO_PLANT)
    viewer = await site.viewer(request)
    async with site.reading() as connection:
        try:
            access = await visible_plant(connection, viewer, plant_id)
        except NoSuchPlant as error:
            raise hidden(viewer) from error
        access.require_edit()
        yield connection, viewer, access


@asynccontextmanager
async def changing_plant(
    site: Site, request: Request
) -> AsyncIterator[tuple[AsyncConnection, Viewer, PlantAccess]]:
    """Yield a transaction, the viewer, and the plant of the address, locked. Read forms before.

    Raises HTTPException 403 for forms of other sites, LogInNeeded, HTTPException 404, Problem 403 or
    DatabaseNotAnswering.
    """
    require_same_origin(request)
    plant_id = id_in_path(request, "plant_id", NO_PLANT)
    viewer = await site.viewer(request)
    async with site.changing() as connection:
        try:
            await visible_plant(connection, viewer, plant_id)
        except NoSuchPlant as error:
            raise hidden(viewer) from error
        yield connection, viewer, await editable_plant(connection, caller_of(viewer), plant_id)
