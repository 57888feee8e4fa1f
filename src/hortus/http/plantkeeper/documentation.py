"""The OpenAPI document of this API. test_plantkeeper_document.py holds it to what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from hortus import __version__
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.plantkeeper.general_plants_api import GeneralPlantChangeBody, NewGeneralPlantBody
from hortus.http.plantkeeper.plants_api import NewPlantBody, PlantChangeBody
from hortus.http.plantkeeper.sensors_api import NewSensorBody
from hortus.http.plantkeeper.users_api import LogInBody, NewUserBody, UserChangeBody

Schema = dict[str, Any]

_DESCRIPTION = """\
What PlantKeeper's clients read and write, on the kits and plants of this installation: users, sensors (boards),
plants and general plants (species). Log in with `POST /auth/login`; what it answers is good for a day. The API
of Hortus itself is described at `/api/docs`.
"""

_WHOLE: Schema = {"type": ["integer", "null"]}
_NUMBER: Schema = {"type": ["number", "null"]}
_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_ID: Schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
_ID_OR_NULL: Schema = {"type": ["integer", "null"]}
_TIME: Schema = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}


def _row(description: str, /, **members: Schema) -> Schema:
    return {"type": "object", "description": description, "required": list(members), "properties": members}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _rows(name: str) -> Schema:
    return {"type": "array", "items": _reference(name)}


_USER = {
    "username": _TEXT,
    "email": _TEXT,
    "role": {"type": "string", "enum": ["Admin", "User"]},
    "id": _ID,
    "createdAt": _TIME,
    "updatedAt": _TIME,
}
_GENERAL_PLANT = {
    "id": _ID,
    "image": _TEXT_OR_NULL,
    "type": _TEXT,
    "humidityMin": _WHOLE,
    "humidityMax": _WHOLE,
    "lightMin": _WHOLE,
    "lightMax": _WHOLE,
    "temperatureMin": _NUMBER,
    "temperatureMax": _NUMBER,
    "description": _TEXT,
    "createdAt": _TIME,
    "updatedAt": _TIME,
}
_SENSOR_VALUES = {"sensorHumidity": _WHOLE, "sensorLight": _WHOLE, "sensorTemperature": _NUMBER}

_SCHEMAS: dict[str, Schema] = {
    "Error": _row(
        "What is wrong, in the shape of NestJS.",
        message=_TEXT,
        error=_TEXT,
        statusCode={"type": "integer", "minimum": 400, "maximum": 599},
    ),
    "LoggedIn": _row("A token for a day.", access_token=_TEXT),
    "User": _row("A person.", **_USER),
    "UserWithRelations": _row(
        "A person with what they own.", **_USER, sensors=_rows("Sensor"), plants=_rows("Plant")
    ),
    "Sensor": _row(
        "A board. Values are what it measured last; humidity is the moisture of the soil.",
        id=_ID,
        userId=_ID_OR_NULL,
        name=_TEXT,
        remark=_TEXT,
        humidity=_WHOLE,
        light=_WHOLE,
        temperature=_NUMBER,
        createdAt=_TIME,
        updatedAt=_TIME,
        lastAlert=_TIME_OR_NULL,
    ),
    "SensorWithPlant": _row(
        "A board and a plant at it.",
        sensorId=_ID,
        sensorName=_TEXT,
        sensorRemark=_TEXT,
        **_SENSOR_VALUES,
        plantId=_ID_OR_NULL,
        plantName=_TEXT_OR_NULL,
    ),
    "Plant": _row(
        "A plant with its sensor.",
        id=_ID,
        image=_TEXT_OR_NULL,
        name=_TEXT,
        remark=_TEXT,
        generalPlantId=_ID_OR_NULL,
        userId=_ID_OR_NULL,
        sensorId=_ID_OR_NULL,
        createdAt=_TIME,
        updatedAt=_TIME,
        sensor={"oneOf": [_reference("Sensor"), {"type": "null"}]},
    ),
    "PlantWithGeneralPlant": _row(
        "A plant with its values and the bounds that it is judged by.",
        plantId=_ID,
        plantName=_TEXT,
        plantRemark=_TEXT,
        plantImage=_TEXT_OR_NULL,
        plantSensorId=_ID_OR_NULL,
        **_SENSOR_VALUES,
        sensorName=_TEXT_OR_NULL,
        generalPlantId=_ID_OR_NULL,
        generalPlantImage=_TEXT_OR_NULL,
        generalPlantType=_TEXT_OR_NULL,
        generalPlantHumidityMin=_WHOLE,
        generalPlantHumidityMax=_WHOLE,
        generalPlantLightMin=_WHOLE,
        generalPlantLightMax=_WHOLE,
        generalPlantTemperatureMin=_NUMBER,
        generalPlantTemperatureMax=_NUMBER,
        generalPlantDescription=_TEXT_OR_NULL,
    ),
    "GeneralPlant": _row("A species.", **_GENERAL_PLANT),
    "GeneralPlantWithPlants": _row(
        "A species with the plants of it that one may see.", **_GENERAL_PLANT, plants=_rows("Plant")
    ),
    "Reading": {
        "type": "object",
        "description": "What a board measured; null is no value. Other keys mean nothing.",
        "properties": {
            "id": {"type": ["integer", "null"], "description": "That of the path, if it is there at all."},
            "humidity": {"type": ["number", "null"]},
            "light": {"type": ["number", "null"]},
            "temperature": {"type": ["number", "null"]},
        },
    },
}

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
_ALWAYS = (429, 503)
_LOGGED_IN = (401, 403)
_WITH_BODY = (400, 413, 415, 422)
_WITH_ID = (404, 422)

_ANONYMOUS: list[dict[str, list[str]]] = [{}]
_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
_EVERYBODY: list[dict[str, list[str]]] = [{}, {"bearer": []}]


def _operation(
    tag: str,
    summary: str,
    answer: Schema | None,
    *failures: int,
    status: int = 200,
    body: type[JsonBody] | str | None = None,
    security: list[dict[str, list[str]]] = _BEARER,
) -> Schema:
    """Return the documentation of an operation. `body` is a model, or the name of a schema."""
    success: Schema = {"description": "Done." if answer is None else "As asked."}
    if answer is not None:
        success["content"] = {"application/json": {"schema": answer}}
    statuses = {
        *failures,
        *_ALWAYS,
        *(_WITH_BODY if body else ()),
        *(_LOGGED_IN if security is _BEARER else ()),
    }
    operation: Schema = {
        "tags": [tag],
        "summary": summary,
        "security": security,
        "responses": {str(status): success} | {str(each): _failure(each) for each in sorted(statuses)},
    }
    if body is not None:
        name = body if isinstance(body, str) else body.__name__
        content = {"application/json": {"schema": _reference(name)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _failure(status: int) -> Schema:
    content = {"application/json": {"schema": _reference("Error")}}
    return {"description": f"{HTTPStatus(status).phrase}. {_WHEN[status]}", "content": content}


def _hello() -> Schema:
    content = {"text/plain": {"schema": {"type": "string", "const": "Hello World!"}}}
    success = {"description": "It is up.", "content": content}
    return {"tags": ["Server"], "summary": "Is it up?", "security": _ANONYMOUS, "responses": {"200": success}}


def _operations() -> dict[str, dict[str, Schema]]:
    """Return what is answered, by path and method."""
    me = _operation("Users", "Who is logged in, with sensors and plants", _reference("UserWithRelations"))
    register = _operation("Sensors", "Register a board", _reference("Sensor"), status=201, body=NewSensorBody)
    make = _operation("Plants", "Make a plant", _reference("Plant"), status=201, body=NewPlantBody)
    return {
        "/": {"get": _hello()},
        "/auth/login": {
            "post": _operation(
                "Users",
                "Log in",
                _reference("LoggedIn"),
                401,
                status=201,
                body=LogInBody,
                security=_ANONYMOUS,
            )
        },
        "/profile": {"get": me},
        "/users": {
            "get": _operation("Users", "Everybody, for administrators", _rows("UserWithRelations")),
            "post": _operation(
                "Users",
                "Sign up, where the operator lets everybody do so",
                _reference("User"),
                403,
                status=201,
                body=NewUserBody,
                security=_ANONYMOUS,
            ),
        },
        "/users/me": {
            "get": me,
            "patch": _operation(
                "Users",
                "Change address or password; a new password needs the present one",
                _reference("UserWithRelations"),
                body=UserChangeBody,
            ),
        },
        "/users/sensors": {
            "get": _operation("Sensors", "One's own boards", _rows("Sensor")),
            "post": register,
        },
        "/users/sensors/linkedPlant": {
            "get": _operation("Sensors", "One's own boards with their plants", _rows("SensorWithPlant"))
        },
        "/users/plants": {"get": _operation("Plants", "One's own plants", _rows("Plant")), "post": make},
        "/users/plants/linkedGeneralPlant": {
            "get": _operation("Plants", "One's own plants with bounds", _rows("PlantWithGeneralPlant"))
        },
        "/users/{id}": {
            "get": _operation(
                "Users", "Oneself; anybody for administrators", _reference("UserWithRelations"), *_WITH_ID
            ),
            "delete": _operation("Users", "Delete an account; its kits and readings stay", None, *_WITH_ID),
        },
        "/sensors": {
            "get": _operation("Sensors", "Boards that one shares", _rows("Sensor")),
            "post": register,
        },
        "/sensors/{id}": {
            "get": _operation("Sensors", "A board", _reference("Sensor"), *_WITH_ID),
            "patch": _operation(
                "Sensors",
                "Store a reading; the answer comes when it is durable",
                _reference("Sensor"),
                *_LOGGED_IN,
                *_WITH_ID,
                body="Reading",
                security=[{}, {"bearer": []}, {"basic": []}],
            ),
            "delete": _operation("Sensors", "End a board; its readings stay", None, *_WITH_ID),
        },
        "/sensors/{id}/linkedPlants": {
            "get": _operation("Sensors", "A board with its plant", _reference("SensorWithPlant"), *_WITH_ID)
        },
        "/plants": {
            "get": _operation("Plants", "Plants that one may see", _rows("Plant")),
            "post": make,
        },
        "/plants/{id}": {
            "get": _operation("Plants", "A plant", _reference("Plant"), *_WITH_ID),
            "patch": _operation(
                "Plants", "Change a plant", _reference("Plant"), *_WITH_ID, body=PlantChangeBody
            ),
            "delete": _operation("Plants", "Delete a plant; what was measured stays", None, *_WITH_ID),
        },
        "/plants/{id}/linkedGeneralPlant": {
            "get": _operation("Plants", "A plant with bounds", _reference("PlantWithGeneralPlant"), *_WITH_ID)
        },
        "/general-plants": {
            "get": _operation(
                "General plants",
                "Built-in species, and one's own",
                _rows("GeneralPlantWithPlants"),
                401,
                security=_EVERYBODY,
            ),
            "post": _operation(
                "General plants",
                "Describe a species",
                _reference("GeneralPlant"),
                status=201,
                body=NewGeneralPlantBody,
            ),
        },
        "/general-plants/{id}": {
            "get": _operation(
                "General plants",
                "A species",
                _reference("GeneralPlantWithPlants"),
                401,
                *_WITH_ID,
                security=_EVERYBODY,
            ),
            "patch": _operation(
                "General plants",
                "Change a species of one's own",
                _reference("GeneralPlant"),
                *_WITH_ID,
                body=GeneralPlantChangeBody,
            ),
            "delete": _operation("General plants", "Delete a species of one's own", None, 409, *_WITH_ID),
        },
    }


_BODIES: tuple[type[JsonBody], ...] = (
    LogInBody,
    NewUserBody,
    UserChangeBody,
    NewSensorBody,
    NewPlantBody,
    PlantChangeBody,
    NewGeneralPlantBody,
    GeneralPlantChangeBody,
)


def _body_schemas() -> dict[str, Schema]:
    schemas: dict[str, Schema] = {}
    for model in _BODIES:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    return schemas


@cache
def document() -> Mapping[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, Schema] = {}
    for path, operations in _operations().items():
        paths[path] = {**operations}
        if "{id}" in path:
            paths[path]["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": _ID}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hortus for PlantKeeper's clients",
            "version": __version__,
            "description": _DESCRIPTION,
        },
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS | _body_schemas(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The `access_token` of `POST /auth/login`, an API key, or, for readings "
                    "only, the token of a gateway.",
                },
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The token of a gateway as the password, for readings only.",
                },
            },
        },
    }
