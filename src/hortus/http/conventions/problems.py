"""Error responses of the API: problem documents (RFC 9457; http-api 1.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

import orjson
from starlette.responses import Response

from hortus.base.errors import HortusError

MEDIA_TYPE = "application/problem+json"
"""Without a charset parameter: the front-end compares the header for equality (http-api 1.2)."""

BLANK = "about:blank"

Reason = str | Mapping[str, Mapping[str, Any]]
"""Why a parameter is invalid, in the JSON form of http-api 1.7."""

ALREADY_EXISTS = "alreadyExists"
ALREADY_ACTIVATED = "alreadyActivated"
MUST_BE_EMAIL_ADDRESS = "mustBeEmailAddress"
NOT_FOUND = "notFound"
OTHER = "other"

_MOST_NAMES = 5
_MOST_NAME_CHARACTERS = 50

TokenCategory = Literal["missing", "malformed", "expired"]
JsonCategory = Literal["syntactic", "semantic", "prematureEnd", "other"]

_TOKEN_TITLES: dict[TokenCategory, str] = {
    "missing": "Your request misses the Authorization header.",
    "malformed": "Your request Authorization header was malformed.",
    "expired": "Your request access token was expired.",
}


class Problem(HortusError):
    """A refused request. `members` are further members of the document, `headers` those of the response."""

    def __init__(
        self,
        status: int,
        *,
        kind: str = BLANK,
        title: str | None = None,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.kind = kind
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        super().__init__(detail or self.title)

    def response(self) -> Response:
        """Return the document as a response."""
        document = {"type": self.kind, "title": self.title, "status": self.status, **self.members}
        if self.detail is not None:
            document["detail"] = self.detail
        return Response(
            orjson.dumps(document), status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def length_between(minimum: int, maximum: int) -> Reason:
    """Return the reason for a text that is too short or too long, in characters.

    Both bounds are always included: the front-end prints a raw placeholder for a missing one (http-api 1.7).
    """
    return {"mustHaveLengthBetween": {"min": minimum, "max": maximum}}


def in_range(minimum: float, maximum: float) -> Reason:
    """Return the reason for a number that is too small or too large."""
    return {"mustBeInRange": {"min": minimum, "max": maximum}}


def invalid_token(category: str) -> Reason:
    """Return the reason for an invalid token in a body: `expired` or `malformed`."""
    return {"invalidToken": {"category": category}}


def invalid_parameters(reasons: Mapping[str, Sequence[Reason]], detail: str | None = None) -> Problem:
    """Return the problem for invalid values; `reasons` maps each parameter's name to all of its errors."""
    return Problem(
        400,
        kind="/probs/invalid-parameters",
        title="Your request parameters did not validate.",
        detail=detail,
        members={"invalidParameters": {name: list(each) for name, each in reasons.items()}},
    )


def bad_request(detail: str) -> Problem:
    """Return the problem for a malformed path, query or header."""
    return Problem(400, detail=detail)


def unknown_parameters(unknown: Sequence[str], known: Sequence[str]) -> Problem:
    """Return the problem for query parameters that an endpoint does not have."""
    names = ", ".join(name[:_MOST_NAME_CHARACTERS] for name in unknown[:_MOST_NAMES])
    there_are = f"It has {', '.join(known)}." if known else "It has none."
    return Problem(422, detail=f"This endpoint has no query parameter {names}. {there_are}")


def invalid_json(category: JsonCategory, detail: str) -> Problem:
    """Return the problem for invalid JSON (`syntactic`, `prematureEnd`) or unexpected JSON (`semantic`)."""
    return Problem(
        400,
        kind="/probs/invalid-json",
        title="Your request JSON was malformed.",
        detail=detail,
        members={"category": category},
    )


def payload_too_large(limit_bytes: int) -> Problem:
    """Return the problem for a body that exceeds the limit."""
    return Problem(
        413,
        kind="/probs/payload-too-large",
        title="Your request payload was too large.",
        detail=f"A request body may have at most {limit_bytes} bytes.",
        members={"limit": limit_bytes},
    )


def unsupported_media_type() -> Problem:
    """Return the problem for a body that is not declared as JSON."""
    return Problem(415, detail="Send the body as JSON, with Content-Type: application/json.")


def unauthorized(category: TokenCategory) -> Problem:
    """Return the problem for a request that needs a valid token."""
    return Problem(
        401,
        kind="/probs/authorization-header",
        title=_TOKEN_TITLES[category],
        headers={"WWW-Authenticate": "Bearer"},
        members={"category": category},
    )


def forbidden(detail: str | None = None) -> Problem:
    """Return the problem for an action this caller may not perform on something they can see."""
    return Problem(403, detail=detail)


def not_found() -> Problem:
    """Return the problem for something that does not exist or is hidden: callers cannot tell which."""
    return Problem(404)


def conflict(detail: str) -> Problem:
    """Return the problem for a request that conflicts with existing data or its state."""
    return Problem(409, detail=detail)


def rate_limited(wait_seconds: float, detail: str | None = None) -> Problem:
    """Return the problem for too many requests."""
    return Problem(
        429,
        kind="/probs/rate-limit",
        title="Your request has been rate limited.",
        detail=detail,
        headers={"Retry-After": str(max(1, round(wait_seconds + 0.5)))},
        members={"waitTimeMillis": max(1, round(wait_seconds * 1000))},
    )


def requires_one_super_member() -> Problem:
    """Return the problem for a change that would leave a kit without anyone to manage it."""
    return Problem(
        400,
        kind="/probs/kits-require-one-super-member",
        title="Kits must have at least one member with super access",
    )


def unavailable(detail: str, retry_seconds: int) -> Problem:
    """Return the problem for a valid request that cannot be served now and may be retried."""
    return Problem(503, detail=detail, headers={"Retry-After": str(retry_seconds)})


def gone(detail: str) -> Problem:
    """Return the problem for something that existed but is no longer kept."""
    return Problem(410, detail=detail)


def kit_rpc(error: str, detail: str | None, *, status: int = 502, **members: Any) -> Problem:
    """Return the problem for a failed request to a kit; `error` is a name of http-api 4.11."""
    return Problem(
        status,
        kind="/probs/kit-rpc",
        title="There was an issue with the kit RPC response",
        detail=detail,
        members={"kitRpcResponseError": error, **members},
    )
