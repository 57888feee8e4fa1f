"""Answers in the shape that PlantKeeper's clients read: rows as JSON, and errors as NestJS writes them.

{"message": "Sensor 7 does not exist.", "error": "Not Found", "statusCode": 404}
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.responses import Response

from hortus.base.errors import HortusError, OperationalError, UsageError
from hortus.http.conventions.json_body import JsonBody, parse_body, read_json
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.replies import JsonReply

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
Document = TypeVar("Document", bound=JsonBody)

MOST_BODY_BYTES = 100 * 1024
"""As the original (plantkeeper 4)."""

NO_ACCESS = "You do not have access to this route"
"""The original's words for a missing or wrong token."""

_RETRY_SECONDS = 5
_ROLLED_BACK = "40"  # a class of SQLSTATE
_LOCK_NOT_AVAILABLE = "55P03"
_FOREIGN_KEY_VIOLATION = "23503"


class Refused(HortusError):
    """A request that is refused, in the original's words where it has some."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def not_found(what: str) -> Refused:
    """Return the refusal for what is not there, or must not be known of."""
    return Refused(404, f"{what} does not exist, or is not yours.")


def answering(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with every failure answered in this API's shape."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:  # noqa: BLE001  (the edge: whatever it is, the client gets its shape)
            return _answer_to(request, error)

    return answer


def json_reply(content: Any, status_code: int = 200) -> Response:
    """Return rows as JSON."""
    return JsonReply(content, status_code=status_code)


def error_reply(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error in NestJS's shape."""
    document = {"message": message, "error": HTTPStatus(status).phrase, "statusCode": status}
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    return Response(orjson.dumps(document), status_code=status, headers=headers, media_type="application/json")


def unrouted(request: Request) -> Response:
    """Answer a path or method that nobody answers, in the original's words."""
    return error_reply(404, f"Cannot {request.method} {request.url.path}")


def format_time(moment: datetime | None) -> str | None:
    """Return a time as JavaScript writes it: UTC, three digits of a second, Z."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def id_in_path(request: Request, what: str) -> int:
    """Return the id in the path. Raises Refused: 422 for no whole number, 404 for one that no row can have."""
    text = request.path_params["id"]
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise Refused(422, "The id in the path must be a whole number.")
    if len(digits) > 10 or not 1 <= int(text) <= LARGEST_ID:
        raise not_found(f"{what} {text[:20]}")
    return int(text)


async def body_of(request: Request, model: type[Document]) -> Document:
    """Return the body. Raises Problem, or Refused 422 if it names an id: rows get theirs from the server."""
    document = await read_json(request, MOST_BODY_BYTES)
    if isinstance(document, dict) and document.get("id") is not None and request.method == "POST":
        raise Refused(422, "Leave id out: new rows get theirs from the server, and POST changes none.")
    return parse_body(model, document)


def _answer_to(request: Request, error: Exception) -> Response:
    state = _sqlstate(error)
    match error:
        case Refused():
            return error_reply(error.status, str(error), error.headers)
        case Problem():
            return _answer_to_problem(error)
        case UsageError():
            return error_reply(422, str(error))
        case OperationalError():
            return error_reply(503, str(error), {"Retry-After": str(_RETRY_SECONDS)})
        case DBAPIError() if state.startswith(_ROLLED_BACK) or state == _LOCK_NOT_AVAILABLE:
            return error_reply(503, "Somebody else changed the same at the same moment.", {"Retry-After": "1"})
        case DBAPIError() if state == _FOREIGN_KEY_VIOLATION:
            return error_reply(404, "What this belongs to was deleted meanwhile.")
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_reply(500, "Internal server error")


def _answer_to_problem(problem: Problem) -> Response:
    status = problem.status
    if problem.kind == "/probs/invalid-parameters" or problem.members.get("category") == "semantic":
        status = 422  # it was read, and is not what is expected here
    message = NO_ACCESS if status == 401 else problem.detail or problem.title
    return error_reply(status, message, problem.headers)


def _sqlstate(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
