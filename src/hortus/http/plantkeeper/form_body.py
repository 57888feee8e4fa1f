"""Bodies in the encoding of HTML forms, which the original reads beside JSON (plantkeeper 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request

from hortus.http.conventions.documentation import request_body
from hortus.http.conventions.json_body import JsonBody, parse_body, read_bytes
from hortus.http.plantkeeper.answers import Refused
from hortus.http.plantkeeper.requests import MOST_BODY_BYTES, body_of

Document = TypeVar("Document", bound=JsonBody)

FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_MOST_FIELDS = 20


def form_or_json_of(model: type[Document]) -> Callable[..., Awaitable[Document]]:
    """Return a dependency that parses the request's body, a form or JSON, into this model of texts."""
    of_json = body_of(model)

    async def read(request: Request) -> Document:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == FORM:
            return parse_body(model, _fields(await read_bytes(request, MOST_BODY_BYTES)))
        if "json" not in content_type:
            raise Refused(415, f"Send the body with Content-Type: {_JSON}, or {FORM} from a form.")
        return await of_json(request)

    return read


def form_or_json(model: type[JsonBody]) -> dict[str, Any]:
    """Return the documentation of a body that is a form or JSON."""
    documented = request_body(model)
    content = documented["requestBody"]["content"]
    content[FORM] = content[_JSON]
    return documented


def _fields(body: bytes) -> dict[str, str]:
    """Return the fields of a form. Raises Refused."""
    try:
        plain = body.decode("ascii")
        pairs = parse_qsl(plain, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        message = f"The form is not encoded in UTF-8, or has more than {_MOST_FIELDS} fields."
        raise Refused(400, message) from error
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refused(422, "A field of the form occurs twice.")
    if any("\0" in text for text in fields.values()):
        raise Refused(422, "The character U+0000 cannot be stored.")
    return fields
