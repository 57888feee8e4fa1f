"""`/kits/{serial}/connection`: why a kit does not connect, or which part of it is silent."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.accounts.shown_once import keep_to_show_once
from hortus.domain.kits.virtual import is_virtual
from hortus.flow.commands.command import CommandState, Method, Question
from hortus.flow.commands.outcome import KIT_OFFLINE, TIMED_OUT
from hortus.flow.commands.store import (
    Command,
    IsBoard,
    NobodySends,
    TooManyWaiting,
    enqueue,
    find_command,
)
from hortus.flow.diagnosis.facts import ConnectionFacts
from hortus.http.access.doors import reach
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import Problem
from hortus.http.pages.forms import Form
from hortus.http.pages.kits.chain import Chain, Eyes, chain_of, state_sentence
from hortus.http.pages.kits.connecting import credentials_shown_once
from hortus.http.pages.kits.credentials import (
    Credentials,
    configuration_file,
    lines_to_enter,
    qr_code,
    sealed_text,
)
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path
from hortus.http.pages.kits.known import open_known_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.kits.tabs import people_of_kit
from hortus.http.pages.requests import read_form, redirect
from hortus.http.pages.site import Site

_PATIENCE_SECONDS = 20
_TOASTS = {
    "offline": gettext_noop(
        "The kit cannot be asked: nobody can send to kits right now. Try again in a moment."
    ),
    "busy": gettext_noop("The kit has many commands waiting. Try again in a moment."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of *Ask the kit*."""

    state: str
    sentence: str


class ConnectionPages:
    """The page, its renewed part, and what can be done there."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/connection"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/findings", self.findings, methods=["GET"]),
            Route(f"{path}/ask", self.ask, methods=["POST"]),
            Route(f"{path}/password", self.new_password, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page. Who is not one of the kit's people gets its state in one sentence."""
        kit, facts = await open_known_kit(self._site, request, Permission.VIEW)
        return await self._page(request, kit, facts, Form())

    async def findings(self, request: Request) -> Response:
        """Answer with the renewed part alone."""
        kit, facts = await open_known_kit(self._site, request, Permission.VIEW)
        if not self._site.templates.is_current(request, kit.viewer):
            return Response(status_code=200, headers={"HX-Refresh": "true"})
        return HTMLResponse(await self._fragment(request, kit, facts))

    async def ask(self, request: Request) -> Response:
        """Ask the kit for its version, which shows that commands reach it and answers return."""
        await read_form(request)
        async with changing_kit(self._site, request, Permission.RPC_VERSION) as (connection, kit):
            user = kit.viewer.user
            assert user is not None
            try:
                command_id = await enqueue(
                    connection,
                    kit_id=kit.id,
                    user_id=user.id,
                    question=Question(method=Method.VERSION),
                    patience_seconds=_PATIENCE_SECONDS,
                )
            except IsBoard as error:
                raise Problem(409, detail=gettext("A board cannot be asked: it only sends.")) from error
            except TooManyWaiting:
                return redirect(request, kit_path(kit, "/connection"), said="busy")
            except NobodySends:
                return redirect(request, kit_path(kit, "/connection"), said="offline")
        return redirect(request, kit_path(kit, f"/connection?asked={command_id}"))

    async def new_password(self, request: Request) -> Response:
        """Make a new password, if the serial is typed; open connections are cut."""
        form = Form(values=await read_form(request))
        made: UUID | None = None
        async with changing_kit(self._site, request, Permission.RESET_PASSWORD) as (connection, kit):
            if await is_virtual(connection, kit.id):
                raise Problem(409, detail=gettext("A virtual kit gets its password by itself."))
            typed = form.value("serial").lower()
            if not hmac.compare_digest(typed.encode(), kit.serial.lower().encode()):
                form.refuse("serial", gettext("Serial: type it exactly as it is shown."))
            else:
                made = await self._make_password(connection, kit)
        if made is None:
            kit, facts = await open_known_kit(self._site, request, Permission.VIEW)
            return await self._page(request, kit, facts, form, status_code=422)
        return redirect(request, kit_path(kit, f"/connection?once={made}") + "#new-password")

    async def _make_password(self, connection: AsyncConnection, kit: OpenedKit) -> UUID:
        services, user = self._site.services, kit.viewer.user
        assert user is not None
        password = await services.kits.set_password(connection, kit.serial)
        content = sealed_text([Credentials(serial=kit.serial, password=password)])
        sealed = services.messages.seal.close(content)
        return await keep_to_show_once(connection, user.id, sealed, self._site.clock())

    async def _page(
        self,
        request: Request,
        kit: OpenedKit,
        facts: ConnectionFacts,
        form: Form,
        status_code: int = 200,
    ) -> Response:
        user = kit.viewer.user
        credentials = await credentials_shown_once(self._site, request, user, kit) if user else None
        door = self._site.services.parts.doors().kits
        host = reach(door, request.url.hostname) if door else ""
        return kit_page(
            *(self._site, request, kit, "connection", "kits/connection.html"),
            status_code=status_code,
            toasts=_TOASTS,
            content=await self._fragment(request, kit, facts),
            is_of_kit=people_of_kit(kit),
            asked=_asked(request),
            credentials=credentials,
            lines=configuration_file(credentials, host, door) if credentials else "",
            qr=qr_code(lines_to_enter(credentials, host, door)) if credentials else None,
            can_ask=kit.may(Permission.RPC_VERSION) and not facts.is_board,
            is_board=facts.is_board,
            is_virtual=facts.is_virtual,
            can_reset=kit.may(Permission.RESET_PASSWORD),
            door=door,
            host=host,
            errors=form.errors,
            fault=form.fault("serial"),
            typed=form.value("serial"),
        )

    async def _fragment(self, request: Request, kit: OpenedKit, facts: ConnectionFacts) -> str:
        now = self._site.clock()
        if not people_of_kit(kit):
            sentence = state_sentence(facts, kit.zone, now)
            chain = Chain(first=sentence, is_good=True, links=(), troubles=(), now=now)
            return self._site.templates.render("kits/_connection.html", chain=chain, answer=None)
        is_admin = kit.viewer.is_admin
        eyes = Eyes(
            addresses=kit.may(Permission.EDIT_CONFIGURATION),
            works=is_admin,
            log_ins=self._site.services.parts.doors().is_built_in,
            mail_is_set_up=self._site.services.messages.mail is not None,
        )
        backlog = await self._site.backlog.look() if is_admin else None
        answer = await self._answer(kit, _asked(request)) if kit.may(Permission.RPC_VERSION) else None
        return self._site.templates.render(
            "kits/_connection.html", chain=chain_of(facts, backlog, kit.zone, now, eyes), answer=answer
        )

    async def _answer(self, kit: OpenedKit, command_id: int | None) -> Answer | None:
        if command_id is None:
            return None
        async with self._site.reading() as connection:
            command = await find_command(connection, kit.id, command_id)
        if command is None or command.question.method is not Method.VERSION:
            return None
        return _answer_of(command)


def _answer_of(command: Command) -> Answer:
    match command.state:
        case CommandState.WAITING:
            return Answer(state="waiting", sentence=gettext("Waiting to be sent to the kit."))
        case CommandState.SENT:
            return Answer(state="waiting", sentence=gettext("Sent. The kit has 30 s to answer."))
        case CommandState.SUCCEEDED:
            assert command.sent_at is not None
            assert command.finished_at is not None
            took = (command.finished_at - command.sent_at) / timedelta(milliseconds=1)
            sentence = gettext(
                "The kit answered within %(took)s ms. Its program has the version %(version)s.",
                took=max(1, round(took)),
                version=(command.result_text or "").strip('"') or "–",
            )
            return Answer(state="good", sentence=sentence)
        case _ if command.error == TIMED_OUT:
            return Answer(state="failed", sentence=gettext("The kit did not answer within 30 s."))
        case _ if command.error == KIT_OFFLINE:
            return Answer(state="failed", sentence=gettext("The kit is offline, so it was not asked."))
        case _:
            return Answer(state="failed", sentence=gettext("The kit could not be asked."))


def _asked(request: Request) -> int | None:
    text = request.query_params.get("asked", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
