"""`/kits/{serial}/settings`: name, place and visibility of a kit, leaving it, deleting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.base.time_zones import time_zone_names
from hortus.domain.kits.detail_changes import DetailChange, last_detail_change
from hortus.domain.kits.details import change_details
from hortus.domain.kits.members import (
    RequiresOneSuperMember,
    find_membership_of,
    full_members_of,
    remove_member,
)
from hortus.http.access.kit_access import lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import Problem
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.details_form import DETAIL_FIELDS, read_details, values_of
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit, open_kit
from hortus.http.pages.kits.tabs import require_people_of_kit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

_TOASTS = {"saved": gettext_noop("The settings are saved.")}
_MAY_LOCATE = {"Permissions-Policy": "camera=(), geolocation=(self), microphone=()"}
_MOST_FORM_BYTES = 65_536


class SettingsPages:
    """The page and its forms."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/settings"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(path, self.save, methods=["POST"]),
            Route(f"{path}/leave", self.leave, methods=["POST"]),
            Route(f"{path}/delete", self.delete, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page. Others than the kit's people are told that it is not for them."""
        async with reading_kit(self._site, request) as (connection, kit):
            require_people_of_kit(kit, gettext("Only members see the settings of this kit."))
            change = await last_detail_change(connection, kit.id)
            return await self._page(request, connection, kit, change, Form(values=values_of(kit.row)))

    async def save(self, request: Request) -> Response:
        """Save the details, unless they are invalid, or were changed since the form was made."""
        form = Form(values=await read_form(request, most_bytes=_MOST_FORM_BYTES))
        details = read_details(form)
        async with changing_kit(self._site, request, Permission.EDIT_DETAILS) as (connection, opened):
            await lock_kit(connection, opened.id)
            # Read again: it may have changed before we got the lock.
            kit = await open_kit(connection, opened.viewer, opened.serial)
            change = await last_detail_change(connection, kit.id)
            theirs = _differences(form, kit) if form.value("stamp") != change.stamp else []
            if form.faults or theirs:
                return await self._page(request, connection, kit, change, form, theirs=theirs, status_code=422)
            user = kit.viewer.user
            await change_details(
                *(connection, kit.id, details.columns()),
                by=user.id if user else None,
                now=self._site.clock(),
            )
        return redirect(request, kit_path(kit, "/settings"), said="saved")

    async def leave(self, request: Request) -> Response:
        """End the viewer's own membership, unless nobody with full access would be left."""
        await read_form(request)
        async with changing_kit(self._site, request, Permission.VIEW) as (connection, kit):
            await lock_kit(connection, kit.id)
            user = kit.viewer.user
            membership = await find_membership_of(connection, kit.id, user.id) if user else None
            if membership is None:
                raise Problem(404)
            try:
                await remove_member(connection, membership)
            except RequiresOneSuperMember as error:
                raise Problem(409, detail=_last_one()) from error
        return redirect(request, "/", said="left")

    async def delete(self, request: Request) -> Response:
        """Delete the kit with all that it ever sent, if its name is typed."""
        require_same_origin(request)
        form = Form(values=await read_form(request))
        viewer = await self._site.viewer(request)
        async with self._site.services.long_change() as connection:
            kit = await open_kit(connection, viewer, request.path_params["serial"])
            kit.require(Permission.DELETE)
            if form.value("typed_name") == kit.name.strip():
                await self._site.services.kits.delete(connection, kit.serial)
                return redirect(request, "/", said="deleted")
            form.refuse("typed_name", gettext("Name: type it exactly as it is shown."))
            change = await last_detail_change(connection, kit.id)
            typed = Form(values={**values_of(kit.row), **form.values}, faults=form.faults)
            return await self._page(request, connection, kit, change, typed, status_code=422)

    async def _page(
        self,
        request: Request,
        connection: AsyncConnection,
        kit: OpenedKit,
        change: DetailChange,
        form: Form,
        *,
        theirs: Sequence[Mapping[str, str]] = (),
        status_code: int = 200,
    ) -> Response:
        full_members = await full_members_of(connection, kit.id)
        names: dict[str, Any] = {name: form.values.get(name, "") for name in DETAIL_FIELDS}
        return kit_page(
            *(self._site, request, kit, "settings", "kits/settings.html"),
            status_code=status_code,
            headers=_MAY_LOCATE,
            toasts=_TOASTS,
            fields=names,
            faults={name: form.fault(name) for name in (*DETAIL_FIELDS, "typed_name")},
            errors=form.errors,
            zones=sorted(time_zone_names()),
            change=change,
            theirs=theirs,
            now=self._site.clock(),
            can_edit=kit.may(Permission.EDIT_DETAILS),
            can_delete=kit.may(Permission.DELETE),
            is_member=kit.is_member,
            is_last=bool(kit.row["access_super"]) and len(full_members) == 1,
            last_one=_last_one(),
            full_members=full_members,
            typed_name=form.values.get("typed_name", ""),
        )


def _last_one() -> str:
    return gettext(
        "You are the only member with full access. Give it to another member first, or delete the kit."
    )


def _differences(form: Form, kit: OpenedKit) -> list[dict[str, str]]:
    """Return the fields that are not as the form has them, each with the value that is stored."""
    labels = {
        "name": gettext("Name"),
        "description": gettext("Description"),
        "time_zone": gettext("Time zone"),
        "latitude": gettext("Latitude"),
        "longitude": gettext("Longitude"),
        "public": gettext("Public"),
        "on_map": gettext("Show it on the map"),
    }
    stored = values_of(kit.row)
    return [
        {"label": labels[name], "value": _shown(name, stored[name])}
        for name in DETAIL_FIELDS
        if stored[name] != form.value(name).replace("\r\n", "\n")
    ]


def _shown(name: str, value: str) -> str:
    if name in {"public", "on_map"}:
        return gettext("Yes") if value else gettext("No")
    return value or "–"
