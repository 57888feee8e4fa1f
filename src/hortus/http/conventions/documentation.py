"""The parts of the OpenAPI document that are common to all operations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
        "detail": {"type": "string", "description": "A sentence for people."},
        "category": {"type": "string"},
        "limit": {"type": "integer", "description": "In bytes."},
        "waitTimeMillis": {"type": "integer"},
        "kitRpcResponseError": {
            "type": "string",
            "description": "How the request to the kit failed: `TimedOut`, `MalformedResponse`, "
            "`InvalidResponse`, `RpcError(…)`, `CommandFailed`, `KitOffline` or `NotSent`.",
        },
        "commandId": {"type": "integer", "description": "The id of the command in the kit's ledger."},
        "offlineSince": {"type": ["string", "null"], "format": "date-time"},
        "invalidParameters": {
            "type": "object",
            "description": "All validation errors, by parameter name.",
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
    400: "The request is malformed, or one of its values is invalid.",
    401: "A valid token is required.",
    403: "The caller is not allowed to do this.",
    404: "The resource does not exist, or the caller may not see it.",
    409: "The request conflicts with existing data or its current state; see `detail`.",
    410: "The resource existed, but is no longer kept.",
    413: "The body is too large.",
    415: "The body does not have the required media type.",
    422: "The endpoint has no query parameter of this name; see `detail`.",
    426: "The request does not ask for a WebSocket.",
    429: "Too many requests. Try again after `waitTimeMillis`.",
    502: "The kit is offline, did not answer, or answered with an error; see `kitRpcResponseError`.",
    501: "This server lacks an optional component that the operator can install.",
    503: "The database is not answering, or too many people are logging in. Try again.",
    504: "The kit did not answer in time.",
}


def problems(*statuses: int) -> Responses:
    """Return the documentation of problem document responses."""
    return {
        status: {
            "description": _WHEN[status],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM_REFERENCE}},
        }
        for status in statuses
    }


COMMON_PROBLEMS = problems(400, 429, 503)
HIDDEN = problems(401, 404)
"""For resources of a kit that may be private."""
GUARDED = problems(401, 403, 404)
"""For actions that not everyone who sees a kit may perform."""
WITH_BODY = problems(413, 415)


def next_page(header: str, example: str) -> Responses:
    """Return the documentation of a successful page whose header links to the next page."""
    return {
        200: {
            "description": "One page of results.",
            "headers": {
                header: {
                    "description": "The address of the next page, relative to the base URL of the API. "
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
    """Return FastAPI's OpenAPI document, with the schemas of request bodies moved to the components."""
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=routes)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for operations in schema["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                operation["requestBody"] = _without_definitions(operation["requestBody"], schemas)
    return schema


def document(
    app: FastAPI, endpoints: Sequence[BaseRoute], lenient: Collection[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Return the OpenAPI document of an API that answers with problem documents. It is built once.

    The `lenient` routes (methods and paths) ignore unknown query parameters.
    """
    if app.openapi_schema is None:
        schema = describe(app, endpoints)
        components = schema["components"]
        schemas = components["schemas"]
        # FastAPI's own validation errors are never sent.
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
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                responses = operation["responses"]
                responses.pop(str(HTTPStatus.UNPROCESSABLE_ENTITY.value), None)
                if (method.upper(), path) not in lenient:
                    responses |= {str(status): each for status, each in problems(422).items()}
                for status, response in COMMON_PROBLEMS.items():
                    responses.setdefault(str(status), response)
        app.openapi_schema = schema
    return app.openapi_schema


def _without_definitions(body: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the body without `$defs`, which are added to the schemas. The original is a route's."""
    contents = {}
    for media_type, content in body["content"].items():
        schema = dict(content["schema"])
        schemas |= schema.pop("$defs", {})
        contents[media_type] = {**content, "schema": schema}
    return {**body, "content": contents}
