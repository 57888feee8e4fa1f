"""What the OpenAPI document says about every operation alike, and the page that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

_PROBLEM_REFERENCE = {"$ref": "#/components/schemas/Problem"}

_PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "An RFC 9457 problem document; further members depend on `type`.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {
            "type": "string",
            "enum": [
                "about:blank",
                "/probs/authorization-header",
                "/probs/invalid-json",
                "/probs/invalid-parameters",
                "/probs/kit-rpc",
                "/probs/kits-require-one-super-member",
                "/probs/payload-too-large",
                "/probs/rate-limit",
            ],
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "One sentence for a person."},
        "category": {"type": "string"},
        "limit": {"type": "integer", "description": "In bytes."},
        "waitTimeMillis": {"type": "integer"},
        "kitRpcResponseError": {
            "type": "string",
            "description": "What went wrong with a kit: `TimedOut`, `MalformedResponse`, `InvalidResponse`, "
            "`RpcError(…)`, `CommandFailed`, `KitOffline` or `NotSent`.",
        },
        "commandId": {"type": "integer", "description": "The command's line in the kit's ledger."},
        "offlineSince": {"type": ["string", "null"], "format": "date-time"},
        "invalidParameters": {
            "type": "object",
            "description": "Maps the name of a parameter to everything that is wrong with it.",
            "additionalProperties": {"type": "array", "items": {"type": ["string", "object"]}, "minItems": 1},
        },
    },
    "example": {
        "type": "/probs/invalid-parameters",
        "title": "Your request parameters did not validate.",
        "status": 400,
        "invalidParameters": {"name": [{"mustHaveLengthBetween": {"min": 1, "max": 40}}]},
    },
}

_WHEN = {
    400: "The request cannot be read, or a value in it breaks a rule.",
    401: "No valid token was sent, and without one this cannot be done or even seen.",
    403: "The caller may know of this, but not do it.",
    404: "There is no such thing, or the caller may not know of it.",
    409: "What is there stands in the way, or the state that it is in; `detail` says what.",
    410: "It was there, and is not kept any more.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    426: "The request does not ask for a WebSocket.",
    429: "Too many requests; `waitTimeMillis` tells when to try again.",
    502: "The kit is offline, did not answer, or answered with an error; `kitRpcResponseError` tells.",
    501: "This server lacks what is needed for it; the operator can install it.",
    503: "The database does not answer, or too many people log in at the moment. Try again.",
    504: "The kit did not answer in time.",
}


def problems(*statuses: int) -> Responses:
    """Return the documentation of responses that are problem documents."""
    return {
        status: {
            "description": _WHEN[status],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM_REFERENCE}},
        }
        for status in statuses
    }


COMMON_PROBLEMS = problems(400, 429, 503)
HIDDEN = problems(401, 404)
"""For what belongs to a kit that not everybody may see."""
GUARDED = problems(401, 403, 404)
"""For what only some of those who see a kit may do."""
WITH_BODY = problems(413, 415)


def next_page(header: str, example: str) -> Responses:
    """Return the documentation of a successful page whose header tells where the next one is."""
    return {
        200: {
            "description": "A page.",
            "headers": {
                header: {
                    "description": "Where the next page is, relative to the base of the API. "
                    "Absent on the last page.",
                    "schema": {"type": "string"},
                    "example": example,
                }
            },
        }
    }


def request_body(model: type[JsonBody], example: object = None, *, required: bool = True) -> dict[str, Any]:
    """Return the documentation of a request's body."""
    schema = model.model_json_schema(mode="validation", ref_template="#/components/schemas/{model}")
    schema.pop("description", None)
    content = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


def describe(app: FastAPI, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Return the OpenAPI document as FastAPI makes it, with what bodies refer to among the components."""
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=routes)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for operations in schema["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                operation["requestBody"] = _without_definitions(operation["requestBody"], schemas)
    return schema


def document(app: FastAPI, endpoints: Sequence[BaseRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of an API that answers problems, made once."""
    if app.openapi_schema is None:
        schema = describe(app, endpoints)
        components = schema["components"]
        schemas = components["schemas"]
        # FastAPI's own form of a validation error is never sent.
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = _PROBLEM_SCHEMA
        components["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token from `POST /me/auth` or `POST /me/refresh`, or an API key.",
            }
        }
        schema["security"] = [{}, {"bearer": []}]
        for operations in schema["paths"].values():
            for operation in operations.values():
                responses = operation["responses"]
                responses.pop(str(HTTPStatus.UNPROCESSABLE_ENTITY.value), None)
                for status, response in COMMON_PROBLEMS.items():
                    responses.setdefault(str(status), response)
        app.openapi_schema = schema
    return app.openapi_schema


def _without_definitions(body: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the body without `$defs`, which are added to the schemas. The body itself belongs to a route."""
    contents = {}
    for media_type, content in body["content"].items():
        schema = dict(content["schema"])
        schemas |= schema.pop("$defs", {})
        contents[media_type] = {**content, "schema": schema}
    return {**body, "content": contents}
