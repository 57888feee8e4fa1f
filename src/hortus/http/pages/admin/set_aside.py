"""`/admin/set-aside`: messages of all kits that could not be stored, and devices that no kit stands for."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.administration.log import Deed, note_deed
from hortus.domain.kits.store import CreatedKit, NewKit, UnusableSerial
from hortus.flow.quarantine.store import (
    QuarantinedMessageNotFound,
    QuarantineFilter,
    count_quarantine,
    list_quarantine,
    purge_quarantine,
    quarantine_ids,
    show_quarantined,
)
from hortus.flow.quarantine.unknown_kits import list_unknown_kits, messages_of_unknown_kit
from hortus.http.access.replays import replay_for
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.streaming import attachment
from hortus.http.pages.admin.frame import AdminPages, number_in_path
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_form, redirect
from hortus.protocol.reasons import Reason, explanation_of

MESSAGES_PER_PAGE = 50
MOST_TRIED_AGAIN = 5_000
"""At once; the page says how many are left."""

_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
_TOASTS = {"discarded": gettext_noop("The messages are discarded. They stay counted.")}


class AdminSetAside(AdminPages):
    """Shows, tries again and discards messages in quarantine."""

    def routes(self) -> list[Route]:
        return [
            Route("/admin/set-aside", self.show),
            Route("/admin/set-aside/try-again", self.try_again, methods=["POST"]),
            Route("/admin/set-aside/discard", self.ask_to_discard),
            Route("/admin/set-aside/discard", self.discard, methods=["POST"]),
            Route("/admin/set-aside/kits", self.make_kit, methods=["POST"]),
            Route("/admin/set-aside/{message_number}", self.show_one),
            Route("/admin/set-aside/{message_number}/content", self.content),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the newest messages, all or those of one reason."""
        return await self._list(
            request, await self.viewer(request), _reason(request.query_params.get("reason"))
        )

    async def show_one(self, request: Request) -> Response:
        """Answer with one message."""
        viewer = await self.viewer(request)
        try:
            async with self.site.reading() as connection:
                message = await show_quarantined(connection, number_in_path(request, "message_number"))
        except QuarantinedMessageNotFound as error:
            raise HTTPException(404) from error
        return self.page(
            request,
            viewer,
            "set-aside",
            "set_aside_message.html",
            entry=message,
            explanation=gettext(explanation_of(message.reason)),
            crumbs=[{"path": "/admin/set-aside", "name": gettext("Set aside")}],
        )

    async def content(self, request: Request) -> Response:
        """Answer with the bytes of a message as a download."""
        await self.viewer(request)
        number = number_in_path(request, "message_number")
        try:
            async with self.site.reading() as connection:
                message = await show_quarantined(connection, number)
        except QuarantinedMessageNotFound as error:
            raise HTTPException(404) from error
        headers = _HARMLESS | {"Content-Disposition": attachment(f"message_{number}.bin")}
        return Response(message.payload, media_type="application/octet-stream", headers=headers)

    async def try_again(self, request: Request) -> Response:
        """Try to store messages again: one, those of a reason, or all. The answer says what became of them."""
        viewer, acting = await self.acting(request)
        form = Form(await read_form(request))
        reason = _reason(form.value("reason"))
        serial, number = form.value("serial"), form.value("number")
        async with self.site.reading() as connection:
            if serial:
                ids = await messages_of_unknown_kit(connection, serial)
            else:
                ids = await quarantine_ids(connection, _filter(reason, number), most=MOST_TRIED_AGAIN)
        result = await replay_for(request, self.site.services, acting.id, ids)
        async with self.site.changing() as connection:
            subject = serial or number or reason or "all"
            await note_deed(connection, acting.username, Deed.MESSAGES_TRIED_AGAIN, subject, len(ids))
        return await self._list(request, viewer, reason, result=result, tried=len(ids))

    async def ask_to_discard(self, request: Request) -> Response:
        """Ask before messages are discarded."""
        viewer = await self.viewer(request)
        reason, number = request.query_params.get("reason", ""), request.query_params.get("number", "")
        async with self.site.reading() as connection:
            n = await count_quarantine(connection, _filter(_reason(reason), number))
        return self.page(
            request,
            viewer,
            "set-aside",
            "set_aside_discard.html",
            n=n,
            reason=_reason(reason) or "",
            number=number if number.isdigit() else "",
            explanation=gettext(explanation_of(reason)) if _reason(reason) else "",
            crumbs=[{"path": "/admin/set-aside", "name": gettext("Set aside")}],
        )

    async def discard(self, request: Request) -> Response:
        """Delete messages for good. The ledger still counts them."""
        _, acting = await self.acting(request)
        form = Form(await read_form(request))
        reason = _reason(form.value("reason"))
        wanted = _filter(reason, form.value("number"))
        async with self.site.services.long_change() as connection:
            gone = await purge_quarantine(connection, wanted)
            subject = form.value("number") or reason or "all"
            await note_deed(connection, acting.username, Deed.MESSAGES_DISCARDED, subject, gone)
        return redirect(request, "/admin/set-aside", said="discarded")

    async def make_kit(self, request: Request) -> Response:
        """Make a kit for a device that has a serial, and store what it sent so far."""
        viewer, acting = await self.acting(request)
        form = Form(await read_form(request))
        serial = form.value("serial")
        try:
            async with self.site.services.writing() as connection:
                kit = await self.site.services.kits.create_with_serial(connection, NewKit(), serial)
                await note_deed(connection, acting.username, Deed.KIT_MADE, serial)
        except UnusableSerial:
            message = gettext("No new kit can have this serial: it is taken, or it is none.")
            return await self._list(request, viewer, None, message=message, status_code=422)
        return await self._list(request, viewer, None, made=kit)

    async def _list(
        self,
        request: Request,
        viewer: Viewer,
        reason: str | None,
        *,
        status_code: int = 200,
        message: str = "",
        made: CreatedKit | None = None,
        result: object = None,
        tried: int = 0,
    ) -> Response:
        before = request.query_params.get("before", "")
        wanted = QuarantineFilter(reason=reason, before_id=int(before) if _is_number(before) else None)
        async with self.site.reading() as connection:
            messages = await list_quarantine(connection, wanted, limit=MESSAGES_PER_PAGE + 1)
            unknown = await list_unknown_kits(connection)
            waiting = len(await messages_of_unknown_kit(connection, made.serial)) if made else 0
        shown = messages[:MESSAGES_PER_PAGE]
        return self.page(
            request,
            viewer,
            "set-aside",
            "set_aside.html",
            status_code=status_code,
            entries=[(each, gettext(explanation_of(each.reason))) for each in shown],
            older=shown[-1].id if len(messages) > MESSAGES_PER_PAGE else None,
            unknown=unknown,
            reason=reason or "",
            reasons=[{"value": "", "name": gettext("All reasons")}]
            + [{"value": str(each), "name": str(each)} for each in Reason],
            made=made,
            waiting=waiting,
            result=result,
            tried=tried,
            message=message,
            toasts=_TOASTS,
        )


def _reason(text: str | None) -> str | None:
    return text if text in {str(each) for each in Reason} else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) < 19


def _filter(reason: str | None, number: str) -> QuarantineFilter:
    if number:
        return QuarantineFilter(ids=(int(number),) if _is_number(number) else ())
    return QuarantineFilter(reason=reason)
