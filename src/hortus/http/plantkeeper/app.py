"""The application that is mounted under `/api/v1`: which paths it has."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from hortus.http.conventions.conventions import Conventions
from hortus.http.conventions.documentation_page import documentation_routes
from hortus.http.plantkeeper.answers import unrouted
from hortus.http.plantkeeper.documentation import document
from hortus.http.plantkeeper.general_plants_api import GeneralPlantsApi
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.plantkeeper.plants_api import PlantsApi
from hortus.http.plantkeeper.readings_api import ReadingsApi
from hortus.http.plantkeeper.sensors_api import SensorsApi
from hortus.http.plantkeeper.users_api import UsersApi


def create_plantkeeper_api(parts: PlantKeeperParts) -> ASGIApp:
    """Return the API. It holds no connection until the first request."""
    routes: list[BaseRoute] = [Route("/", _hello, methods=["GET"]), *documentation_routes(document)]
    # Literal paths below `/users` go before `/users/{id}`.
    for part in (
        SensorsApi(parts),
        PlantsApi(parts),
        UsersApi(parts),
        GeneralPlantsApi(parts),
        ReadingsApi(parts),
    ):
        routes += part.routes()
    routes.append(Route("/{path:path}", _Unrouted()))
    return Conventions(Router(routes, redirect_slashes=False))


async def _hello(_request: Request) -> Response:
    """Answer what clients of the original wait for to know that it is up."""
    return PlainTextResponse("Hello World!")


class _Unrouted:
    """Answers whatever no route takes, with whatever method."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await unrouted(Request(scope, receive))(scope, receive, send)
