"""Endpoints for sending commands without waiting for the result, and for the ledger of all commands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.flow.commands.command import Method, Question
from hortus.flow.commands.store import Command, cancel, enqueue, find_command, list_commands
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.commands import (
    PERMISSION_FOR,
    refusals_as_problems,
    require_success,
    result_reply,
)
from hortus.http.access.kit_access import KitAccess, access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import (
    GUARDED,
    WITH_BODY,
    Responses,
    next_page,
    problems,
    request_body,
)
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.paging import next_link
from hortus.http.conventions.parameters import integer_text
from hortus.http.conventions.problems import OTHER, conflict, invalid_parameters, not_found
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import ANY_TEXT
from hortus.http.documents.commands import KitCommand, command_object

router = APIRouter(tags=["Commands"])

PAGE_SIZE = 50

_LARGEST_ID = 2**63 - 1
_DEFAULT_PATIENCE_SECONDS = 60
_MOST_PATIENCE_SECONDS = 600

_Id = Annotated[int, BeforeValidator(integer_text), Field(ge=0, le=_LARGEST_ID)]
CommandId = Annotated[_Id, Path(alias="commandId")]


class NewCommandBody(JsonBody):
    """The command to send. `peripheral` and `command` are used only by `peripheralCommand`."""

    method: Literal["version", "uptime", "peripheralCommand"]
    peripheral: Annotated[str | None, ANY_TEXT] = None
    command: Annotated[
        Any, Field(description="Any JSON value accepted by the command schema of the peripheral's definition.")
    ] = None
    wait_seconds: Annotated[
        int, Field(ge=1, le=_MOST_PATIENCE_SECONDS, description="How long the command may wait in the queue.")
    ] = _DEFAULT_PATIENCE_SECONDS


_ACCEPTED: Responses = {
    202: {
        "description": "The command is queued.",
        "model": KitCommand,
        "headers": {
            "Location": {
                "description": "The command's address, relative to the base URL of the API.",
                "schema": {"type": "string"},
                "example": "/kits/k-3467-bcdf-ghjk/commands/1234",
            }
        },
    }
}
_WHATEVER: Responses = {
    200: {
        "description": "The kit's response, with the media type that the kit declared.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/kits/{kitSerial}/commands",
    status_code=202,
    responses=GUARDED | WITH_BODY | problems(409) | _ACCEPTED,
    openapi_extra=request_body(
        NewCommandBody, {"method": "peripheralCommand", "peripheral": "Heater", "command": {"heat": 5}}
    ),
    summary="Queue a command for a kit",
)
async def make_command(
    services: UsedServices,
    body: Annotated[NewCommandBody, Depends(json_body(NewCommandBody))],
    caller: CurrentCaller,
    serial: KitSerial,
) -> JsonReply[KitCommand]:
    """Queues the command and returns immediately.

    A kit carries out one command at a time; at most ten commands can be queued for it. Poll the address in
    `Location` for the outcome.
    """
    with refusals_as_problems():
        question = _question(body)
        async with services.writing() as connection:
            access = await access_to_kit(connection, caller, serial)
            access.require(PERMISSION_FOR[question.method])
            command_id = await enqueue(
                connection,
                kit_id=access.kit_id,
                user_id=caller.require_user(),
                question=question,
                patience_seconds=body.wait_seconds,
            )
            command = await find_command(connection, access.kit_id, command_id)
    assert command is not None
    location = f"/kits/{access.kit['serial']}/commands/{command_id}"
    return JsonReply(command_object(command), status_code=202, headers={"Location": location})


@router.get(
    "/kits/{kitSerial}/commands",
    responses=GUARDED | next_page("Link", '</kits/k-3467-bcdf-ghjk/commands?before=1184>; rel="next"'),
    summary="List a kit's commands",
)
async def list_commands_of_kit(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    before: Annotated[_Id | None, Query()] = None,
) -> JsonReply[list[KitCommand]]:
    """Lists every command sent to the kit, who sent it and how it ended. Newest first, 50 per page.

    Requires permission to configure the kit. Entries are kept for one year.
    """
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.EDIT_CONFIGURATION)
        found = await list_commands(connection, access.kit_id, before=before, most=PAGE_SIZE + 1)
    page = found[:PAGE_SIZE]
    headers = {}
    if len(found) > PAGE_SIZE:
        headers = next_link(f"/kits/{access.kit['serial']}/commands", {"before": page[-1].id})
    return JsonReply([command_object(command) for command in page], headers=headers)


@router.get(
    "/kits/{kitSerial}/commands/{commandId}",
    responses=GUARDED,
    summary="Get a command and its outcome",
)
async def show_command(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, command_id: CommandId
) -> JsonReply[KitCommand]:
    """Requires permission to send this kind of command, or to configure the kit."""
    async with services.reading() as connection:
        access, command = await _command_of_kit(connection, caller, serial, command_id)
        if Permission.EDIT_CONFIGURATION not in access.permissions:
            access.require(PERMISSION_FOR[command.question.method])
    return JsonReply(command_object(command))


@router.get(
    "/kits/{kitSerial}/commands/{commandId}/result",
    response_class=Response,
    responses=GUARDED | problems(409, 410, 502, 504) | _WHATEVER,
    summary="Get the result of a command",
)
async def show_result(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, command_id: CommandId
) -> Response:
    """Results are kept for ten minutes, and only for the five most recent commands of a kit."""
    async with services.reading() as connection:
        access, command = await _command_of_kit(connection, caller, serial, command_id)
        access.require(PERMISSION_FOR[command.question.method])
    await require_success(services, command, timeout_status=504)
    return await result_reply(services, command)


@router.delete(
    "/kits/{kitSerial}/commands/{commandId}",
    response_class=Response,
    responses=GUARDED | problems(409),
    summary="Cancel a queued command",
)
async def cancel_command(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial, command_id: CommandId
) -> Response:
    """Only a command that has not been sent yet can be cancelled."""
    async with services.writing() as connection:
        access, command = await _command_of_kit(connection, caller, serial, command_id)
        access.require(PERMISSION_FOR[command.question.method])
        if not await cancel(connection, command_id):
            raise conflict("The command has already been sent or has finished; it cannot be cancelled.")
    return empty_reply()


def _question(body: NewCommandBody) -> Question:
    method = Method(body.method)
    if method is Method.PERIPHERAL_COMMAND:
        if body.peripheral is None or "command" not in body.model_fields_set:
            raise invalid_parameters(
                {"peripheral": [OTHER]}, "A peripheralCommand requires a peripheral and a command."
            )
        return Question.to_peripheral(body.peripheral, body.command)
    return Question(method=method)


async def _command_of_kit(
    connection: AsyncConnection, caller: Caller, serial: str, command_id: int
) -> tuple[KitAccess, Command]:
    """Return a command of a kit. Callers without any command permission cannot learn whether it exists."""
    access = await access_to_kit(connection, caller, serial)
    if not access.permissions & {Permission.EDIT_CONFIGURATION, *PERMISSION_FOR.values()}:
        access.require(Permission.EDIT_CONFIGURATION)
    command = await find_command(connection, access.kit_id, command_id)
    if command is None:
        raise not_found()
    return access, command
