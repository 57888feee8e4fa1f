"""`/kits/{serial}/configuration/{id}`: one configuration, and what can be done with it as a whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.activation import faults_before_activation
from hortus.domain.kits.configuration_file import file_of
from hortus.domain.kits.configurations import NoRoom, change_configuration, clone_configuration
from hortus.domain.kits.deleted_configurations import delete_configuration
from hortus.domain.kits.shared_pins import shared_connections
from hortus.http.access.kit_access import lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import forbidden
from hortus.http.conventions.streaming import attachment
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.configuration.chain import chain_of, state_of_kit
from hortus.http.pages.kits.configuration.list_pages import TAB
from hortus.http.pages.kits.configuration.names import (
    MOST_DESCRIPTION_CHARACTERS,
    fault_of_configuration_name,
)
from hortus.http.pages.kits.configuration.reading import (
    OpenedConfiguration,
    configurers_of,
    kits_to_copy_to,
    opened_configuration,
    own_configuration,
    rules_of,
    shown_definitions,
    stamp_of,
)
from hortus.http.pages.kits.configuration.words import (
    configuration_name,
    definition_name,
    device_summary,
    shared_sentence,
)
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit, open_kit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

_TOASTS = {
    "created": gettext_noop("The configuration is saved. The kit does not use it before it is activated."),
    "copied": gettext_noop("This is a copy, which can change. The original stays as it is."),
    "renamed": gettext_noop("The configuration has a new name."),
    "activated": gettext_noop("The configuration is active. Restart the kit; it asks for it only then."),
    "added": gettext_noop("The device is added."),
    "saved": gettext_noop("The device is saved."),
    "removed": gettext_noop("The device is removed."),
    "rules-saved": gettext_noop("The rules are saved."),
}


class ConfigurationPages:
    """One configuration."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/configuration/{configuration_id:int}"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/rename", self.rename, methods=["POST"]),
            Route(f"{path}/copy", self.copy, methods=["POST"]),
            Route(f"{path}/change", self.change, methods=["POST"]),
            Route(f"{path}/delete", self.ask_to_delete, methods=["GET"]),
            Route(f"{path}/delete", self.delete, methods=["POST"]),
            Route(f"{path}/file", self.file, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page."""
        async with reading_kit(self._site, request) as (connection, kit):
            return await self._page(request, connection, kit, Form())

    async def rename(self, request: Request) -> Response:
        """Give it another name."""
        require_same_origin(request)
        form = Form(await read_form(request))
        name = form.value("name")
        fault = fault_of_configuration_name(name)
        if not fault:
            async with changing_kit(self._site, request, Permission.EDIT_CONFIGURATION) as (connection, kit):
                await lock_kit(connection, kit.id)
                row = await own_configuration(connection, kit, _id(request))
                if form.value("stamp") == stamp_of(row["description"]):
                    await change_configuration(connection, row, {"description": name})
                    return redirect(request, _path(kit, row["id"]), said="renamed")
            fault = gettext(
                "Somebody renamed it meanwhile to “%(name)s”. Save again to use your name.",
                name=configuration_name(row["id"], row["description"]),
            )
        form.refuse("name", fault)
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            return await self._page(request, connection, kit, form, status_code=422)

    async def copy(self, request: Request) -> Response:
        """Copy it to this kit, or to another one of the viewer's, and go to the copy."""
        require_same_origin(request)
        form = await read_form(request)
        return await self._copied(request, form.get("kit", ""))

    async def change(self, request: Request) -> Response:
        """Copy it, since a used one cannot change, and go to the copy."""
        require_same_origin(request)
        return await self._copied(request, "")

    async def ask_to_delete(self, request: Request) -> Response:
        """Ask whether to delete it, since its readings are no longer shown then."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            opened = await opened_configuration(connection, kit, _id(request))
            return kit_page(
                self._site,
                request,
                kit,
                TAB,
                "kits/configuration/delete.html",
                configuration=opened,
                name=configuration_name(opened.id, opened.row["description"]),
            )

    async def delete(self, request: Request) -> Response:
        """Delete it. It can be brought back for 30 days."""
        require_same_origin(request)
        async with changing_kit(self._site, request, Permission.EDIT_CONFIGURATION) as (connection, kit):
            await lock_kit(connection, kit.id)
            row = await own_configuration(connection, kit, _id(request))
            await delete_configuration(connection, row)
        return redirect(request, kit_path(kit, f"/configuration?deleted={row['id']}"), said="deleted")

    async def file(self, request: Request) -> Response:
        """Answer with the configuration as a file."""
        async with reading_kit(self._site, request) as (connection, kit):
            opened = await opened_configuration(connection, kit, _id(request))
        name = f"{kit.serial}_configuration-{opened.id}.json"
        return Response(
            file_of(opened.row, opened.devices),
            media_type="application/json",
            headers={"Content-Disposition": attachment(name), "Cache-Control": "no-store"},
        )

    async def _copied(self, request: Request, serial: str) -> Response:
        try:
            async with changing_kit(self._site, request, Permission.VIEW) as (connection, kit):
                source = await own_configuration(connection, kit, _id(request))
                target = await open_kit(connection, kit.viewer, serial) if serial else kit
                target.require(Permission.EDIT_CONFIGURATION)
                await lock_kit(connection, target.id)
                copy = await clone_configuration(connection, target.id, source)
                name = gettext("Copy of %(name)s", name=configuration_name(source["id"], source["description"]))
                values = {"description": name[:MOST_DESCRIPTION_CHARACTERS]}
                await change_configuration(connection, copy, values)
        except NoRoom as error:
            raise forbidden(str(error)) from error
        return redirect(request, _path(target, copy["id"]), said="copied")

    async def _page(
        self,
        request: Request,
        connection: AsyncConnection,
        kit: OpenedKit,
        form: Form,
        *,
        status_code: int = 200,
    ) -> Response:
        opened = await opened_configuration(connection, kit, _id(request))
        values = await self._values(connection, kit, opened)
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/configuration/configuration.html",
            status_code=status_code,
            toasts=_TOASTS,
            form=form,
            configuration=opened,
            **values,
        )

    async def _values(
        self, connection: AsyncConnection, kit: OpenedKit, opened: OpenedConfiguration
    ) -> dict[str, Any]:
        now = self._site.clock()
        state = await state_of_kit(connection, kit)
        may_edit = kit.may(Permission.EDIT_CONFIGURATION)
        faults = await faults_before_activation(connection, opened.row, opened.row["control_rules"])
        active = None
        if state.active_id is not None and state.active_id != opened.id:
            active = await own_configuration(connection, kit, state.active_id)
        return {
            "name": configuration_name(opened.id, opened.row["description"]),
            "configuration_name": configuration_name,
            "definition_name": definition_name,
            "device_summary": device_summary,
            "stamp": stamp_of(opened.row["description"]),
            "definitions": await shown_definitions(connection),
            "chain": await chain_of(connection, kit, opened.row, state, now),
            "state": state,
            "active": active,
            "rules": rules_of(opened.row),
            "faults": [*faults.devices, *map(str, faults.rules)],
            "warnings": [shared_sentence(each) for each in shared_connections(opened.devices)],
            "may_edit": may_edit,
            "who_can": "" if may_edit else await configurers_of(connection, kit, full_access=False),
            "other_kits": await kits_to_copy_to(connection, kit),
            "now": now,
        }


def _id(request: Request) -> int:
    return int(request.path_params["configuration_id"])


def _path(kit: OpenedKit, configuration_id: int) -> str:
    return kit_path(kit, f"/configuration/{configuration_id}")
