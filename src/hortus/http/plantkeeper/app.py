"""The application mounted under `/api/v1`, and its routes."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI
from starlette.responses import PlainTextResponse

import hortus.http.plantkeeper.general_plants_api
import hortus.http.plantkeeper.plants_api
import hortus.http.plantkeeper.readings_api
import hortus.http.plantkeeper.sensors_api
import hortus.http.plantkeeper.users_api
from hortus import __version__
from hortus.http.conventions.conventions import Conventions
from hortus.http.conventions.documentation import describe
from hortus.http.conventions.documentation_page import documentation_routes
from hortus.http.plantkeeper.answers import refuse_in_this_shape, unexpected_fault
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.plantkeeper.readings_api import Readings

_DESCRIPTION = """\
An API for PlantKeeper's clients, on the kits and plants of this installation: users, sensors (boards), plants
and general plants (species). Log in with `POST /auth/login`; the token is valid for one day. The API of Hortus
itself is documented at `/api/docs`.
"""

# The first match answers: literal paths below `/users` go before `/users/{id}`.
_ROUTERS = (
    hortus.http.plantkeeper.sensors_api.router,
    hortus.http.plantkeeper.plants_api.router,
    hortus.http.plantkeeper.users_api.router,
    hortus.http.plantkeeper.general_plants_api.router,
    hortus.http.plantkeeper.readings_api.router,
)


def create_plantkeeper_api(parts: PlantKeeperParts) -> FastAPI:
    """Return the API. It opens no connection before the first request."""
    app = FastAPI(
        title="Hortus for PlantKeeper's clients",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = parts.services
    app.state.readings = Readings(parts)
    app.add_api_route(
        "/",
        _hello,
        response_class=PlainTextResponse,
        tags=["Server"],
        summary="Check that the server is up",
        methods=["GET"],
    )
    for router in _ROUTERS:
        app.include_router(router)
    app.openapi = cache(lambda: describe(app, app.routes))  # type: ignore[method-assign]
    app.router.routes += documentation_routes(app.openapi)
    refuse_in_this_shape(app)
    named_origins = parts.services.parts.named_origins
    app.add_middleware(Conventions, unexpected_fault=unexpected_fault, named_origins=named_origins)
    return app


async def _hello() -> PlainTextResponse:
    """Returns `Hello World!`, which clients of the original wait for to know that it is up."""
    return PlainTextResponse("Hello World!")
