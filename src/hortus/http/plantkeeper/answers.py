"""Error responses of this API, in the format of NestJS.

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
from hortus.http.server.public_path import path_below

NO_ACCESS = "You do not have access to this route"
"""The original's text for a missing or wrong token."""

_RETRY_SECONDS = 5
_ROLLED_BACK = "40"  # a SQLSTATE class
_LOCK_NOT_AVAILABLE = "55P03"
_FOREIGN_KEY_VIOLATION = "23503"

_WHEN = {
    400: "The body is not valid JSON.",
    401: "A valid token is required, or the user name or password is wrong.",
    403: "The caller is not allowed to do this.",
    404: "The resource does not exist, or the caller may not see it.",
    409: "The species is used by plants.",
    413: "The body is too large.",
    415: "The body does not have the required media type.",
    422: "A value is invalid.",
    429: "Too many requests.",
    503: "The database is not answering, or the reading could not be stored in time. Try again.",
}


class Error(TypedDict):
    """An error in the format of NestJS."""

    message: str
    error: str
    statusCode: int


class Refused(HortusError):
    """A refused request, with the original's message where it has one."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def not_found(what: str) -> Refused:
    """Return the error for something that does not exist or is hidden from the caller."""
    return Refused(404, f"{what} does not exist, or is not yours.")


def refusals(*statuses: int) -> Responses:
    """Return the documentation of error responses."""
    return {
        status: {"model": Error, "description": f"{HTTPStatus(status).phrase}. {_WHEN[status]}"}
        for status in statuses
    }


ALWAYS = refusals(429, 503)
LOGGED_IN = refusals(401, 403)
WITH_ID = refusals(404, 422)
WITH_BODY = refusals(400, 413, 415, 422)


def error_reply(status: int, message: str, headers: Mapping[str, str] | None = None) -> JsonReply[Error]:
    """Return an error response in NestJS's format."""
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    document: Error = {"message": message, "error": HTTPStatus(status).phrase, "statusCode": status}
    return JsonReply(document, status_code=status, headers=headers)


def unexpected_fault() -> Response:
    """Return the response to a request that failed unexpectedly."""
    return error_reply(500, "Internal server error")


def refuse_in_this_shape(app: FastAPI) -> None:
    """Register error handlers that answer in NestJS's format."""
    for kind in (HortusError, DBAPIError, HTTPException):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    match error:
        case HTTPException():
            # Raised only for a path or method without an endpoint; this is the original's message.
            return error_reply(404, f"Cannot {request.method} {path_below(request.scope)}")
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
        return error_reply(
            503, "Someone else changed the same data at the same time. Try again.", {"Retry-After": "1"}
        )
    if state == _FOREIGN_KEY_VIOLATION:
        return error_reply(404, "The resource that this belongs to has been deleted.")
    raise error


def _answer_to_problem(problem: Problem) -> Response:
    status = problem.status
    if problem.kind == "/probs/invalid-parameters" or problem.members.get("category") == "semantic":
        status = 422  # valid JSON, but not what this endpoint expects
    message = NO_ACCESS if status == 401 else problem.detail or problem.title
    return error_reply(status, message, problem.headers)


def _sqlstate(error: Any) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
