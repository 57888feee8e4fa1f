"""Endpoints for the peripherals of a configuration (http-api 4.7)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.domain.kits.configurations import (
    NameTaken,
    NoRoom,
    add_peripheral,
    change_peripheral,
    delete_peripheral,
    find_definition,
    find_peripheral,
    kit_is_board,
)
from hortus.domain.kits.devices import (
    MOST_NAME_CHARACTERS,
    Definition,
    crash_by_definition,
    setting_at_fault,
)
from hortus.domain.kits.documents import Peripheral, peripheral_object
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import access_to_kit_of_id
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.configurations import (
    ConfigurationId,
    already_activated,
    editable_configuration,
    explained,
)
from hortus.http.conventions.documentation import GUARDED, WITH_BODY, request_body
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.parameters import LARGEST_ID, SMALLEST_ID, Identifier
from hortus.http.conventions.problems import (
    ALREADY_EXISTS,
    NOT_FOUND,
    forbidden,
    invalid_parameters,
    length_between,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import NAME

router = APIRouter(tags=["Configurations"])

PeripheralId = Annotated[Identifier, Path(alias="peripheralId")]

_NAME_RULE = {"minLength": 1, "maxLength": MOST_NAME_CHARACTERS}
_EXAMPLE = {
    "peripheralDefinitionId": 1,
    "name": "Air temperature",
    "configuration": {"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}},
}


class NewPeripheralBody(JsonBody):
    """The peripheral to add. `configuration` must match the schema of its definition."""

    peripheral_definition_id: Annotated[int, Field(ge=SMALLEST_ID, le=LARGEST_ID)]
    name: Annotated[str, Field(json_schema_extra=_NAME_RULE), NAME]
    configuration: Any


class PeripheralChangeBody(JsonBody):
    """The fields to change. A field that is absent or null keeps its value."""

    name: Annotated[str | None, Field(json_schema_extra=_NAME_RULE), NAME] = None
    configuration: Any = None


@router.post(
    "/kit-configurations/{kitConfigurationId}/peripherals",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(NewPeripheralBody, _EXAMPLE),
    summary="Add a peripheral",
)
async def create_peripheral(
    services: UsedServices,
    body: Annotated[NewPeripheralBody, Depends(json_body(NewPeripheralBody))],
    caller: CurrentCaller,
    configuration_id: ConfigurationId,
) -> JsonReply[Peripheral]:
    """The configuration must never have been active. Names are unique within a configuration."""
    try:
        async with services.writing() as connection:
            configuration = await _unused_configuration(connection, caller, configuration_id)
            _require_name(body.name)
            definition = await find_definition(connection, body.peripheral_definition_id)
            if definition is None:
                raise invalid_parameters({"peripheralDefinitionId": [NOT_FOUND]})
            of_board = await kit_is_board(connection, configuration["kit_id"])
            crash = crash_by_definition(definition, of_board=of_board)
            if crash is not None:
                raise explained("peripheralDefinitionId", [crash])
            await _require_configuration(definition, body.configuration)
            row = await add_peripheral(connection, configuration, definition, body.name, body.configuration)
    except NameTaken as error:
        raise invalid_parameters({"name": [ALREADY_EXISTS]}, str(error)) from error
    except NoRoom as error:
        raise forbidden(str(error)) from error
    return JsonReply(peripheral_object(row))


@router.patch(
    "/peripherals/{peripheralId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(PeripheralChangeBody, {"name": "Air, below the lamp"}),
    summary="Update a peripheral",
)
async def patch_peripheral(
    services: UsedServices,
    body: Annotated[PeripheralChangeBody, Depends(json_body(PeripheralChangeBody))],
    caller: CurrentCaller,
    peripheral_id: PeripheralId,
) -> JsonReply[Peripheral]:
    """The configuration must never have been active."""
    try:
        async with services.writing() as connection:
            peripheral = await _unused_peripheral(connection, caller, peripheral_id)
            values: dict[str, Any] = {}
            if body.name is not None:
                _require_name(body.name)
                values["name"] = body.name
            if body.configuration is not None:
                definition = await find_definition(connection, peripheral["peripheral_definition_id"])
                assert definition is not None
                await _require_configuration(definition, body.configuration)
                values["configuration"] = body.configuration
            peripheral = await change_peripheral(connection, peripheral, values)
    except NameTaken as error:
        raise invalid_parameters({"name": [ALREADY_EXISTS]}, str(error)) from error
    except NoRoom as error:
        raise forbidden(str(error)) from error
    return JsonReply(peripheral_object(peripheral))


@router.delete(
    "/peripherals/{peripheralId}",
    response_class=Response,
    responses=GUARDED,
    summary="Delete a peripheral",
)
async def remove_peripheral(
    services: UsedServices, caller: CurrentCaller, peripheral_id: PeripheralId
) -> Response:
    """The configuration must never have been active."""
    async with services.long_change() as connection:
        peripheral = await _unused_peripheral(connection, caller, peripheral_id)
        await delete_peripheral(connection, peripheral)
    return empty_reply()


async def _unused_configuration(
    connection: AsyncConnection, caller: Caller, configuration_id: int
) -> RowMapping:
    configuration = await editable_configuration(connection, caller, configuration_id)
    if not configuration["never_used"]:
        raise already_activated()
    return configuration


async def _unused_peripheral(connection: AsyncConnection, caller: Caller, peripheral_id: int) -> RowMapping:
    """Return a peripheral that the caller may edit, its kit locked. Raises Problem 400, 401, 403 or 404."""
    peripheral = await find_peripheral(connection, peripheral_id)
    access = await access_to_kit_of_id(connection, caller, peripheral["kit_id"] if peripheral else None)
    access.require(Permission.EDIT_CONFIGURATION)
    assert peripheral is not None
    await _unused_configuration(connection, caller, peripheral["kit_configuration_id"])
    # Read again: it may have changed before we got the lock.
    peripheral = await find_peripheral(connection, peripheral_id)
    if peripheral is None:
        raise caller.refusal()
    return peripheral


def _require_name(name: str) -> None:
    if not 1 <= len(name) <= MOST_NAME_CHARACTERS:
        raise invalid_parameters({"name": [length_between(1, MOST_NAME_CHARACTERS)]})


async def _require_configuration(definition: Definition, configuration: Any) -> None:
    # In a thread: checking the schema may take a while.
    fault = await asyncio.to_thread(setting_at_fault, definition, configuration)
    if fault is not None:
        raise explained("configuration", [fault.sentence])
