"""What a request gets that cannot be answered as asked: a problem document (RFC 9457; http-api 1.7)."""

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
"""Why a parameter is refused, in the JSON form of http-api 1.7."""

ALREADY_EXISTS = "alreadyExists"
ALREADY_ACTIVATED = "alreadyActivated"
MUST_BE_EMAIL_ADDRESS = "mustBeEmailAddress"
NOT_FOUND = "notFound"
OTHER = "other"

TokenCategory = Literal["missing", "malformed", "expired"]
JsonCategory = Literal["syntactic", "semantic", "prematureEnd", "other"]

_TOKEN_TITLES: dict[TokenCategory, str] = {
    "missing": "Your request misses the Authorization header.",
    "malformed": "Your request Authorization header was malformed.",
    "expired": "Your request access token was expired.",
}


class Problem(HortusError):
    """A request that is refused. `members` are further members of the document, `headers` of the response."""

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

    Both bounds are always there: the front-end prints a raw placeholder for a missing one (http-api 1.7).
    """
    return {"mustHaveLengthBetween": {"min": minimum, "max": maximum}}


def in_range(minimum: float, maximum: float) -> Reason:
    """Return the reason for a number that is too small or too large."""
    return {"mustBeInRange": {"min": minimum, "max": maximum}}


def invalid_token(category: str) -> Reason:
    """Return the reason for a token in a body that is not accepted: `expired` or `malformed`."""
    return {"invalidToken": {"category": category}}


def invalid_parameters(reasons: Mapping[str, Sequence[Reason]], detail: str | None = None) -> Problem:
    """Values that break rules; `reasons` maps the parameter's name to all that is wrong with it."""
    return Problem(
        400,
        kind="/probs/invalid-parameters",
        title="Your request parameters did not validate.",
        detail=detail,
        members={"invalidParameters": {name: list(each) for name, each in reasons.items()}},
    )


def bad_request(detail: str) -> Problem:
    """A path, query or header that cannot be read."""
    return Problem(400, detail=detail)


def invalid_json(category: JsonCategory, detail: str) -> Problem:
    """A body that is no JSON (`syntactic`, `prematureEnd`), or not what is expected here (`semantic`)."""
    return Problem(
        400,
        kind="/probs/invalid-json",
        title="Your request JSON was malformed.",
        detail=detail,
        members={"category": category},
    )


def payload_too_large(limit_bytes: int) -> Problem:
    """A body that is longer than any of ours has to be."""
    return Problem(
        413,
        kind="/probs/payload-too-large",
        title="Your request payload was too large.",
        detail=f"A request body has at most {limit_bytes} bytes.",
        members={"limit": limit_bytes},
    )


def unsupported_media_type() -> Problem:
    """A body that does not say that it is JSON."""
    return Problem(415, detail="Send the body as JSON, with Content-Type: application/json.")


def unauthorized(category: TokenCategory) -> Problem:
    """A request that somebody might make, but not without a valid token."""
    return Problem(
        401,
        kind="/probs/authorization-header",
        title=_TOKEN_TITLES[category],
        headers={"WWW-Authenticate": "Bearer"},
        members={"category": category},
    )


def forbidden(detail: str | None = None) -> Problem:
    """A request that this caller may not make, of a thing that they may know of."""
    return Problem(403, detail=detail)


def not_found() -> Problem:
    """A thing that is not there, or that this caller may not know of: nobody can tell which."""
    return Problem(404)


def conflict(detail: str) -> Problem:
    """A request that what is there, or the state that it is in, stands in the way of."""
    return Problem(409, detail=detail)


def rate_limited(wait_seconds: float, detail: str | None = None) -> Problem:
    """One request too many for now."""
    return Problem(
        429,
        kind="/probs/rate-limit",
        title="Your request has been rate limited.",
        detail=detail,
        headers={"Retry-After": str(max(1, round(wait_seconds + 0.5)))},
        members={"waitTimeMillis": max(1, round(wait_seconds * 1000))},
    )


def requires_one_super_member() -> Problem:
    """A change after which nobody could manage the kit."""
    return Problem(
        400,
        kind="/probs/kits-require-one-super-member",
        title="Kits must have at least one member with super access",
    )


def unavailable(detail: str, retry_seconds: int) -> Problem:
    """Nothing is wrong with the request; it may be made again."""
    return Problem(503, detail=detail, headers={"Retry-After": str(retry_seconds)})


def gone(detail: str) -> Problem:
    """A thing that was there, and is not kept any more."""
    return Problem(410, detail=detail)


def kit_rpc(error: str, detail: str | None, *, status: int = 502, **members: Any) -> Problem:
    """A kit that did not do what it was asked; `error` is a name of http-api 4.11."""
    return Problem(
        status,
        kind="/probs/kit-rpc",
        title="There was an issue with the kit RPC response",
        detail=detail,
        members={"kitRpcResponseError": error, **members},
    )
