"""Endpoints that query or command a kit and wait for its answer (http-api 4.11)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from hortus.flow.commands.command import Method, Question
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.commands import refusals_as_problems, require_success, result_reply
from hortus.http.access.services import UsedServices
from hortus.http.api.asking import ask_and_wait
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import (
    GUARDED,
    WITH_BODY,
    Responses,
    problems,
    request_body,
)
from hortus.http.conventions.head_requests import not_by_head
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.texts import ANY_TEXT

router = APIRouter(tags=["Commands"])

_ASKED: Responses = GUARDED | problems(409, 502)

_WHATEVER: Responses = {
    200: {
        "description": "The kit's response, with the media type that the kit declared.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class PeripheralCommandBody(JsonBody):
    """A command for a peripheral, which is identified by its name in the kit's configuration."""

    peripheral: Annotated[str, ANY_TEXT]
    command: Annotated[
        Any, Field(description="Any JSON value accepted by the command schema of the peripheral's definition.")
    ]


@router.get(
    "/kit-rpc/{kitSerial}/version",
    response_model=str,
    responses=_ASKED,
    summary="Get a kit's software version",
)
@not_by_head
async def kit_version(
    request: Request, services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> Response:
    """Asks the kit and waits for its answer: up to 20 s in the queue, then up to 30 s for the kit."""
    command = await ask_and_wait(request, services, caller, serial, Question(method=Method.VERSION))
    await require_success(services, command)
    return await result_reply(services, command)


@router.get(
    "/kit-rpc/{kitSerial}/uptime",
    response_model=int,
    responses=_ASKED,
    summary="Get a kit's uptime",
)
@not_by_head
async def kit_uptime(
    request: Request, services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> Response:
    """The uptime in whole seconds. Waits for the kit as the version endpoint does."""
    command = await ask_and_wait(request, services, caller, serial, Question(method=Method.UPTIME))
    await require_success(services, command)
    return await result_reply(services, command)


@router.post(
    "/kit-rpc/{kitSerial}/peripheral-command",
    response_class=Response,
    responses=_ASKED | WITH_BODY | _WHATEVER,
    openapi_extra=request_body(PeripheralCommandBody, {"peripheral": "Heater", "command": {"heat": 5}}),
    summary="Run a peripheral command and wait for its result",
)
async def command_peripheral(
    request: Request,
    services: UsedServices,
    body: Annotated[PeripheralCommandBody, Depends(json_body(PeripheralCommandBody))],
    caller: CurrentCaller,
    serial: KitSerial,
) -> Response:
    """Validates the command against the peripheral's definition, sends it, and returns the kit's result.

    If the kit could not carry it out, the answer is 502, and `commandId` in it identifies the command in the
    ledger.
    """
    with refusals_as_problems():
        question = Question.to_peripheral(body.peripheral, body.command)
    command = await ask_and_wait(request, services, caller, serial, question)
    await require_success(services, command)
    return await result_reply(services, command)
