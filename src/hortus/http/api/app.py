"""The application mounted under `/api`: its endpoints, and how errors become problem documents."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import hortus.http.api.accounts
import hortus.http.api.administration
import hortus.http.api.alerts
import hortus.http.api.boards
import hortus.http.api.commands
import hortus.http.api.configuration_state
import hortus.http.api.configurations
import hortus.http.api.definitions
import hortus.http.api.deleted_configurations
import hortus.http.api.events
import hortus.http.api.export
import hortus.http.api.invitations
import hortus.http.api.kit_rpc
import hortus.http.api.kits
import hortus.http.api.ledger
import hortus.http.api.measurements
import hortus.http.api.media
import hortus.http.api.media_content
import hortus.http.api.members
import hortus.http.api.notification_channels
import hortus.http.api.peripherals
import hortus.http.api.plant_links
import hortus.http.api.plant_photos
import hortus.http.api.plants
import hortus.http.api.presence
import hortus.http.api.quarantine
import hortus.http.api.series
import hortus.http.api.species
import hortus.http.api.tokens
import hortus.http.live.socket_api
from hortus import __version__
from hortus.domain.accounts.passwords import TooManyLogins
from hortus.domain.kits.store import KitNotFound
from hortus.http.access.caller import identify
from hortus.http.access.services import ApiParts, Services
from hortus.http.api import server_info as server_api
from hortus.http.api.contract_routes import CONTRACT_ROUTES
from hortus.http.conventions.conventions import Conventions, answer_unrouted
from hortus.http.conventions.documentation import document
from hortus.http.conventions.documentation_page import documentation_routes
from hortus.http.conventions.endpoints import Endpoints
from hortus.http.conventions.parameters import (
    query_parameters_of,
    require_known_parameters,
    require_single_values,
)
from hortus.http.conventions.problems import Problem, bad_request, not_found, unavailable
from hortus.http.live.hub import LiveHub
from hortus.http.live.socket_api import live_route
from hortus.http.server.database_access import DatabaseNotAnswering

_RETRY_SECONDS = 5

# SQLSTATEs; see PostgreSQL's manual, appendix A.
_FOREIGN_KEY_VIOLATION = "23503"
_ROLLED_BACK = "40"
_LOCK_NOT_AVAILABLE = "55P03"

_DESCRIPTION = """\
The API for kits, plants, readings and accounts. Times are in RFC 3339 format, keys are camelCase, and errors
are RFC 9457 problem documents. To authenticate, log in with `POST /me/auth` or send an API key as the bearer
token.
"""

_ROUTERS = (
    server_api.router,
    hortus.http.api.tokens.router,
    hortus.http.api.accounts.router,
    hortus.http.api.definitions.router,
    hortus.http.api.kits.router,
    hortus.http.api.boards.router,
    hortus.http.api.members.router,
    hortus.http.api.invitations.router,
    hortus.http.api.configurations.router,
    hortus.http.api.peripherals.router,
    hortus.http.api.deleted_configurations.router,
    hortus.http.api.measurements.router,
    hortus.http.api.series.router,
    hortus.http.api.media.router,
    hortus.http.api.export.router,
    hortus.http.api.ledger.router,
    hortus.http.api.quarantine.router,
    hortus.http.api.notification_channels.router,
    hortus.http.api.alerts.router,
    hortus.http.api.species.router,
    hortus.http.api.plants.router,
    hortus.http.api.plant_links.router,
    hortus.http.api.plant_photos.router,
    hortus.http.api.kit_rpc.router,
    hortus.http.api.commands.router,
    hortus.http.api.media_content.router,
    hortus.http.live.socket_api.router,
    hortus.http.api.presence.router,
    hortus.http.api.configuration_state.router,
    hortus.http.api.events.router,
    hortus.http.api.administration.router,
)


def create_api(parts: ApiParts, live: LiveHub | None = None) -> FastAPI:
    """Return the API, with the live feed if the program runs one. It connects to the database on first use.

    Raises UsageError if the token key is too short.
    """
    app = FastAPI(
        title="Hortus",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = Services(parts)
    own_routes: dict[tuple[str, str], frozenset[str]] = {}

    async def prepare(request: Request) -> None:
        require_single_values(request)
        known = own_routes.get((request.method, request.scope["route"].path))
        if known is not None:
            require_known_parameters(request, known)
        await identify(request)

    endpoints = Endpoints(prepare)
    for router in _ROUTERS:
        endpoints.add(router.routes)
    own_routes.update(_own_routes(endpoints.routes))
    app.openapi = lambda: document(app, endpoints.routes, CONTRACT_ROUTES)  # type: ignore[method-assign]
    endpoints.add(documentation_routes(app.openapi))
    app.router.routes.append(endpoints)
    if live is not None:
        app.router.routes.append(live_route(live, app.state.services))
    app.state.endpoints = endpoints
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_unreadable)
    app.add_exception_handler(HTTPException, answer_unrouted)
    app.add_exception_handler(DatabaseNotAnswering, _answer_unavailable)
    app.add_exception_handler(TooManyLogins, _answer_unavailable)
    app.add_exception_handler(KitNotFound, _answer_gone)
    app.add_exception_handler(DBAPIError, _answer_collision)
    app.add_middleware(Conventions, named_origins=parts.named_origins)
    return app


def _own_routes(routes: Iterable[Route]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the query parameters of each route that is not part of the contract, by method and path."""
    return {
        (method, route.path): query_parameters_of(route)
        for route in routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if (method, route.path) not in CONTRACT_ROUTES
    }


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _answer_unreadable(_request: Request, error: Exception) -> Response:
    """Answer a request whose path or query parameter has the wrong type."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    message = str(first["msg"]).removeprefix("Value error, ")
    return bad_request(f"{name}: {message[:1].lower()}{message[1:]}.").response()


async def _answer_gone(_request: Request, _error: Exception) -> Response:
    """Answer a request whose kit was deleted while it was running."""
    return not_found().response()


async def _answer_collision(_request: Request, error: Exception) -> Response:
    """Answer a request that collided with another: a row was deleted, or a lock wait timed out.

    Any other database error is a bug on our side and is re-raised.
    """
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if state == _FOREIGN_KEY_VIOLATION:
        return not_found().response()
    if isinstance(state, str) and state.startswith(_ROLLED_BACK):
        return unavailable("Someone else changed the same data at the same time. Try again.", 1).response()
    if state == _LOCK_NOT_AVAILABLE:
        return unavailable(
            "Someone else is changing the same data, which takes a while.", _RETRY_SECONDS
        ).response()
    raise error


async def _answer_unavailable(_request: Request, error: Exception) -> Response:
    return unavailable(str(error), _RETRY_SECONDS).response()
