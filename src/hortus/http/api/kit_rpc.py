"""The endpoints that ask a kit and wait for its answer (http-api 4.11)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from hortus.flow.commands.command import Method, Question
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.services import UsedServices
from hortus.http.api.asking import ask_and_wait, refusals_as_problems, require_success, result_reply
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
        "description": "What the kit returned, as the type that it declares.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class PeripheralCommandBody(JsonBody):
    """A command for a peripheral, which is named as in the kit's configuration."""

    peripheral: Annotated[str, ANY_TEXT]
    command: Annotated[Any, Field(description="Any JSON that the peripheral's definition accepts.")]


@router.get(
    "/kit-rpc/{kitSerial}/version",
    response_model=str,
    responses=_ASKED,
    summary="Ask a kit for the version of its software",
)
@not_by_head
async def kit_version(
    request: Request, services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> Response:
    """Waits for the kit's answer: at most 20 s for its turn, and 30 s for the kit."""
    command = await ask_and_wait(request, services, caller, serial, Question(method=Method.VERSION))
    await require_success(services, command)
    return await result_reply(services, command)


@router.get(
    "/kit-rpc/{kitSerial}/uptime",
    response_model=int,
    responses=_ASKED,
    summary="Ask a kit for how long it has been running",
)
@not_by_head
async def kit_uptime(
    request: Request, services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> Response:
    """In whole seconds. Waits like the version."""
    command = await ask_and_wait(request, services, caller, serial, Question(method=Method.UPTIME))
    await require_success(services, command)
    return await result_reply(services, command)


@router.post(
    "/kit-rpc/{kitSerial}/peripheral-command",
    response_class=Response,
    responses=_ASKED | WITH_BODY | _WHATEVER,
    openapi_extra=request_body(PeripheralCommandBody, {"peripheral": "Heater", "command": {"heat": 5}}),
    summary="Send a command to a peripheral and wait for its result",
)
async def command_peripheral(
    request: Request,
    services: UsedServices,
    body: Annotated[PeripheralCommandBody, Depends(json_body(PeripheralCommandBody))],
    caller: CurrentCaller,
    serial: KitSerial,
) -> Response:
    """The command is checked against the definition of the peripheral first.

    A kit that could not carry it out is answered with 502; `commandId` in it names the line of the ledger.
    """
    with refusals_as_problems():
        question = Question.to_peripheral(body.peripheral, body.command)
    command = await ask_and_wait(request, services, caller, serial, question)
    await require_success(services, command)
    return await result_reply(services, command)
