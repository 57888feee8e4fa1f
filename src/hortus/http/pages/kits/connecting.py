"""The last steps of adding a kit: what to enter on it, and its first reading."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.accounts.shown_once import take_shown_once
from hortus.domain.accounts.store import User
from hortus.domain.messages.sealing import Unreadable
from hortus.flow.diagnosis.facts import ConnectionFacts
from hortus.http.access.doors import reach
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import Problem
from hortus.http.pages.kits.credentials import (
    Credentials,
    configuration_file,
    from_sealed_text,
    is_password,
    lines_to_enter,
    qr_code,
)
from hortus.http.pages.kits.first_steps import FirstSteps, first_steps
from hortus.http.pages.kits.frame import kit_path
from hortus.http.pages.kits.known import open_known_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

_TOASTS = {"created": gettext_noop("This kit was created already. Its details were changed.")}


class ConnectKitPages:
    """The pages, for people who may configure the kit."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/new/{serial}/connect", self.connect, methods=["GET"]),
            Route("/kits/new/{serial}/connect", self.connected, methods=["POST"]),
            Route("/kits/new/{serial}/file", self.file, methods=["POST"]),
            Route("/kits/new/{serial}/first-reading", self.first_reading, methods=["GET"]),
            Route("/kits/new/{serial}/steps", self.steps, methods=["GET"]),
        ]

    async def connect(self, request: Request) -> Response:
        """Answer with what to enter on the kit. The password is shown to whoever asks first, and only once."""
        viewer, user = await self._site.person(request)
        kit, facts = await self._opened(request)
        credentials = await credentials_shown_once(self._site, request, user, kit)
        parts = self._site.services.parts
        doors = parts.doors()
        door = doors.boards if facts.is_board else doors.kits
        host = reach(door, request.url.hostname) if door else ""
        values: dict[str, Any] = {}
        if credentials is not None:
            values["qr"] = qr_code(lines_to_enter(credentials, host, door))
            values["lines"] = configuration_file(credentials, host, door)
        return self._site.page(
            *(request, "kits/new/connect.html"),
            viewer=viewer,
            toasts=_TOASTS,
            kit=kit,
            board=facts.board,
            credentials=credentials,
            door=door,
            host=host,
            content=self._steps_fragment(kit, facts_steps(self._site, kit, facts)),
            **({"qr": None, "lines": ""} | values),
        )

    async def connected(self, request: Request) -> Response:
        """Go on to the first reading."""
        require_same_origin(request)
        await read_form(request)
        kit, _ = await self._opened(request)
        return redirect(request, f"/kits/new{_suffix(kit)}/first-reading")

    async def file(self, request: Request) -> Response:
        """Answer with the file that the kit reads, made of the password that the page still shows."""
        require_same_origin(request)
        form = await read_form(request)
        kit, _ = await self._opened(request)
        password = form.get("password", "")
        if not is_password(password):
            raise Problem(422, detail=gettext("The password is shown only once. Make a new one."))
        door = self._site.services.parts.doors().kits
        host = reach(door, request.url.hostname) if door else str(request.url.hostname)
        return PlainTextResponse(
            configuration_file(Credentials(serial=kit.serial, password=password), host, door),
            headers={"Content-Disposition": 'attachment; filename="kit_config.toml"'},
        )

    async def first_reading(self, request: Request) -> Response:
        """Answer with the ticks, and with the first value once it is here."""
        kit, facts = await self._opened(request)
        steps = facts_steps(self._site, kit, facts)
        return self._site.page(
            *(request, "kits/new/first_reading.html"),
            viewer=kit.viewer,
            toasts=_TOASTS,
            kit=kit,
            steps=steps,
            is_virtual=facts.is_virtual,
            is_board=facts.is_board,
            content=self._steps_fragment(kit, steps),
        )

    async def steps(self, request: Request) -> Response:
        """Answer with the ticks alone, for a page that renews them."""
        kit, facts = await self._opened(request)
        if not self._site.templates.is_current(request, kit.viewer):
            return Response(status_code=200, headers={"HX-Refresh": "true"})
        return HTMLResponse(self._steps_fragment(kit, facts_steps(self._site, kit, facts)))

    def _steps_fragment(self, kit: OpenedKit, steps: FirstSteps) -> str:
        return self._site.templates.render("kits/new/_steps.html", kit=kit, steps=steps)

    async def _opened(self, request: Request) -> tuple[OpenedKit, ConnectionFacts]:
        return await open_known_kit(self._site, request, Permission.EDIT_CONFIGURATION)


def facts_steps(site: Site, kit: OpenedKit, facts: ConnectionFacts) -> FirstSteps:
    """Return the ticks of a kit for its viewer."""
    return first_steps(
        facts,
        kit.zone,
        site.clock(),
        with_addresses=kit.may(Permission.EDIT_CONFIGURATION),
        sees_log_ins=site.services.parts.doors().is_built_in,
    )


def _suffix(kit: OpenedKit) -> str:
    return kit_path(kit).removeprefix("/kits")


async def credentials_shown_once(
    site: Site, request: Request, user: User, kit: OpenedKit
) -> Credentials | None:
    """Return the new password that this address names, and forget it; None if it was shown before."""
    # A prefetch or a HEAD must not use it up.
    once = uuid_in(request.query_params.get("once", ""))
    if once is None or request.method != "GET":
        return None
    async with site.changing() as connection:
        sealed = await take_shown_once(connection, user.id, once, site.clock())
    if sealed is None:
        return None
    try:
        credentials = from_sealed_text(site.services.messages.seal.open(sealed))
    except Unreadable:
        return None
    return next((each for each in credentials if each.serial == kit.serial), None)


def uuid_in(text: str) -> UUID | None:
    """Return the UUID that this text is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None
