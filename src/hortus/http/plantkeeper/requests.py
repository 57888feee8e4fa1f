"""Parts of a request that endpoints of this API depend on: the caller, the id in the path, the body.

The order of an endpoint's arguments is the order in which a request is checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer
from pydantic import WithJsonSchema

from hortus.domain.accounts.api_keys import Scope
from hortus.http.access.caller import Caller, find_caller
from hortus.http.access.services import UsedServices
from hortus.http.conventions.json_body import JsonBody, parse_body, read_json
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.plantkeeper.answers import NO_ACCESS, Refused, not_found
from hortus.http.plantkeeper.form_values import empty_as_null

Document = TypeVar("Document", bound=JsonBody)

MOST_BODY_BYTES = 100 * 1024
"""As the original (plantkeeper 4)."""

_TOKEN_HEADER = "token"  # noqa: S105  (the name of a header)

_BEARER = HTTPBearer(
    scheme_name="bearer",
    description="The `access_token` from `POST /auth/login`, an API key, or (for readings only) a gateway's "
    "token.",
    auto_error=False,
)
DocumentedBearer = Annotated[object, Depends(_BEARER)]
"""Only for the documentation; `find_caller` reads the header."""

WITHOUT_LOGGING_IN: dict[str, Any] = {"security": [{}]}
"""Documents that an endpoint also answers callers who are not logged in."""

_IdText = Annotated[
    str, Path(alias="id"), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_ID})
]


async def _anybody(request: Request, services: UsedServices, _documented: DocumentedBearer) -> Caller:
    """Return the caller, logged in or not. Raises Problem 429."""
    return await find_caller(request, services, request.headers.get("authorization"))


async def _user(request: Request, services: UsedServices, _documented: DocumentedBearer) -> Caller:
    """Return the logged-in caller. Raises Refused 401, or Problem 429."""
    return require_login(await find_caller(request, services, request.headers.get("authorization")))


async def _reader_by_any_header(
    request: Request, services: UsedServices, _documented: DocumentedBearer
) -> Caller:
    """Return the caller, who may read. A key is accepted in `token`, too, where the original has a secret."""
    key = request.headers.get(_TOKEN_HEADER)
    authorization = f"Bearer {key}" if key else request.headers.get("authorization")
    caller = require_login(await find_caller(request, services, authorization))
    caller.require_scope(Scope.READ)
    return caller


def require_login(caller: Caller) -> Caller:
    """Return the caller. Raises Refused 401 unless they are logged in."""
    if caller.user_id is None:
        raise Refused(401, NO_ACCESS)
    return caller


Anybody = Annotated[Caller, Depends(_anybody)]
LoggedIn = Annotated[Caller, Depends(_user)]
ReaderByAnyHeader = Annotated[Caller, Depends(_reader_by_any_header)]


def _allowed(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    async def check(caller: LoggedIn) -> Caller:
        caller.require_scope(scope)
        return caller

    return check


async def _person(caller: LoggedIn) -> Caller:
    """Return the caller. Raises Problem 403 for API keys."""
    caller.require_person()
    return caller


Person = Annotated[Caller, Depends(_person)]
Reader = Annotated[Caller, Depends(_allowed(Scope.READ))]
Configurer = Annotated[Caller, Depends(_allowed(Scope.CONFIGURE))]
Manager = Annotated[Caller, Depends(_allowed(Scope.MANAGE))]


def parse_id(text: str, what: str) -> int:
    """Return an id. Raises Refused: 422 if it is not a whole number, 404 if no row can have it."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise Refused(422, "The id in the path must be a whole number.")
    if len(digits) > 10 or not 1 <= int(text) <= LARGEST_ID:
        raise not_found(f"{what} {text[:20]}")
    return int(text)


def _id_of(what: str) -> Callable[..., Awaitable[int]]:
    async def read(text: _IdText) -> int:
        return parse_id(text, what)

    return read


UserId = Annotated[int, Depends(_id_of("User"))]
SensorId = Annotated[int, Depends(_id_of("Sensor"))]
PlantId = Annotated[int, Depends(_id_of("Plant"))]
GeneralPlantId = Annotated[int, Depends(_id_of("General plant"))]


def body_of(model: type[Document], most_bytes: int = MOST_BODY_BYTES) -> Callable[..., Awaitable[Document]]:
    """Return a dependency that parses the request's body into this model."""

    async def read(request: Request) -> Document:
        document: Any = await read_json(request, most_bytes)
        if (
            isinstance(document, dict)
            and empty_as_null(document.get("id")) is not None
            and request.method == "POST"
        ):
            raise Refused(
                422, "Leave out the id: the server assigns it, and POST does not change existing rows."
            )
        return parse_body(model, document)

    return read
