"""Endpoints for the configurations of kits (http-api 4.6)."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from hortus.domain.kits.activation import faults_before_activation
from hortus.domain.kits.configurations import (
    NoRoom,
    change_configuration,
    clone_configuration,
    configurations_of_kit,
    create_configuration,
    find_configuration,
)
from hortus.domain.kits.control_rules import misshapen_rules, oversized_rules
from hortus.domain.kits.deleted_configurations import delete_configuration
from hortus.domain.kits.documents import (
    KitConfiguration,
    KitConfigurationWithPeripherals,
    configuration_object,
    configuration_with_peripherals,
)
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.kit_access import KitAccess, access_to_kit, access_to_kit_of_id, lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED, HIDDEN, WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body, parse_body, read_optional_json
from hortus.http.conventions.parameters import Identifier, IdInQuery
from hortus.http.conventions.problems import (
    ALREADY_ACTIVATED,
    OTHER,
    Problem,
    Reason,
    bad_request,
    forbidden,
    invalid_parameters,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import LINES

router = APIRouter(tags=["Configurations"])

ConfigurationId = Annotated[Identifier, Path(alias="kitConfigurationId")]

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_MOST_SYMBOL_CHARACTERS = 255
_MOST_EXPLANATION_CHARACTERS = 2000


class NewConfigurationBody(JsonBody):
    """The configuration to create."""

    description: Annotated[str | None, LINES] = None


class ConfigurationChangeBody(JsonBody):
    """The fields to change. Null clears the description and leaves any other field unchanged."""

    description: Annotated[str | None, LINES] = None
    controller_symbol_location: str | None = None
    controller_symbol: str | None = None
    control_rules: Annotated[Any, Field(description="See the documentation of control rules.")] = None
    active: bool | None = None


@router.get(
    "/kits/{kitSerial}/configurations",
    responses=HIDDEN | problems(403),
    summary="List a kit's configurations",
)
async def list_configurations(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[list[KitConfigurationWithPeripherals]]:
    """Lists all configurations with their peripherals. At most one of them is active."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        configurations, peripherals = await configurations_of_kit(connection, access.kit_id)
    return JsonReply(
        [configuration_with_peripherals(row, peripherals.get(row["id"], [])) for row in configurations]
    )


@router.post(
    "/kits/{kitSerial}/configurations",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(NewConfigurationBody, {"description": "Basil, week 1"}, required=False),
    summary="Create or copy a configuration",
)
async def make_configuration(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    source: IdInQuery = None,
) -> JsonReply[KitConfiguration]:
    """Send either a JSON body, or `source`: the id of a configuration to copy, of any kit you can see."""
    async with services.reading() as connection:
        # Checked first: a caller without permission gets that answer whatever they send (http-api 2.3).
        await _editable_kit(connection, caller, serial)
    body = await read_optional_json(request)
    if (body is None) == (source is None):
        raise bad_request("Send either a JSON body, or the query parameter source without a body.")
    wanted = parse_body(NewConfigurationBody, body) if body is not None else None
    try:
        async with services.writing() as connection:
            access = await _editable_kit(connection, caller, serial)
            await lock_kit(connection, access.kit_id)
            if wanted is not None:
                row = await create_configuration(connection, access.kit_id, wanted.description)
            else:
                original = await _visible_configuration(connection, caller, source)
                row = await clone_configuration(connection, access.kit_id, original)
    except NoRoom as error:
        raise forbidden(str(error)) from error
    return JsonReply(configuration_object(row))


@router.patch(
    "/kit-configurations/{kitConfigurationId}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(ConfigurationChangeBody, {"description": "Basil, week 2", "active": True}),
    summary="Update or activate a configuration",
)
async def patch_configuration(
    services: UsedServices,
    body: Annotated[ConfigurationChangeBody, Depends(json_body(ConfigurationChangeBody))],
    caller: CurrentCaller,
    configuration_id: ConfigurationId,
) -> JsonReply[KitConfiguration]:
    """Rejects control rules that a kit could not run, with an explanation.

    When the configuration becomes active, inputs, outputs and peripherals that the rules refer to must exist,
    and each value that an output can send must match the command schema of its peripheral.
    Once a configuration has been active, its rules and controller can no longer change. A kit picks up its
    active configuration when it starts.
    """
    try:
        async with services.writing() as connection:
            configuration = await editable_configuration(connection, caller, configuration_id)
            values = _changed_columns(body)
            if not configuration["never_used"] and values.keys() - {"description", "active"}:
                raise already_activated()
            _require_valid(values)
            if values.get("active") and not configuration["active"]:
                await _require_runnable(connection, configuration, values)
            configuration = await change_configuration(connection, configuration, values)
    except NoRoom as error:
        raise forbidden(str(error)) from error
    return JsonReply(configuration_object(configuration))


@router.delete(
    "/kit-configurations/{kitConfigurationId}",
    response_class=Response,
    responses=GUARDED,
    summary="Delete a configuration",
)
async def remove_configuration(
    services: UsedServices, caller: CurrentCaller, configuration_id: ConfigurationId
) -> Response:
    """Deletes the configuration with its peripherals, and every reading and medium they recorded.

    For 30 days it can be brought back with all of them: `GET /kits/{kitSerial}/deleted-configurations`.
    """
    async with services.writing() as connection:
        configuration = await editable_configuration(connection, caller, configuration_id)
        await delete_configuration(connection, configuration)
    return empty_reply()


async def editable_configuration(
    connection: AsyncConnection, caller: Caller, configuration_id: int
) -> RowMapping:
    """Return a configuration that the caller may edit, with its kit locked. Raises Problem 401, 403 or 404."""
    configuration = await find_configuration(connection, configuration_id)
    access = await access_to_kit_of_id(connection, caller, configuration["kit_id"] if configuration else None)
    access.require(Permission.EDIT_CONFIGURATION)
    await lock_kit(connection, access.kit_id)
    # Read again: it may have changed before we got the lock.
    configuration = await find_configuration(connection, configuration_id)
    if configuration is None:
        raise caller.refusal()
    return configuration


def already_activated() -> Problem:
    """Return the problem for editing a configuration that kits have run: readings refer to it."""
    return invalid_parameters(
        {"configurationId": [ALREADY_ACTIVATED]},
        "This configuration has been active, so it can no longer be edited. Copy it and edit the copy.",
    )


def explained(parameter: str, explanations: list[str]) -> Problem:
    """Return the problem for a value that a kit could not work with."""
    text = " ".join(explanations)
    if len(text) > _MOST_EXPLANATION_CHARACTERS:
        text = text[:_MOST_EXPLANATION_CHARACTERS] + "…"
    return invalid_parameters({parameter: [OTHER]}, text)


async def _editable_kit(connection: AsyncConnection, caller: Caller, serial: str) -> KitAccess:
    access = await access_to_kit(connection, caller, serial)
    access.require(Permission.EDIT_CONFIGURATION)
    return access


async def _visible_configuration(
    connection: AsyncConnection, caller: Caller, configuration_id: int | None
) -> RowMapping:
    configuration = (
        await find_configuration(connection, configuration_id) if configuration_id is not None else None
    )
    access = await access_to_kit_of_id(connection, caller, configuration["kit_id"] if configuration else None)
    access.require(Permission.VIEW)
    assert configuration is not None
    return configuration


def _changed_columns(body: ConfigurationChangeBody) -> dict[str, Any]:
    return {
        name: getattr(body, name)
        for name in body.model_fields_set
        if name == "description" or getattr(body, name) is not None
    }


def _require_valid(values: dict[str, Any]) -> None:
    reasons: dict[str, list[Reason]] = {}
    for column, parameter in (
        ("controller_symbol_location", "controllerSymbolLocation"),
        ("controller_symbol", "controllerSymbol"),
    ):
        symbol = values.get(column)
        if symbol is not None and (len(symbol) > _MOST_SYMBOL_CHARACTERS or not _MODULE.fullmatch(symbol)):
            reasons[parameter] = [OTHER]
    if reasons:
        raise invalid_parameters(
            reasons, "The controller must be the name of a Python module and of a class in it."
        )
    if "control_rules" in values:
        faults = oversized_rules(values["control_rules"]) or misshapen_rules(values["control_rules"])
        if faults:
            raise explained("controlRules", [str(fault) for fault in faults])


async def _require_runnable(
    connection: AsyncConnection, configuration: RowMapping, values: dict[str, Any]
) -> None:
    """Refuse to activate a configuration that would crash the kit at its next start."""
    control_rules = values.get("control_rules", configuration["control_rules"])
    faults = await faults_before_activation(connection, configuration, control_rules)
    if faults.devices:
        raise explained("active", list(faults.devices))
    if faults.rules:
        raise explained("controlRules", [str(fault) for fault in faults.rules])
