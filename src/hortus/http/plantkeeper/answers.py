"""How this API refuses: errors as NestJS writes them.

{"message": "Sensor 7 does not exist.", "error": "Not Found", "statusCode": 404}
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from hortus.base.errors import HortusError, OperationalError, UsageError
from hortus.http.conventions.documentation import Responses
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.replies import JsonReply

NO_ACCESS = "You do not have access to this route"
"""The original's words for a missing or wrong token."""

_RETRY_SECONDS = 5
_ROLLED_BACK = "40"  # a class of SQLSTATE
_LOCK_NOT_AVAILABLE = "55P03"
_FOREIGN_KEY_VIOLATION = "23503"

_WHEN = {
    400: "The body is not JSON.",
    401: "No valid token was sent, or user and password do not fit together.",
    403: "The caller may know of this, but not do it.",
    404: "It does not exist, or the caller may not know of it.",
    409: "Plants are of this species.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A value cannot be.",
    429: "Too many requests.",
    503: "The database does not answer, or the reading could not be stored in time. Try again.",
}


class Error(TypedDict):
    """What is wrong, in the shape of NestJS."""

    message: str
    error: str
    statusCode: int


class Refused(HortusError):
    """A request that is refused, in the original's words where it has some."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def not_found(what: str) -> Refused:
    """Return the refusal for what is not there, or must not be known of."""
    return Refused(404, f"{what} does not exist, or is not yours.")


def refusals(*statuses: int) -> Responses:
    """Return the documentation of responses that refuse a request."""
    return {
        status: {"model": Error, "description": f"{HTTPStatus(status).phrase}. {_WHEN[status]}"}
        for status in statuses
    }


ALWAYS = refusals(429, 503)
LOGGED_IN = refusals(401, 403)
WITH_ID = refusals(404, 422)
WITH_BODY = refusals(400, 413, 415, 422)


def error_reply(status: int, message: str, headers: Mapping[str, str] | None = None) -> JsonReply[Error]:
    """Return an error in NestJS's shape."""
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    document: Error = {"message": message, "error": HTTPStatus(status).phrase, "statusCode": status}
    return JsonReply(document, status_code=status, headers=headers)


def unexpected_fault() -> Response:
    """Return the answer to a request that failed for a reason that nobody foresaw."""
    return error_reply(500, "Internal server error")


def refuse_in_this_shape(app: FastAPI) -> None:
    """Let the application answer whatever its endpoints raise in NestJS's shape."""
    for kind in (HortusError, DBAPIError, HTTPException):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    match error:
        case HTTPException():
            # Nothing else raises it than a path or method that nobody answers; these are the original's words.
            return error_reply(404, f"Cannot {request.method} {request.url.path}")
        case Refused():
            return error_reply(error.status, str(error), error.headers)
        case Problem():
            return _answer_to_problem(error)
        case UsageError():
            return error_reply(422, str(error))
        case OperationalError():
            return error_reply(503, str(error), {"Retry-After": str(_RETRY_SECONDS)})
    state = _sqlstate(error)
    if state.startswith(_ROLLED_BACK) or state == _LOCK_NOT_AVAILABLE:
        return error_reply(503, "Somebody else changed the same at the same moment.", {"Retry-After": "1"})
    if state == _FOREIGN_KEY_VIOLATION:
        return error_reply(404, "What this belongs to was deleted meanwhile.")
    raise error


def _answer_to_problem(problem: Problem) -> Response:
    status = problem.status
    if problem.kind == "/probs/invalid-parameters" or problem.members.get("category") == "semantic":
        status = 422  # it was read, and is not what is expected here
    message = NO_ACCESS if status == 401 else problem.detail or problem.title
    return error_reply(status, message, problem.headers)


def _sqlstate(error: Any) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
