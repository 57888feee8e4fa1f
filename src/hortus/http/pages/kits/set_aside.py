"""`/kits/{serial}/data-check/set-aside/{id}`, and what can be done with messages that were set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.peripheral_names import peripheral_names
from hortus.flow.quarantine.decoding import decoded
from hortus.flow.quarantine.store import (
    QuarantinedMessage,
    QuarantinedMessageNotFound,
    QuarantineFilter,
    count_quarantine,
    purge_quarantine,
    quarantine_ids,
    show_quarantined,
)
from hortus.http.access.permissions import Permission
from hortus.http.access.replays import replay_for
from hortus.http.conventions.problems import Problem
from hortus.http.conventions.streaming import bytes_reply
from hortus.http.pages.kits.data_check import check_page, known_reason
from hortus.http.pages.kits.frame import kit_page, kit_path, reading_kit
from hortus.http.pages.kits.hex_dump import hex_lines
from hortus.http.pages.kits.opened import OpenedKit, open_kit
from hortus.http.pages.kits.reason_words import reason_title, stream_name, waiting_advice
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.status import explanation_of
from hortus.http.pages.times import clock_text

_SHOWN_BYTES = 4096
_BUSY = (429, 503)

_FIELDS = {
    "id": gettext_noop("Id"),
    "datetime": gettext_noop("Time by the kit's clock"),
    "datetimeStart": gettext_noop("Begins, by the kit's clock"),
    "datetimeEnd": gettext_noop("Ends, by the kit's clock"),
    "peripheral": gettext_noop("Peripheral"),
    "quantityType": gettext_noop("Quantity type"),
    "value": gettext_noop("Value"),
    "values": gettext_noop("Values"),
    "name": gettext_noop("File name"),
    "type": gettext_noop("Type"),
    "metadata": gettext_noop("Description"),
    "size": gettext_noop("Bytes"),
}


class SetAsidePages:
    """Messages that were set aside: one with its content, trying again, discarding."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        start = "/kits/{serial}/data-check"
        return [
            Route(f"{start}/set-aside/{{message_id}}", self.show, methods=["GET"]),
            Route(f"{start}/set-aside/{{message_id}}/bytes", self.download, methods=["GET"]),
            Route(f"{start}/try", self.try_again, methods=["POST"]),
            Route(f"{start}/discard", self.ask, methods=["GET"]),
            Route(f"{start}/discard", self.discard, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with one message: why it was set aside, what it says, and its bytes."""
        async with reading_kit(self._site, request) as (connection, kit):
            message = await _message(request, connection, kit)
            content = _decoded(message)
            names = await peripheral_names(connection, kit.id) if content else {}
        now = self._site.clock()
        return kit_page(
            self._site,
            request,
            kit,
            "data-check",
            "kits/set_aside.html",
            now=now,
            path=kit_path(kit, "/data-check"),
            message=message,
            title=reason_title(message.reason),
            stream=stream_name(message.stream),
            explanation=explanation_of(message.reason),
            advice=waiting_advice(message.reason),
            received=clock_text(message.received_at, kit.zone, now, seconds=True),
            content=_labelled(content, names, kit.zone),
            hex_lines=list(hex_lines(message.payload[:_SHOWN_BYTES]))
            if "hex" in request.query_params
            else None,
            shown_bytes=_SHOWN_BYTES,
        )

    async def download(self, request: Request) -> Response:
        """Answer with all bytes that were kept."""
        async with reading_kit(self._site, request) as (connection, kit):
            message = await _message(request, connection, kit)
        return bytes_reply(message.payload, f"{kit.serial}_message_{message.id}.bin")

    async def try_again(self, request: Request) -> Response:
        """Try to store one message, those of a reason, or all, and say what became of them."""
        require_same_origin(request)
        form = await read_form(request)
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            wanted = _filter(kit, form)
            ids = await quarantine_ids(connection, wanted)
        viewer = kit.viewer
        try:
            result = await replay_for(
                request, self._site.services, viewer.user.id if viewer.user else None, ids
            )
        except Problem as problem:
            if problem.status not in _BUSY:
                raise
            return await check_page(self._site, request, status_code=problem.status, refusal=_in_words(problem))
        done = f"{result.stored}-{result.duplicate}-{result.still_quarantined}"
        return redirect(request, f"{kit_path(kit, '/data-check')}?tried={done}")

    async def ask(self, request: Request) -> Response:
        """Answer with the question whether to discard."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            wanted = _filter(kit, request.query_params)
            number = await count_quarantine(connection, wanted)
        if not number:
            raise HTTPException(404, gettext("Nothing is set aside here any more."))
        return kit_page(
            self._site,
            request,
            kit,
            "data-check",
            "kits/discard.html",
            number=number,
            wanted=wanted,
            title=reason_title(wanted.reason) if wanted.reason else "",
            path=kit_path(kit, "/data-check"),
        )

    async def discard(self, request: Request) -> Response:
        """Discard one message, those of a reason, or all. The ledger still counts them."""
        require_same_origin(request)
        form = await read_form(request)
        viewer = await self._site.viewer(request)
        async with self._site.services.long_change() as connection:
            kit = await open_kit(connection, viewer, request.path_params["serial"])
            kit.require(Permission.EDIT_CONFIGURATION)
            await purge_quarantine(connection, _filter(kit, form))
        return redirect(request, kit_path(kit, "/data-check"), said="discarded")


def _filter(kit: OpenedKit, fields: Any) -> QuarantineFilter:
    """Return the messages that a form is about. Raises HTTPException 400 if it names none rightly."""
    message, reason = fields.get("message", ""), fields.get("reason", "")
    if message:
        return QuarantineFilter(kit_id=kit.id, ids=(_message_number(message),))
    if reason:
        known = known_reason(reason)
        if known is None:
            raise HTTPException(400, gettext("There is no such reason."))
        return QuarantineFilter(kit_id=kit.id, reason=str(known))
    if fields.get("all") != "yes":
        raise HTTPException(400, gettext("Say which messages: one, those of a reason, or all."))
    return QuarantineFilter(kit_id=kit.id)


def _message_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise HTTPException(404, gettext("Nothing is set aside here any more."))
    return int(text)


async def _message(request: Request, connection: AsyncConnection, kit: OpenedKit) -> QuarantinedMessage:
    kit.require(Permission.EDIT_CONFIGURATION)
    number = _message_number(request.path_params["message_id"])
    try:
        return await show_quarantined(connection, number, kit.id)
    except QuarantinedMessageNotFound as error:
        raise HTTPException(404, gettext("Nothing is set aside here any more.")) from error


def _decoded(message: QuarantinedMessage) -> dict[str, Any] | None:
    if len(message.payload) != message.payload_bytes:
        return None
    return decoded(message.topic, message.payload)


def _labelled(
    content: dict[str, Any] | None, names: dict[int, str], zone: tzinfo
) -> Sequence[dict[str, str]] | None:
    """Return the fields of a message with their labels."""
    if content is None:
        return None
    fields = []
    for name, value in content.items():
        text = ", ".join(f"{key}: {each}" for key, each in value.items()) if name == "values" else str(value)
        if name.startswith("datetime"):
            text = clock_text(datetime.fromisoformat(value), zone, seconds=True)
        if name == "peripheral" and value in names:
            text = gettext("%(name)s (number %(number)s)", name=names[value], number=value)
        fields.append({"label": gettext(_FIELDS[name]), "text": text})
    return fields


def _in_words(problem: Problem) -> Problem:
    """Return the refusal of a process that is busy with other replays, in our words."""
    if problem.status == 429 or problem.detail is None or "busy" in problem.detail:
        detail = gettext("Messages are being tried again elsewhere right now. Nothing was changed.")
    else:
        detail = problem.detail
    return Problem(problem.status, detail=detail, headers=problem.headers)
