"""Invitations to a kit, made and withdrawn on its page of members."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_name
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.kits.invitations import (
    MOST_NOTE_CHARACTERS,
    MOST_USES,
    InvalidInvitation,
)
from hortus.http.access.member_changes import invite, withdraw
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import not_found
from hortus.http.pages.account.levels import Level, level_choices, level_named
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.kits.members import require_people
from hortus.http.pages.requests import read_form, redirect
from hortus.http.pages.site import Site
from hortus.http.pages.viewers import caller_of

_MOST_ID_DIGITS = 9
_MOST_USES_DIGITS = 3


class KitInvitationPages:
    """The form for an invitation, its link, which is shown once, and its end."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/{serial}/members/invite", self.show, methods=["GET"]),
            Route("/kits/{serial}/members/invite", self.create, methods=["POST"]),
            Route("/kits/{serial}/invitations/{invitation_id}/withdraw", self.withdraw, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form."""
        async with reading_kit(self._site, request) as (_, kit):
            require_people(kit)
            kit.require(Permission.EDIT_MEMBERS)
        return kit_page(self._site, request, kit, "members", "kits/invite.html", **_values(Form()))

    async def create(self, request: Request) -> Response:
        """Make an invitation and answer with its link: it is in no address, so nothing else records it."""
        form = Form(await read_form(request))
        level = level_named(form.value("level"))
        uses = _number(form.value("uses"), _MOST_USES_DIGITS)
        note = form.value("note")
        link = ""
        async with changing_kit(self._site, request, Permission.EDIT_MEMBERS) as (connection, kit):
            _refuse(form, level, uses, note)
            if not form.faults and level is not None:
                try:
                    _, token = await invite(
                        connection,
                        self._site.services,
                        kit.access,
                        access_super=level.access_super,
                        access_configure=level.access_configure,
                        uses=uses,
                        note=note or None,
                    )
                    link = self._site.address_for_others(request) + f"/invitations/{token}"
                except InvalidInvitation:
                    form.refuse("uses", gettext("A link for several people cannot give full access."))
                except QuotaReached:
                    form.refuse(
                        "uses", gettext("There are too many open invitations. Withdraw one that is not needed.")
                    )
        return kit_page(
            self._site,
            request,
            kit,
            "members",
            "kits/invite.html",
            status_code=422 if form.faults else 201,
            headers={"Cache-Control": "no-store"},
            **_values(form, link, uses),
        )

    async def withdraw(self, request: Request) -> Response:
        """Withdraw an invitation: its link no longer works."""
        async with changing_kit(self._site, request, Permission.EDIT_MEMBERS) as (connection, kit):
            invitation_id = _number(request.path_params["invitation_id"], _MOST_ID_DIGITS)
            if not invitation_id:
                raise not_found()
            await withdraw(connection, caller_of(kit.viewer), invitation_id)
        return redirect(request, kit_path(kit, "/members"), said="withdrawn")


def _refuse(form: Form, level: Level | None, uses: int, note: str) -> None:
    if level is None:
        form.refuse("level", gettext("Choose one of these."))
    if not 1 <= uses <= MOST_USES:
        form.refuse("uses", gettext("Enter a number from 1 to %(most)s.", most=MOST_USES))
    if len(note) > MOST_NOTE_CHARACTERS or fault_of_name(note) is not None:
        form.refuse("note", gettext("A reminder has at most %(most)s characters.", most=MOST_NOTE_CHARACTERS))


def _values(form: Form, link: str = "", uses: int = 1) -> dict[str, Any]:
    return {"form": form, "levels": level_choices(), "link": link, "uses": uses, "most_uses": MOST_USES}


def _number(text: str, most_digits: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most_digits else 0
