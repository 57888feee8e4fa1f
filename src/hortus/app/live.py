"""The live feed as a part of the processes that serve the API."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.base.settings import Settings
from hortus.http.live.access import AccessToKits
from hortus.http.live.hub import LiveHub
from hortus.http.live.limits import LiveLimits


def live_hub(settings: Settings, url: DatabaseUrl, engine: AsyncEngine) -> LiveHub:
    """Return the live feed of this process, which has to run it."""
    limits = LiveLimits(
        connections=settings.live_connections,
        connections_per_address=settings.live_connections_per_address,
    )
    return LiveHub(connector(url, "hortus live"), AccessToKits(engine).check, limits=limits)
