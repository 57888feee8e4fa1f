"""`/kits/new`: adding a kit, a board or a virtual kit, step by step.

    kind -> name and place (creates it) -> connect -> first reading

Every step has an address of its own, so Back and reload keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.errors import UsageError
from hortus.base.language.translation import gettext, gettext_noop
from hortus.base.time_zones import time_zone_names
from hortus.domain.accounts.profiles import find_profile
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.store import User
from hortus.domain.kits.creation import MOST_VIRTUAL_KITS, TooManyVirtualKits
from hortus.domain.kits.first_configurations import FirstConfiguration, chosen_configuration
from hortus.flow.gateway.board_intake import DatabaseAway
from hortus.flow.gateway.boards import (
    BoardExists,
    BoardNotHeard,
    WaitingBoard,
    forget_waiting_board,
    list_waiting_boards,
)
from hortus.flow.gateway.gateways import LONGEST_NAME
from hortus.flow.gateway.owned_boards import OwnedBoard, release_kept_readings
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.problems import Problem
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.connecting import uuid_in
from hortus.http.pages.kits.details_form import DETAIL_FIELDS, Details, read_details, values_of
from hortus.http.pages.kits.making import Kind, Made, Wish, make
from hortus.http.pages.kits.opened import open_kit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

# Only here, where "use this position" is: other pages must not know where somebody is.
_MAY_LOCATE = {"Permissions-Policy": "camera=(), geolocation=(self), microphone=()"}
_SHOWN_BOARDS = 20

_TOASTS = {
    "forgotten": gettext_noop("The board was forgotten. It is offered again when it sends again."),
}


class AddKitPages:
    """The pages. Every person may add kits, up to their quota."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/new", self.choose, methods=["GET"]),
            Route("/kits/new", self.chosen, methods=["POST"]),
            Route("/kits/new/details", self.details, methods=["GET"]),
            Route("/kits/new/details", self.create, methods=["POST"]),
            Route("/kits/new/boards/{sensor_id:int}/forget", self.forget, methods=["POST"]),
        ]

    # Kind

    async def choose(self, request: Request) -> Response:
        """Answer with the choice. Boards that sent something and have no name are offered first."""
        viewer, _ = await self._site.person(request)
        waiting: Sequence[WaitingBoard] = ()
        if viewer.is_admin:
            async with self._site.reading() as connection:
                waiting = await list_waiting_boards(connection)
        return self._site.page(
            *(request, "kits/new/kind.html"),
            viewer=viewer,
            waiting=waiting[:_SHOWN_BOARDS],
            more_boards=max(0, len(waiting) - _SHOWN_BOARDS),
            runs_virtual_kits=self._site.services.parts.doors().is_built_in,
            now=self._site.clock(),
            toasts=_TOASTS,
        )

    async def chosen(self, request: Request) -> Response:
        """Go on to the name. The id of the form lets it be sent twice without a second kit."""
        require_same_origin(request)
        form = await read_form(request)
        await self._site.person(request)
        kind = _kind_of(form.get("kind", ""))
        path = f"/kits/new/details?kind={kind}&form={uuid4()}"
        sensor_id, gateway = form.get("sensor", ""), form.get("gateway", "")
        if kind is Kind.BOARD and sensor_id.isascii() and sensor_id.isdigit():
            path += f"&sensor={sensor_id[:10]}"
            path += f"&gateway={quote(gateway[:LONGEST_NAME], safe='')}"
        return redirect(request, path)

    async def forget(self, request: Request) -> Response:
        """Throw away what was kept of a board without a name."""
        require_same_origin(request)
        viewer, _ = await self._site.person(request)
        if not viewer.is_admin:
            raise Problem(403, detail=gettext("Only administrators can forget boards that have no name."))
        async with self._site.changing() as connection:
            try:
                await forget_waiting_board(connection, request.path_params["sensor_id"])
            except UsageError as error:
                raise Problem(404) from error
        return redirect(request, "/kits/new", said="forgotten")

    # Name and place

    async def details(self, request: Request) -> Response:
        """Answer with the form; with what was entered, if it has created a kit already."""
        viewer, user = await self._site.person(request)
        wish = _wish_of(request.query_params)
        async with self._site.services.writing() as connection:
            existing = await wish.existing(connection, user.id)
            if existing is not None:
                opened = await open_kit(connection, viewer, existing)
                return self._details_page(request, viewer, wish, Form(values=values_of(opened.row)))
            profile = await find_profile(connection, user.id)
        zone = (profile.appearance.time_zone if profile else None) or ""
        name = {Kind.VIRTUAL: gettext("Virtual kit"), Kind.KIT: "", Kind.BOARD: ""}[wish.kind]
        values = {"name": name, "time_zone": zone, "preset": FirstConfiguration.STANDARD.value}
        return self._details_page(request, viewer, wish, Form(values=values))

    async def create(self, request: Request) -> Response:
        """Create the kit, or answer 422 with what is wrong."""
        require_same_origin(request)
        form = Form(values=await read_form(request, most_bytes=65_536))
        viewer, user = await self._site.person(request)
        wish = _wish_of(form.values)
        details = read_details(form)
        if wish.kind is Kind.VIRTUAL and not self._site.services.parts.doors().is_built_in:
            raise Problem(409, detail=gettext("This process runs no virtual kits."))
        if not form.faults:
            made = await self._make(viewer, user, wish, details, form)
            if made is not None:
                return redirect(request, made.next_path, said="created" if made.is_old else "")
        return self._details_page(request, viewer, wish, form, status_code=422)

    async def _make(self, viewer: Viewer, user: User, wish: Wish, details: Details, form: Form) -> Made | None:
        """Return what was created; None if it could not be, which the form says."""
        choice = chosen_configuration(form.value("preset"))
        try:
            made = await make(self._site.services, viewer, user, wish, details, choice)
            if made.board is not None and wish.sensor_id is not None:
                await self._release(made.board)
        except QuotaReached:
            form.refuse("name", quota_sentence())
        except TooManyVirtualKits:
            most = MOST_VIRTUAL_KITS
            form.refuse(
                "name", gettext("There are %(most)s virtual kits already. Delete one first.", most=most)
            )
        except (BoardNotHeard, BoardExists):
            form.refuse("name", gettext("This board waits for no name any more: somebody named or forgot it."))
        else:
            return made
        return None

    async def _release(self, board: OwnedBoard) -> None:
        """Store what was kept of a board. If that fails, it is stored when the board is heard again."""
        parts = self._site.services.parts
        try:
            await release_kept_readings(parts.engine, parts.intake, board)
        except DatabaseAway:
            return

    def _details_page(
        self, request: Request, viewer: Viewer, wish: Wish, form: Form, status_code: int = 200
    ) -> Response:
        return self._site.page(
            *(request, "kits/new/details.html"),
            viewer=viewer,
            status_code=status_code,
            headers=_MAY_LOCATE,
            wish=wish,
            fields={name: form.values.get(name, "") for name in (*DETAIL_FIELDS, "preset")},
            faults={name: form.fault(name) for name in DETAIL_FIELDS},
            errors=form.errors,
            zones=sorted(time_zone_names()),
        )


def _kind_of(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError as error:
        raise Problem(404) from error


def _wish_of(values: Mapping[str, str]) -> Wish:
    form_id = uuid_in(values.get("form", ""))
    if form_id is None:
        raise Problem(404)
    number = values.get("sensor", "")
    return Wish(
        kind=_kind_of(values.get("kind", "")),
        form_id=form_id,
        sensor_id=int(number) if number.isascii() and number.isdigit() and len(number) <= 10 else None,
        gateway=values.get("gateway") or None,
    )


def quota_sentence() -> str:
    """Return what a person is told who may not add more kits."""
    return gettext(
        "You manage as many kits as one person may. Delete one, or ask the administrator to raise the limit."
    )
