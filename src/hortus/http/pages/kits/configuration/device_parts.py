"""What the pages of devices share: which drafts and definitions they take, and how a device is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hortus.base.language.translation import gettext
from hortus.domain.kits.configurations import find_definition, kit_is_board
from hortus.domain.kits.devices import Definition, crash_by_definition
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.configuration.device_form import DeviceForm
from hortus.http.pages.kits.configuration.list_pages import TAB
from hortus.http.pages.kits.configuration.reading import (
    opened_configuration,
    own_configuration,
    shown_definitions,
    stamp_of,
)
from hortus.http.pages.kits.configuration.words import configuration_name, definition_name
from hortus.http.pages.kits.frame import kit_page, kit_path
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDevice:
    """A device in its form; without `peripheral` it is new.

    `stamp` is that of the device as the viewer has seen it; `meanwhile` is what others saved since.
    """

    configuration: RowMapping
    definition: Definition
    form: DeviceForm
    peripheral: RowMapping | None = None
    stamp: str = ""
    meanwhile: Sequence[str] = ()


async def draft_of(connection: AsyncConnection, kit: OpenedKit, request: Request) -> RowMapping:
    """Return the configuration of the address, if it can change. Raises HTTPException 404 or 409."""
    configuration = await own_configuration(connection, kit, configuration_id_of(request))
    if not configuration["never_used"]:
        raise HTTPException(
            409,
            gettext(
                "This configuration was active once, so it cannot change any more. "
                "Choose Change on its page: that makes a copy, which can."
            ),
        )
    return configuration


async def device_page(
    site: Site,
    request: Request,
    connection: AsyncConnection,
    kit: OpenedKit,
    shown: ShownDevice,
    *,
    status_code: int = 200,
) -> Response:
    """Return the page of a device."""
    configuration = shown.configuration
    opened = await opened_configuration(connection, kit, configuration["id"])
    definitions = await shown_definitions(connection)
    return kit_page(
        site,
        request,
        kit,
        TAB,
        "kits/configuration/device.html",
        status_code=status_code,
        configuration=configuration,
        name=configuration_name(configuration["id"], configuration["description"]),
        definition=definitions[shown.definition.id],
        definition_name=definition_name,
        peripheral=shown.peripheral,
        peripherals=opened.peripherals,
        may_change=configuration["never_used"] and kit.may(Permission.EDIT_CONFIGURATION),
        form=shown.form,
        fields=shown.form.fields,
        stamp=shown.stamp,
        meanwhile=shown.meanwhile,
    )


async def usable_definition(connection: AsyncConnection, kit: OpenedKit, text: str) -> Definition:
    """Return the definition with this id, if the kit can run it. Raises HTTPException 404."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    definition = await find_definition(connection, number) if number is not None else None
    of_board = await kit_is_board(connection, kit.id)
    if definition is None or crash_by_definition(definition, of_board=of_board) is not None:
        raise HTTPException(404, gettext("This kind of device does not exist, or this kit cannot run it."))
    return definition


def definition_from(row: RowMapping) -> Definition:
    """Return a row of the definitions as the domain knows it."""
    values: dict[str, Any] = {field.name: row[field.name] for field in fields(Definition)}
    return Definition(**values)


def name_taken() -> str:
    """Return the fault of a name that another device has."""
    return gettext("Another device of this configuration has this name.")


def stamp_of_device(peripheral: RowMapping) -> str:
    """Return the stamp of a device's name and settings."""
    return stamp_of([peripheral["name"], peripheral["configuration"]])


def configuration_path(kit: OpenedKit, configuration: RowMapping) -> str:
    """Return the address of the configuration's page."""
    return kit_path(kit, f"/configuration/{configuration['id']}")


def configuration_id_of(request: Request) -> int:
    """Return the id of the configuration in the address."""
    return int(request.path_params["configuration_id"])
