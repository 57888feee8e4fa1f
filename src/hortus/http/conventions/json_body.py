"""Reading a JSON body: bounded, strict about types, lenient about unknown keys (http-api 1.2, 1.3)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from itertools import chain
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from hortus.http.conventions.problems import (
    Problem,
    invalid_json,
    payload_too_large,
    unsupported_media_type,
)
from hortus.http.conventions.texts import require_clean

MOST_BODY_BYTES = 2_097_152
MOST_ANONYMOUS_BODY_BYTES = 65_536
"""Limit for anonymous callers: parsing a large document blocks everyone else for a second.

What they may send, to log in or sign up, is a hundredth of it.
"""

MOST_LEVELS = 64
"""Depth limit: no legitimate document is nested deeper, and kits and browsers would choke on it."""

MOST_VALUES = 50_000
"""Limit on the number of values in one body: checking more takes so long that others have to wait.

A single text may fill a whole body.
"""

_LIMIT = "hortus.most_body_bytes"
_JSON = re.compile(r"application/([\w.+-]+\+)?json", re.IGNORECASE | re.ASCII)

Document = TypeVar("Document", bound="JsonBody")


class JsonBody(BaseModel):
    """A request body: camelCase keys, exact types, unknown keys ignored.

    Absent keys are not in `model_fields_set`.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, alias_generator=to_camel)


def limit_anonymous_body(request: Request) -> None:
    """Limit the body of this request to MOST_ANONYMOUS_BODY_BYTES."""
    request.scope[_LIMIT] = MOST_ANONYMOUS_BODY_BYTES


def json_body(model: type[Document]) -> Callable[[Request], Awaitable[Document]]:
    """Return a dependency that parses the request's body into this model."""

    async def read(request: Request) -> Document:
        return parse_body(model, await read_json(request))

    return read


async def read_json(request: Request, most_bytes: int = MOST_BODY_BYTES) -> Any:
    """Return the JSON value of the body. Raises Problem 400, 413 or 415."""
    _require_json_type(request)
    return _parse_json(await read_bytes(request, most_bytes))


async def read_optional_json(request: Request) -> Any | None:
    """Return the JSON value of the body, or None if there is no body, whatever the content type."""
    body = await read_bytes(request)
    if not body:
        return None
    _require_json_type(request)
    return _parse_json(body)


async def read_bytes(request: Request, most_bytes: int = MOST_BODY_BYTES) -> bytes:
    """Return the body. Raises Problem 413 before more than the limit is in memory."""
    most_bytes = min(most_bytes, request.scope.get(_LIMIT, most_bytes))
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > most_bytes:
        raise payload_too_large(most_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise payload_too_large(most_bytes)
    return bytes(body)


def parse_body(model: type[Document], value: Any) -> Document:
    """Return the value as a model.

    Raises Problem 400 that names the first unexpected value, or all texts with forbidden characters.
    """
    if not isinstance(value, dict):
        raise invalid_json("semantic", "The body must be a JSON object.")
    try:
        document = model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        message = first["msg"].removeprefix("Value error, ")
        # Lower-case only the first letter: the rest may contain literal values.
        reason = message[:1].lower() + message[1:]
        raise invalid_json("semantic", f"{place}: {reason}.") from error
    require_clean(document)
    return document


def _require_json_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if not _JSON.fullmatch(content_type):
        raise unsupported_media_type()


def _parse_json(body: bytes) -> Any:
    # Every value except the first of a list or object follows a comma. Counting them takes a millisecond.
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        raise invalid_json("semantic", f"The body contains more than {MOST_VALUES} values.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from error
    _require_storable(value)
    return value


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> Problem:
    # The decoder's position is past the last character if the document ends too early.
    ended_early = error.pos >= len(body.decode("utf-8", "replace").rstrip())
    return invalid_json("prematureEnd" if ended_early else "syntactic", f"The body is not JSON: {error.msg}.")


def _require_storable(value: Any) -> None:
    """Reject values that the database cannot store: the character U+0000, and excessive nesting."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        if any(isinstance(each, str) and "\0" in each for each in level):
            raise invalid_json("semantic", "The character U+0000 cannot be stored.")
        level = [part for each in level if isinstance(each, dict | list) for part in _parts(each)]
        if not level:
            return
    raise invalid_json("semantic", f"The body is nested more than {MOST_LEVELS} levels deep.")


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return chain(value, value.values()) if isinstance(value, dict) else value
