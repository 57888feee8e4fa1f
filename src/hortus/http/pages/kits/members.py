"""`/kits/{serial}/members`: who sees the kit, on which level, and who is invited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import escape
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.accounts.profiles import profile_in
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.kits.invitations import Invitation, list_invitations
from hortus.domain.kits.members import RequiresOneSuperMember, members_of_kit
from hortus.http.access.member_changes import (
    NoSuchPerson,
    add_member_named,
    change_membership,
    end_membership,
    suggested_people,
)
from hortus.http.access.permissions import Permission
from hortus.http.pages.account.levels import Level, level_choices, level_name, level_named, level_of
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.frame import kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit, open_kit
from hortus.http.pages.kits.tabs import require_people_of_kit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.viewers import caller_of

_TOASTS = {
    "added": gettext_noop("Added to the members."),
    "changed": gettext_noop("The level of access has been changed."),
    "removed": gettext_noop("Removed from the members. Journal entries stay."),
    "withdrawn": gettext_noop("The invitation has been withdrawn. Its link no longer works."),
}

_MOST_ID_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMember:
    """A member. `is_last`: nobody else has full access."""

    id: int
    name: str
    username: str
    since: datetime
    level: Level
    is_self: bool
    is_last: bool

    @property
    def level_name(self) -> str:
        return level_name(self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownInvitation:
    """An invitation that can still be used."""

    invitation: Invitation
    level: str


class MemberPages:
    """The page, the suggestions while typing, and what the page posts to."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/{serial}/members", self.show, methods=["GET"]),
            Route("/kits/{serial}/members", self.add, methods=["POST"]),
            Route("/kits/{serial}/members/suggestions", self.suggestions, methods=["GET"]),
            Route("/kits/{serial}/members/{membership_id}/level", self.change, methods=["POST"]),
            Route("/kits/{serial}/members/{membership_id}/remove", self.ask_to_remove, methods=["GET"]),
            Route("/kits/{serial}/members/{membership_id}/remove", self.remove, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the members; those who may edit them see the controls."""
        async with reading_kit(self._site, request) as (connection, kit):
            require_people(kit)
            values = await member_values(connection, kit, self._site.clock())
        return self._page(request, kit, values)

    async def add(self, request: Request) -> Response:
        """Make a person a member by user name, or show the form again with what is wrong."""
        require_same_origin(request)
        form = Form(await read_form(request))
        viewer = await self._site.viewer(request)
        level = level_named(form.value("level"))
        async with self._site.services.writing() as connection:
            kit = await open_kit(connection, viewer, request.path_params["serial"])
            require_people(kit)
            kit.require(Permission.EDIT_MEMBERS)
            if level is None:
                form.refuse("level", gettext("Choose one of these."))
            else:
                await self._add(connection, kit, form, level)
        if form.faults:
            async with self._site.reading() as connection:
                values = await member_values(connection, kit, self._site.clock())
            return self._page(request, kit, values, form, 422)
        return redirect(request, kit_path(kit, "/members"), said="added")

    async def _add(self, connection: AsyncConnection, kit: OpenedKit, form: Form, level: Level) -> None:
        try:
            await add_member_named(
                connection,
                self._site.services,
                kit.access,
                form.value("username"),
                access_super=level.access_super,
                access_configure=level.access_configure,
            )
        except NoSuchPerson:
            form.refuse(
                "username",
                gettext("Nobody has this user name. Check it, or send an invitation by link."),
            )
        except QuotaReached:
            form.refuse("username", gettext("This kit has as many members as this server allows."))

    async def suggestions(self, request: Request) -> Response:
        """Answer with options for the field, for those who may add members."""
        part = request.query_params.get("username", "").strip()
        async with reading_kit(self._site, request) as (connection, kit):
            found = await suggested_people(connection, kit.access, part) if part else []
        options = (
            f'<option value="{escape(each.username)}">{escape(each.display_name)}</option>' for each in found
        )
        return HTMLResponse("".join(options))

    async def change(self, request: Request) -> Response:
        """Set a member's level of access."""
        require_same_origin(request)
        form = await read_form(request)
        viewer = await self._site.viewer(request)
        level = level_named(form.get("level", ""))
        if level is None:
            raise HTTPException(422, gettext("Choose one of these."))
        async with self._site.services.writing() as connection:
            kit = await open_kit(connection, viewer, request.path_params["serial"])
            try:
                await change_membership(
                    connection,
                    caller_of(viewer),
                    await _membership_id(connection, request, kit),
                    access_super=level.access_super,
                    access_configure=level.access_configure,
                )
            except RequiresOneSuperMember as error:
                raise HTTPException(409, _last_one()) from error
        return redirect(request, kit_path(kit, "/members"), said="changed")

    async def ask_to_remove(self, request: Request) -> Response:
        """Answer with the question, for browsers without script; with it, it is a dialog."""
        async with reading_kit(self._site, request) as (connection, kit):
            require_people(kit)
            membership_id = await _membership_id(connection, request, kit)
            values = await member_values(connection, kit, self._site.clock())
        (member,) = (each for each in values["members"] if each.id == membership_id)
        if not (member.is_self or kit.may(Permission.EDIT_MEMBERS)):
            kit.require(Permission.EDIT_MEMBERS)
        values = {"member": member, "is_last": member.is_last}
        return kit_page(self._site, request, kit, "members", "kits/remove_member.html", **values)

    async def remove(self, request: Request) -> Response:
        """Remove a member, or leave the kit oneself."""
        require_same_origin(request)
        viewer = await self._site.viewer(request)
        async with self._site.services.writing() as connection:
            kit = await open_kit(connection, viewer, request.path_params["serial"])
            try:
                ended = await end_membership(
                    connection, caller_of(viewer), await _membership_id(connection, request, kit)
                )
            except RequiresOneSuperMember as error:
                raise HTTPException(409, _last_one()) from error
        if viewer.user is not None and ended.user_id == viewer.user.id and not viewer.is_admin:
            return redirect(request, "/")
        return redirect(request, kit_path(kit, "/members"), said="removed")

    def _page(
        self,
        request: Request,
        kit: OpenedKit,
        values: dict[str, Any],
        form: Form | None = None,
        status_code: int = 200,
    ) -> Response:
        return kit_page(
            self._site,
            request,
            kit,
            "members",
            "kits/members.html",
            status_code=status_code,
            toasts=_TOASTS,
            form=form or Form(),
            **values,
        )


async def member_values(connection: AsyncConnection, kit: OpenedKit, now: datetime) -> dict[str, Any]:
    """Return what the page shows of members and invitations."""
    may_edit = kit.may(Permission.EDIT_MEMBERS)
    found = await list_invitations(connection, kit.id, now) if may_edit else []
    members = _shown(await members_of_kit(connection, kit.id), kit)
    return {
        "members": members,
        "owners": [each.name for each in members if each.level is Level.FULL],
        "may_edit": may_edit,
        "levels": level_choices(),
        "invitations": [ShownInvitation(invitation=each, level=level_name(level_of(each))) for each in found],
        "now": now,
    }


def require_people(kit: OpenedKit) -> None:
    """Raise Problem 401 or 403 for those who see the kit only because it is public."""
    require_people_of_kit(kit, gettext("Only members see who the members are."))


def _shown(rows: Sequence[Any], kit: OpenedKit) -> list[ShownMember]:
    own_id = kit.viewer.user.id if kit.viewer.user else None
    owners = sum(1 for row in rows if row["member_super"])
    shown = []
    for row in rows:
        profile = profile_in(row)
        shown.append(
            ShownMember(
                id=row["membership_id"],
                name=profile.display_name,
                username=profile.username,
                since=row["datetime_linked"],
                level=_level(row["member_super"], row["member_configure"]),
                is_self=profile.id == own_id,
                is_last=bool(row["member_super"]) and owners == 1,
            )
        )
    return shown


def _level(access_super: bool, access_configure: bool) -> Level:
    if access_super:
        return Level.FULL
    return Level.CONFIGURE if access_configure else Level.VIEW


async def _membership_id(connection: AsyncConnection, request: Request, kit: OpenedKit) -> int:
    """Return the id in the address, which has to be that of a membership of this kit."""
    text = request.path_params["membership_id"]
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_ID_DIGITS else None
    ids = {int(row["membership_id"]) for row in await members_of_kit(connection, kit.id)}
    if wanted is None or wanted not in ids:
        raise HTTPException(404, gettext("This person is not a member any more."))
    return wanted


def _last_one() -> str:
    return gettext("A kit needs at least one member with full access. Give full access to somebody else first.")
