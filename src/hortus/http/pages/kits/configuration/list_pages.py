"""`/kits/{serial}/configuration`: the configurations of a kit, new ones, and deleted ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.configuration_file import (
    MOST_FILE_BYTES,
    UnusableFile,
    create_from_file,
    read_file,
)
from hortus.domain.kits.configurations import NoRoom, create_configuration
from hortus.domain.kits.deleted_configurations import DeletedConfiguration, deleted_configurations
from hortus.domain.kits.presets import PRESETS_BY_KEY, UnknownDefinition, create_from_preset, usable_presets
from hortus.http.access.kit_access import lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.restoring import restore_and_replay
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.configuration.chain import advice_for_kit, state_of_kit
from hortus.http.pages.kits.configuration.names import fault_of_configuration_name
from hortus.http.pages.kits.configuration.reading import (
    PAGE_SIZE,
    ListedConfiguration,
    configurers_of,
    listed_configurations,
    own_configuration,
)
from hortus.http.pages.kits.configuration.words import configuration_name
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.uploads import read_upload
from hortus.http.pages.viewers import caller_of

TAB = "configuration"
EMPTY = "empty"

_TOASTS = {
    "deleted": gettext_noop("The configuration is deleted. It can be brought back for 30 days."),
    "restored": gettext_noop("The configuration is back, with its readings and pictures."),
    "restored-partly": gettext_noop(
        "The configuration is back. Some messages of the kit are still set aside; see Data check."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """What the list shows."""

    configurations: Sequence[ListedConfiguration]
    older_than: int | None
    deleted: Sequence[DeletedConfiguration]
    values: dict[str, Any]


class ConfigurationListPages:
    """The list, and what creates or brings back configurations."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/configuration"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(path, self.create, methods=["POST"]),
            Route(f"{path}/upload", self.upload, methods=["POST"]),
            Route(f"{path}/{{configuration_id:int}}/restore", self.restore, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the list."""
        async with reading_kit(self._site, request) as (connection, kit):
            return await self._page(request, connection, kit, Form())

    async def create(self, request: Request) -> Response:
        """Create an empty configuration, or one from a preset, and go there."""
        require_same_origin(request)
        form = Form(await read_form(request))
        name, source = form.value("name"), form.value("source") or EMPTY
        fault = fault_of_configuration_name(name)
        if fault:
            form.refuse("name", fault)
        if source != EMPTY and source not in PRESETS_BY_KEY:
            form.refuse("source", gettext("Choose one of the values offered."))
        if form.faults:
            return await self._refused(request, form)
        try:
            async with changing_kit(self._site, request, Permission.EDIT_CONFIGURATION) as (connection, kit):
                await lock_kit(connection, kit.id)
                if source == EMPTY:
                    row = await create_configuration(connection, kit.id, name)
                else:
                    row = await create_from_preset(connection, kit.id, PRESETS_BY_KEY[source], name)
        except (NoRoom, UnknownDefinition) as error:
            form.refuse("source", str(error))
            return await self._refused(request, form)
        return redirect(request, kit_path(kit, f"/configuration/{row['id']}"), said="created")

    async def upload(self, request: Request) -> Response:
        """Create a configuration from a file, and go there."""
        require_same_origin(request)
        async with reading_kit(self._site, request) as (_, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
        sent = await read_upload(request, "file", most_bytes=MOST_FILE_BYTES)
        form = Form(sent.fields)
        if not sent.content:
            form.refuse("file", gettext("Choose a file."))
            return await self._refused(request, form)
        try:
            filed = read_file(sent.content)
            async with changing_kit(self._site, request, Permission.EDIT_CONFIGURATION) as (connection, kit):
                await lock_kit(connection, kit.id)
                row = await create_from_file(connection, kit.id, filed)
        except UnusableFile as error:
            form.refuse("file", " ".join(error.faults))
            return await self._refused(request, form)
        except NoRoom as error:
            form.refuse("file", str(error))
            return await self._refused(request, form)
        return redirect(request, kit_path(kit, f"/configuration/{row['id']}"), said="created")

    async def restore(self, request: Request) -> Response:
        """Bring back a deleted configuration, and what the kit sent for it meanwhile."""
        require_same_origin(request)
        viewer = await self._site.viewer(request)
        async with reading_kit(self._site, request) as (_, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
        configuration_id = request.path_params["configuration_id"]
        if configuration_id > LARGEST_ID:
            raise HTTPException(404, gettext("This configuration does not exist, or it was deleted."))
        restored = await restore_and_replay(
            request, self._site.services, caller_of(viewer), kit.serial, configuration_id
        )
        said = "restored" if restored.waiting == 0 else "restored-partly"
        return redirect(request, kit_path(kit, "/configuration"), said=said)

    async def _refused(self, request: Request, form: Form) -> Response:
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            return await self._page(request, connection, kit, form, status_code=422)

    async def _page(
        self,
        request: Request,
        connection: AsyncConnection,
        kit: OpenedKit,
        form: Form,
        *,
        status_code: int = 200,
    ) -> Response:
        listing = await self._listing(connection, kit, _before(request))
        undo = request.query_params.get("deleted", "")
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/configuration/list.html",
            status_code=status_code,
            toasts=_TOASTS,
            undo=kit_path(kit, f"/configuration/{undo}/restore") if undo.isdecimal() else "",
            form=form,
            configurations=listing.configurations,
            older_than=listing.older_than,
            deleted=listing.deleted,
            configuration_name=configuration_name,
            now=self._site.clock(),
            **listing.values,
        )

    async def _listing(self, connection: AsyncConnection, kit: OpenedKit, before: int | None) -> _Listing:
        found = await listed_configurations(connection, kit.id, before=before, most=PAGE_SIZE + 1)
        may_edit = kit.may(Permission.EDIT_CONFIGURATION)
        state = await state_of_kit(connection, kit)
        active = None
        if state.active_id is not None:
            active = await own_configuration(connection, kit, state.active_id)
        return _Listing(
            configurations=found[:PAGE_SIZE],
            older_than=found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None,
            deleted=await deleted_configurations(connection, kit.id) if may_edit else (),
            values={
                "may_edit": may_edit,
                "who_can": "" if may_edit else await configurers_of(connection, kit, full_access=False),
                "presets": await usable_presets(connection) if may_edit else (),
                "running_id": state.running_id,
                "advice": advice_for_kit(state, active, self._site.clock()) if may_edit else "",
            },
        )


def _before(request: Request) -> int | None:
    text = request.query_params.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
