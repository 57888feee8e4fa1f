"""`/kits/new/many`: many kits at once, from a list of names, and the sheet of labels to cut and to stick on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, ngettext
from hortus.base.text import fault_of_name
from hortus.base.time_zones import fault_of_time_zone, time_zone_names
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.shown_once import keep_to_show_once, take_shown_once
from hortus.domain.accounts.store import User
from hortus.domain.kits.creation import create_kit_for, kits_of_form, note_creation
from hortus.domain.kits.details import MOST_NAME_CHARACTERS
from hortus.domain.kits.first_configurations import chosen_configuration, configuration_of
from hortus.domain.kits.store import NewKit
from hortus.domain.messages.sealing import Unreadable
from hortus.http.access.doors import reach
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.problems import Problem
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.adding import quota_sentence
from hortus.http.pages.kits.connecting import uuid_in
from hortus.http.pages.kits.credentials import (
    Credentials,
    from_sealed_text,
    lines_to_enter,
    qr_code,
    sealed_text,
)
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site

MOST_AT_ONCE = 100
"""Each password takes tens of milliseconds to hash, and the sheet has a code for each kit."""

_MOST_FORM_BYTES = 65_536


class ManyKitsPages:
    """The form, and the sheet of labels, which is shown once."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/new/many", self.show, methods=["GET"]),
            Route("/kits/new/many", self.create, methods=["POST"]),
            Route("/kits/new/many/labels", self.labels, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form."""
        viewer, _ = await self._site.person(request)
        return self._form_page(request, viewer, Form(values={"form": str(uuid4()), "preset": "standard"}))

    async def create(self, request: Request) -> Response:
        """Create all kits or none, and go on to their labels."""
        require_same_origin(request)
        form = Form(values=await read_form(request, most_bytes=_MOST_FORM_BYTES))
        viewer, user = await self._site.person(request)
        form_id = uuid_in(form.value("form"))
        if form_id is None:
            raise Problem(404)
        names = read_names(form)
        if form.value("time_zone") and fault_of_time_zone(form.value("time_zone")) is not None:
            form.refuse("time_zone", gettext("Time zone: choose one from the list, such as Europe/Amsterdam."))
        if not form.faults:
            try:
                once = await self._create(user, form_id, names, form)
            except QuotaReached:
                form.refuse("names", quota_sentence())
            else:
                suffix = f"?once={once}" if once else ""
                return redirect(request, f"/kits/new/many/labels{suffix}")
        return self._form_page(request, viewer, form, status_code=422)

    async def _create(self, user: User, form_id: UUID, names: Sequence[str], form: Form) -> UUID | None:
        """Return where the labels are kept; None if this form has created its kits before."""
        services, made, kit_ids = self._site.services, [], []
        choice = chosen_configuration(form.value("preset"))
        async with services.long_change() as connection:
            if await kits_of_form(connection, form_id, user.id):
                return None
            for name in names:
                wanted = NewKit(
                    name=name,
                    time_zone=form.value("time_zone") or None,
                    public_dashboard=form.is_checked("public"),
                )
                kit = await create_kit_for(
                    *(connection, services.kits, user.id, wanted),
                    quotas=services.parts.quotas,
                    now=services.clock(),
                    configuration=configuration_of(choice),
                )
                made.append(Credentials(serial=kit.serial, password=kit.password, name=name))
                kit_ids.append(kit.id)
            await note_creation(connection, form_id, user.id, kit_ids)
            sealed = services.messages.seal.close(sealed_text(made))
            return await keep_to_show_once(connection, user.id, sealed, services.clock())

    async def labels(self, request: Request) -> Response:
        """Answer with the sheet. Whoever asks first, and only once, sees the passwords."""
        viewer, user = await self._site.person(request)
        once = uuid_in(request.query_params.get("once", ""))
        labels: Sequence[Credentials] = ()
        if once is not None and request.method == "GET":
            async with self._site.changing() as connection:
                sealed = await take_shown_once(connection, user.id, once, self._site.clock())
            if sealed is not None:
                try:
                    labels = from_sealed_text(self._site.services.messages.seal.open(sealed))
                except Unreadable:
                    labels = ()
        door = self._site.services.parts.doors().kits
        host = reach(door, request.url.hostname) if door else ""
        return self._site.page(
            *(request, "kits/new/labels.html"),
            viewer=viewer,
            labels=[(each, qr_code(lines_to_enter(each, host, door))) for each in labels],
            door=door,
            host=host,
        )

    def _form_page(self, request: Request, viewer: Viewer, form: Form, status_code: int = 200) -> Response:
        names = ("form", "names", "time_zone", "public", "preset")
        return self._site.page(
            *(request, "kits/new/many.html"),
            viewer=viewer,
            status_code=status_code,
            fields={name: form.values.get(name, "") for name in names},
            faults={name: form.fault(name) for name in names},
            errors=form.errors,
            most=MOST_AT_ONCE,
            zones=sorted(time_zone_names()),
        )


def read_names(form: Form) -> Sequence[str]:
    """Return the names: one a line, or the first column of a CSV. What is wrong is noted in the form."""
    lines = form.values.get("names", "").replace("\r\n", "\n").splitlines()
    delimiter = ";" if any(";" in line for line in lines[:1]) else ","
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        form.refuse("names", gettext("Names: this is neither a list nor a CSV file."))
        return ()
    names = [row[0].strip() for row in rows if row and row[0].strip()]
    if not names:
        form.refuse("names", gettext("Names: enter at least one."))
    elif len(names) > MOST_AT_ONCE:
        form.refuse(
            "names",
            ngettext(
                "Names: at most %(most)s at once; this is %(names)s.",
                "Names: at most %(most)s at once; these are %(names)s.",
                len(names),
                most=MOST_AT_ONCE,
                names=len(names),
            ),
        )
    for number, name in enumerate(names[: MOST_AT_ONCE + 1], start=1):
        if len(name) > MOST_NAME_CHARACTERS or fault_of_name(name) is not None:
            form.refuse(
                "names",
                gettext(
                    "Names: number %(number)s, “%(name)s”, has to be one line of at most %(most)s characters.",
                    number=number,
                    name=name[:MOST_NAME_CHARACTERS],
                    most=MOST_NAME_CHARACTERS,
                ),
            )
    return names
