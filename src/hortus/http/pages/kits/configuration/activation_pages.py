"""`…/configuration/{id}/activate` and `…/difference`: what would change, what is in the way, and doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.kits.activation import faults_before_activation
from hortus.domain.kits.configuration_difference import Content, difference
from hortus.domain.kits.configurations import change_configuration
from hortus.domain.kits.shared_pins import shared_connections
from hortus.http.access.kit_access import lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.configuration.chain import state_of_kit
from hortus.http.pages.kits.configuration.list_pages import TAB
from hortus.http.pages.kits.configuration.reading import (
    OpenedConfiguration,
    listed_configurations,
    opened_configuration,
    own_configuration,
    shown_definitions,
)
from hortus.http.pages.kits.configuration.words import (
    configuration_name,
    difference_sentences,
    shared_sentence,
)
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.requests import redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.wording import quantity_name

_NOTHING = Content(devices=(), control_rules={})
_MOST_OTHERS = 200


class ActivationPages:
    """Activating a configuration, and comparing two."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/configuration/{configuration_id:int}"
        return [
            Route(f"{path}/difference", self.compare, methods=["GET"]),
            Route(f"{path}/activate", self.ask, methods=["GET"]),
            Route(f"{path}/activate", self.activate, methods=["POST"]),
        ]

    async def compare(self, request: Request) -> Response:
        """Answer with what differs from another configuration, usually the active one."""
        async with reading_kit(self._site, request) as (connection, kit):
            opened = await opened_configuration(connection, kit, _id(request))
            state = await state_of_kit(connection, kit)
            asked = request.query_params.get("with", "")
            other_id = (
                int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 11 else state.active_id
            )
            other = await opened_configuration(connection, kit, other_id) if other_id is not None else None
            others = await listed_configurations(connection, kit.id, before=None, most=_MOST_OTHERS)
            values = await _compared(connection, opened, other)
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/configuration/difference.html",
            configuration=opened,
            other=other,
            others=[each for each in others if each.id != opened.id],
            configuration_name=configuration_name,
            **values,
        )

    async def ask(self, request: Request) -> Response:
        """Answer with what activating changes, and with all faults that keep it from it."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            return await self._asking(request, connection, kit)

    async def activate(self, request: Request) -> Response:
        """Activate it, unless the kit could not run it."""
        require_same_origin(request)
        async with changing_kit(self._site, request, Permission.EDIT_CONFIGURATION) as (connection, kit):
            await lock_kit(connection, kit.id)
            row = await own_configuration(connection, kit, _id(request))
            faults = await faults_before_activation(connection, row, row["control_rules"])
            if not faults.any or row["active"]:
                await change_configuration(connection, row, {"active": True})
                return redirect(request, kit_path(kit, f"/configuration/{row['id']}"), said="activated")
        async with reading_kit(self._site, request) as (connection, kit):
            return await self._asking(request, connection, kit, status_code=422)

    async def _asking(
        self, request: Request, connection: AsyncConnection, kit: OpenedKit, *, status_code: int = 200
    ) -> Response:
        opened = await opened_configuration(connection, kit, _id(request))
        state = await state_of_kit(connection, kit)
        active = None
        if state.active_id is not None:
            active = await opened_configuration(connection, kit, state.active_id)
        faults = await faults_before_activation(connection, opened.row, opened.row["control_rules"])
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/configuration/activate.html",
            status_code=status_code,
            configuration=opened,
            other=active,
            faults=[*faults.devices, *map(str, faults.rules)],
            warnings=[shared_sentence(each) for each in shared_connections(opened.devices)],
            configuration_name=configuration_name,
            **await _compared(connection, opened, active),
        )


async def _compared(
    connection: AsyncConnection, opened: OpenedConfiguration, other: OpenedConfiguration | None
) -> dict[str, Any]:
    definitions = await shown_definitions(connection)
    schemas: Mapping[str, Any] = {
        each.row["name"]: each.row["configuration_schema"] for each in definitions.values()
    }
    quantities = {
        each.id: quantity_name(each.quantity)
        for definition in definitions.values()
        for each in definition.quantities
    }
    found = difference(other.content if other is not None else _NOTHING, opened.content)
    return {
        "name": configuration_name(opened.id, opened.row["description"]),
        "other_name": configuration_name(other.id, other.row["description"])
        if other is not None
        else gettext("no configuration"),
        "changes": difference_sentences(found, schemas, quantities),
    }


def _other_id(request: Request) -> int | None:
    text = request.query_params.get("with", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None


def _id(request: Request) -> int:
    return int(request.path_params["configuration_id"])
