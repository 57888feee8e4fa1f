"""The application that is mounted under `/api`: which capability's endpoints it has, and how it refuses."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import hortus.accounts.api
import hortus.accounts.tokens_api
import hortus.alerts.api
import hortus.commands.api
import hortus.commands.kit_rpc_api
import hortus.definitions.api
import hortus.export.api
import hortus.kits.api
import hortus.kits.configurations_api
import hortus.kits.members_api
import hortus.kits.peripherals_api
import hortus.ledger.api
import hortus.live.socket_api
import hortus.measurements.api
import hortus.media.api
import hortus.media.content_api
import hortus.messages.api
import hortus.plants.links_api
import hortus.plants.photos_api
import hortus.plants.plants_api
import hortus.plants.species_api
import hortus.presence.api
import hortus.quarantine.api
import hortus.rpc.api
import hortus.series.api
from hortus import __version__
from hortus.accounts.passwords import TooManyLogins
from hortus.api import server_api
from hortus.api.caller import identify
from hortus.api.conventions import Conventions, answer_unrouted
from hortus.api.documentation import document
from hortus.api.documentation_page import documentation_routes
from hortus.api.endpoints import Endpoints
from hortus.api.parameters import require_single_values
from hortus.api.parts import ApiParts, Services
from hortus.api.problems import Problem, bad_request, not_found, unavailable
from hortus.kits.store import KitNotFound
from hortus.live.hub import LiveHub
from hortus.live.socket_api import live_route
from hortus.web.database_access import DatabaseNotAnswering

_RETRY_SECONDS = 5

# SQLSTATEs; see PostgreSQL's manual, appendix A.
_FOREIGN_KEY_VIOLATION = "23503"
_ROLLED_BACK = "40"
_LOCK_NOT_AVAILABLE = "55P03"

_DESCRIPTION = """\
Kits, their configurations and their readings. Times are RFC 3339; all keys are camelCase; errors are RFC 9457
problem documents. Log in with `POST /me/auth`, or send an API key as the bearer token.
"""

_ROUTERS = (
    server_api.router,
    hortus.accounts.tokens_api.router,
    hortus.accounts.api.router,
    hortus.definitions.api.router,
    hortus.kits.api.router,
    hortus.kits.members_api.router,
    hortus.kits.configurations_api.router,
    hortus.kits.peripherals_api.router,
    hortus.measurements.api.router,
    hortus.series.api.router,
    hortus.media.api.router,
    hortus.export.api.router,
    hortus.ledger.api.router,
    hortus.quarantine.api.router,
    hortus.messages.api.router,
    hortus.alerts.api.router,
    hortus.plants.species_api.router,
    hortus.plants.plants_api.router,
    hortus.plants.links_api.router,
    hortus.plants.photos_api.router,
    hortus.commands.kit_rpc_api.router,
    hortus.commands.api.router,
    hortus.media.content_api.router,
    hortus.live.socket_api.router,
    hortus.presence.api.router,
    hortus.rpc.api.router,
)


def create_api(parts: ApiParts, live: LiveHub | None = None) -> FastAPI:
    """Return the API, with the live feed if the program runs one. It connects on the first request.

    Raises UsageError if the key for tokens is too short.
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
    endpoints = Endpoints(_prepare)
    for router in _ROUTERS:
        endpoints.add(router.routes)
    app.openapi = lambda: document(app, endpoints.routes)  # type: ignore[method-assign]
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
    app.add_middleware(Conventions)
    return app


async def _prepare(request: Request) -> None:
    require_single_values(request)
    await identify(request)


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _answer_unreadable(_request: Request, error: Exception) -> Response:
    """Answer a path or query parameter that is not of its type."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    message = str(first["msg"]).removeprefix("Value error, ")
    return bad_request(f"{name}: {message[:1].lower()}{message[1:]}.").response()


async def _answer_gone(_request: Request, _error: Exception) -> Response:
    """Answer when a kit was deleted while the request was under way."""
    return not_found().response()


async def _answer_collision(_request: Request, error: Exception) -> Response:
    """Answer when another request got in the way: something is gone, or one waited for the other in vain.

    Any other failure of a statement is a fault of ours, and goes on as one.
    """
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if state == _FOREIGN_KEY_VIOLATION:
        return not_found().response()
    if isinstance(state, str) and state.startswith(_ROLLED_BACK):
        return unavailable("Somebody else changed the same at the same moment.", 1).response()
    if state == _LOCK_NOT_AVAILABLE:
        return unavailable(
            "Somebody else is changing the same, which takes a while.", _RETRY_SECONDS
        ).response()
    raise error


async def _answer_unavailable(_request: Request, error: Exception) -> Response:
    return unavailable(str(error), _RETRY_SECONDS).response()
