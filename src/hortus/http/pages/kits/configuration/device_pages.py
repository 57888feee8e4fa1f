"""`…/configuration/{id}/peripherals/{pid}`: the settings of a device, changing and removing it."""

from __future__ import annotations

import asyncio

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.kits.configuration_difference import setting_changes
from hortus.domain.kits.configurations import (
    NameTaken,
    NoRoom,
    change_configuration,
    change_peripheral,
    delete_peripheral,
    find_definition,
)
from hortus.domain.kits.devices import Definition
from hortus.domain.kits.rule_references import renamed_in_rules, rules_naming
from hortus.http.access.kit_access import lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.configuration.device_form import DeviceForm
from hortus.http.pages.kits.configuration.device_parts import (
    ShownDevice,
    configuration_id_of,
    configuration_path,
    device_page,
    draft_of,
    name_taken,
    stamp_of_device,
)
from hortus.http.pages.kits.configuration.list_pages import TAB
from hortus.http.pages.kits.configuration.reading import own_configuration, own_peripheral
from hortus.http.pages.kits.configuration.words import configuration_name, setting_sentences
from hortus.http.pages.kits.frame import changing_kit, kit_page, reading_kit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.schema_forms.form import MOST_FORM_BYTES, MOST_FORM_FIELDS
from hortus.http.pages.site import Site

_EDIT = Permission.EDIT_CONFIGURATION


class DevicePages:
    """One device of a configuration."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/configuration/{configuration_id:int}/peripherals/{peripheral_id:int}"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(path, self.save, methods=["POST"]),
            Route(f"{path}/delete", self.ask_to_remove, methods=["GET"]),
            Route(f"{path}/delete", self.remove, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the settings of a device: as a form, if they can change."""
        async with reading_kit(self._site, request) as (connection, kit):
            configuration = await own_configuration(connection, kit, configuration_id_of(request))
            peripheral = await own_peripheral(connection, configuration, _id(request))
            definition = await _definition_of(connection, peripheral)
            shown = ShownDevice(
                configuration=configuration,
                definition=definition,
                form=DeviceForm.filled(definition, peripheral["name"], peripheral["configuration"]),
                peripheral=peripheral,
                stamp=stamp_of_device(peripheral),
            )
            return await device_page(self._site, request, connection, kit, shown)

    async def save(self, request: Request) -> Response:
        """Save a device, or show its form again. What others saved meanwhile is not overwritten unseen."""
        require_same_origin(request)
        texts = await read_form(request, most_bytes=MOST_FORM_BYTES, most_fields=MOST_FORM_FIELDS)
        stamp = texts.get("stamp", "")
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(_EDIT)
            configuration = await draft_of(connection, kit, request)
            peripheral = await own_peripheral(connection, configuration, _id(request))
            definition = await _definition_of(connection, peripheral)
        form = DeviceForm.posted(definition, texts)
        if form.changed_rows():
            return await self._again(request, definition, form, stamp, 200)
        await asyncio.to_thread(form.read, peripheral["configuration"])
        if form.faults:
            return await self._again(request, definition, form, stamp, 422)
        return await self._saved(request, form, stamp) or await self._again(
            request, definition, form, "" if not form.faults else stamp, 422
        )

    async def ask_to_remove(self, request: Request) -> Response:
        """Ask whether to remove a device."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(_EDIT)
            configuration = await draft_of(connection, kit, request)
            peripheral = await own_peripheral(connection, configuration, _id(request))
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/configuration/remove_device.html",
            configuration=configuration,
            name=configuration_name(configuration["id"], configuration["description"]),
            peripheral=peripheral,
            rules=rules_naming(configuration["control_rules"], peripheral["name"]),
        )

    async def remove(self, request: Request) -> Response:
        """Remove a device from a draft."""
        require_same_origin(request)
        async with changing_kit(self._site, request, _EDIT) as (connection, kit):
            await lock_kit(connection, kit.id)
            configuration = await draft_of(connection, kit, request)
            peripheral = await own_peripheral(connection, configuration, _id(request))
            await delete_peripheral(connection, peripheral)
        return redirect(request, configuration_path(kit, configuration), said="removed")

    async def _saved(self, request: Request, form: DeviceForm, stamp: str) -> Response | None:
        """Save the device and return the way back; None if there is a fault, or others saved it meanwhile."""
        try:
            async with changing_kit(self._site, request, _EDIT) as (connection, kit):
                await lock_kit(connection, kit.id)
                configuration = await draft_of(connection, kit, request)
                peripheral = await own_peripheral(connection, configuration, _id(request))
                if stamp != stamp_of_device(peripheral):
                    return None
                await _change(connection, configuration, peripheral, form)
        except NameTaken:
            form.faults["name"] = name_taken()
            return None
        except NoRoom as error:
            form.faults["name"] = str(error)
            return None
        return redirect(request, configuration_path(kit, configuration), said="saved")

    async def _again(
        self, request: Request, definition: Definition, form: DeviceForm, stamp: str, status_code: int
    ) -> Response:
        """Show the form again. Without a stamp, others saved the device: say what saving again would change."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(_EDIT)
            configuration = await draft_of(connection, kit, request)
            peripheral = await own_peripheral(connection, configuration, _id(request))
            shown = ShownDevice(
                configuration=configuration,
                definition=definition,
                form=form,
                peripheral=peripheral,
                stamp=stamp or stamp_of_device(peripheral),
                meanwhile=() if stamp else _meanwhile(peripheral, form, definition),
            )
            return await device_page(self._site, request, connection, kit, shown, status_code=status_code)


async def _change(
    connection: AsyncConnection, configuration: RowMapping, peripheral: RowMapping, form: DeviceForm
) -> None:
    await change_peripheral(connection, peripheral, {"name": form.name, "configuration": form.settings})
    if form.name != peripheral["name"]:
        rules = renamed_in_rules(configuration["control_rules"], peripheral["name"], form.name)
        await change_configuration(connection, configuration, {"control_rules": rules})


async def _definition_of(connection: AsyncConnection, peripheral: RowMapping) -> Definition:
    definition = await find_definition(connection, peripheral["peripheral_definition_id"])
    assert definition is not None, "a foreign key holds it"
    return definition


def _meanwhile(peripheral: RowMapping, form: DeviceForm, definition: Definition) -> tuple[str, ...]:
    """Return what saving again would change of what somebody else saved."""
    changes = setting_changes(peripheral["configuration"], form.settings)
    sentences = setting_sentences(form.name, changes, definition.configuration_schema)
    if form.name != peripheral["name"]:
        values = {"before": peripheral["name"], "device": form.name}
        sentences.insert(0, gettext("%(before)s is now named %(device)s.", **values))
    return tuple(sentences) or (gettext("It is the same as yours."),)


def _id(request: Request) -> int:
    return int(request.path_params["peripheral_id"])
