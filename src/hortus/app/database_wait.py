"""Waiting for a database that is not there yet, as when all parts start at once."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.url import DatabaseUrl
from hortus.flow.migrations.revision import require_current

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0


async def wait_for_current_database(engine: AsyncEngine, url: DatabaseUrl) -> None:
    """Return when the database answers and has this version's schema.

    Raises DatabaseNotReady or DatabaseIsNewer at once: a person has to do something about those.
    """
    told = False
    while True:
        try:
            await require_current(engine)
        except (OSError, TimeoutError, OperationalError, DBAPIError) as error:
            if not told:
                log.warning("waiting for the database at %s: %s", url.redacted(), error)
                told = True
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
