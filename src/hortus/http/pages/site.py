"""What all pages share: the services of the API, the sessions of the browser, the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from hortus.base.language.translation import gettext
from hortus.base.map_tiles import MapTiles
from hortus.domain.accounts.store import User
from hortus.http.access.services import Services
from hortus.http.access.sessions import Sessions
from hortus.http.access.viewer import Viewer
from hortus.http.monitoring.backlog import BacklogReader
from hortus.http.monitoring.monitor import Monitor
from hortus.http.pages.open_alerts import OpenAlerts
from hortus.http.pages.rendering import Templates
from hortus.http.pages.requests import SAID, LogInNeeded, address_of, local_path
from hortus.http.server.database_access import change, snapshot
from hortus.http.server.public_path import public_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a group of pages needs. The services are those of the API, with its limits and its clock."""

    services: Services
    sessions: Sessions
    templates: Templates
    backlog: BacklogReader
    open_alerts: OpenAlerts = field(default_factory=OpenAlerts)
    monitor: Monitor = field(default_factory=Monitor)
    map_tiles: MapTiles | None = None

    @property
    def engine(self) -> AsyncEngine:
        return self.services.parts.engine

    @property
    def clock(self) -> Callable[[], datetime]:
        return self.services.clock

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a snapshot of the database in which everything fits together (P7).

        Raises DatabaseNotAnswering.
        """
        return snapshot(self.engine)

    def changing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a transaction that is committed at its end. Raises DatabaseNotAnswering."""
        return change(self.engine)

    async def viewer(self, request: Request) -> Viewer:
        """Return the sender of the request, with their open alerts. Raises DatabaseNotAnswering."""
        viewer = await self.sessions.viewer_of(request)
        if viewer.user is None:
            return viewer
        counts = await self.open_alerts.of_person(self.engine, viewer.user.id, self.clock())
        return replace(viewer, open_alerts=counts.open)

    async def person(self, request: Request) -> tuple[Viewer, User]:
        """Return the sender of the request, who is logged in. Raises LogInNeeded."""
        viewer = await self.viewer(request)
        if viewer.user is None:
            raise LogInNeeded
        return viewer, viewer.user

    def address_for_others(self, request: Request) -> str:
        """Return the address under which others reach this server, without a trailing slash."""
        configured = self.services.messages.public_url
        return configured or f"{request.url.scheme}://{request.url.netloc}{public_path(request.scope)}"

    def page(
        self,
        request: Request,
        template: str,
        *,
        viewer: Viewer,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        toasts: Mapping[str, str] | None = None,
        undo: str = "",
        **values: Any,
    ) -> Response:
        """Return a whole page.

        `toasts` has what it says after a change, by the word that `redirect` put into the address, marked with
        gettext_noop. `undo` is the address to which the toast's *Undo* posts. Logging in leads back to here.
        """
        said = (toasts or {}).get(request.query_params.get(SAID, ""), "")
        return self.templates.page(
            template,
            viewer=viewer,
            status_code=status_code,
            headers=headers,
            toast=gettext(said) if said else "",
            undo=undo,
            here=quote(local_path(address_of(request)), safe="/"),
            **values,
        )
