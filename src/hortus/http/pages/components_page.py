"""`/help/components`: every component in every state, for developers and tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.domain.plants.state import Condition, Range
from hortus.http.pages.site import Site


class ComponentsPage:
    """The page. It reads nothing but the session."""

    def __init__(self, site: Site) -> None:
        self._sessions = site.sessions
        self._templates = site.templates

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/help/components", self.show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page, which search engines are asked to leave out."""
        viewer = await self._sessions.viewer_of(request)
        return self._templates.page(
            "help/components.html",
            viewer=viewer,
            headers={"X-Robots-Tag": "noindex"},
            now=datetime.now(UTC),
            ages=[timedelta(seconds=3), timedelta(minutes=6), timedelta(minutes=130), timedelta(days=90)],
            range=Range(minimum=15.0, maximum=24.0),
            least=Range(minimum=15.0),
            most=Range(maximum=24.0),
            values=[
                (13.6, Condition.LOW),
                (18.9, Condition.OK),
                (26.0, Condition.HIGH),
                (60.0, Condition.HIGH),
                (-20.0, Condition.LOW),
            ],
            course=(18.0, 18.5, 19.0, None, None, 19.5, 21.0, None, 20.0),
        )
