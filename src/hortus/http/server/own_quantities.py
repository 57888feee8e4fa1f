"""How pages show the values of quantities that people defined."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from hortus.domain.definitions.display import QuantityDisplay, showing
from hortus.domain.definitions.own import own_displays
from hortus.http.server.database_access import DatabaseNotAnswering, snapshot

_KEEP_SECONDS = 15.0
_NO_VALUES = ("/api", "/healthz", "/readyz", "/metrics", "/static")


class OwnQuantities:
    """Lets a page show values with the decimals that an administrator chose.

    They are read anew after 15 s; while the database does not answer, the last ones hold.
    """

    def __init__(self, app: ASGIApp, engine: AsyncEngine) -> None:
        self._app = app
        self._engine = engine
        self._known: Mapping[str, QuantityDisplay] = {}
        self._read_at = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the displays of own quantities."""
        if scope["type"] != "http" or scope["path"].startswith(_NO_VALUES):
            await self._app(scope, receive, send)
            return
        with showing(await self._current()):
            await self._app(scope, receive, send)

    async def _current(self) -> Mapping[str, QuantityDisplay]:
        if time.monotonic() - self._read_at > _KEEP_SECONDS:
            # Noted before, so that others do not ask at the same time.
            self._read_at = time.monotonic()
            try:
                async with snapshot(self._engine) as connection:
                    self._known = await own_displays(connection)
            except DatabaseNotAnswering:
                pass
        return self._known
