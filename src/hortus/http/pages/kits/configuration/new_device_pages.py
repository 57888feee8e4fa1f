"""`…/configuration/{id}/peripherals/new`: choosing a kind of device, and adding one."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.domain.kits.configurations import NameTaken, NoRoom, add_peripheral, kit_is_board
from hortus.domain.kits.devices import Definition, crash_by_definition
from hortus.http.access.kit_access import lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.configuration.device_form import DeviceForm
from hortus.http.pages.kits.configuration.device_parts import (
    ShownDevice,
    configuration_path,
    definition_from,
    device_page,
    draft_of,
    name_taken,
    usable_definition,
)
from hortus.http.pages.kits.configuration.list_pages import TAB
from hortus.http.pages.kits.configuration.reading import shown_definitions
from hortus.http.pages.kits.configuration.words import configuration_name, definition_name
from hortus.http.pages.kits.frame import changing_kit, kit_page, reading_kit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.schema_forms.form import MOST_FORM_BYTES, MOST_FORM_FIELDS
from hortus.http.pages.site import Site

_EDIT = Permission.EDIT_CONFIGURATION


class NewDevicePages:
    """A new device of a configuration."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/configuration/{configuration_id:int}/peripherals/new"
        return [Route(path, self.choose, methods=["GET"]), Route(path, self.add, methods=["POST"])]

    async def choose(self, request: Request) -> Response:
        """Answer with the kinds of devices, or with the form of the chosen one."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(_EDIT)
            configuration = await draft_of(connection, kit, request)
            chosen = request.query_params.get("definition", "")
            if chosen:
                definition = await usable_definition(connection, kit, chosen)
                form = DeviceForm.blank(definition)
                shown = ShownDevice(configuration=configuration, definition=definition, form=form)
                return await device_page(self._site, request, connection, kit, shown)
            definitions = await shown_definitions(connection)
            of_board = await kit_is_board(connection, kit.id)
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/configuration/choose_device.html",
            configuration=configuration,
            name=configuration_name(configuration["id"], configuration["description"]),
            definitions=[
                each
                for each in definitions.values()
                if crash_by_definition(definition_from(each.row), of_board=of_board) is None
            ],
            definition_name=definition_name,
        )

    async def add(self, request: Request) -> Response:
        """Add a device, or show its form again with a row more or less, or with what is wrong."""
        require_same_origin(request)
        texts = await read_form(request, most_bytes=MOST_FORM_BYTES, most_fields=MOST_FORM_FIELDS)
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(_EDIT)
            definition = await usable_definition(connection, kit, texts.get("definition", ""))
        form = DeviceForm.posted(definition, texts)
        if form.changed_rows():
            return await self._again(request, definition, form, 200)
        await asyncio.to_thread(form.read)
        if not form.faults:
            try:
                async with changing_kit(self._site, request, _EDIT) as (connection, kit):
                    await lock_kit(connection, kit.id)
                    configuration = await draft_of(connection, kit, request)
                    await add_peripheral(connection, configuration, definition, form.name, form.settings)
                return redirect(request, configuration_path(kit, configuration), said="added")
            except NameTaken:
                form.faults["name"] = name_taken()
            except NoRoom as error:
                form.faults["name"] = str(error)
        return await self._again(request, definition, form, 422)

    async def _again(
        self, request: Request, definition: Definition, form: DeviceForm, status_code: int
    ) -> Response:
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(_EDIT)
            configuration = await draft_of(connection, kit, request)
            shown = ShownDevice(configuration=configuration, definition=definition, form=form)
            return await device_page(self._site, request, connection, kit, shown, status_code=status_code)
