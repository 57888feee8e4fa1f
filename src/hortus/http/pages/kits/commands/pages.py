"""`/kits/{serial}/commands`: sending commands to a kit, and what became of them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.schemas import fault_by_schema
from hortus.flow.commands.command import Method, Question, UnsuitableCommand
from hortus.flow.commands.store import (
    Command,
    IsBoard,
    NobodySends,
    TooManyWaiting,
    cancel,
    enqueue,
    find_command,
)
from hortus.flow.commands.suitability import CommandablePeripheral
from hortus.http.access.commands import PERMISSION_FOR, require_success, result_reply
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import not_found
from hortus.http.pages.kits.commands.reading import Desk, Ledger, read_desk, read_ledger
from hortus.http.pages.kits.commands.words import bounds_text, command_text, presence_sentence
from hortus.http.pages.kits.configuration.reading import configurers_of
from hortus.http.pages.kits.frame import changing_kit, kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.schema_forms.fields import FormField
from hortus.http.pages.schema_forms.form import MOST_FORM_BYTES, MOST_FORM_FIELDS, SchemaForm
from hortus.http.pages.schema_forms.kinds import Kind, kind_of
from hortus.http.pages.schema_forms.texts import Texts
from hortus.http.pages.site import Site

TAB = "commands"
_COMMAND = "command"
_PATIENCE_SECONDS = 60
_RETRY_SECONDS = {429: "10", 503: "5"}
_KEY = re.compile(r"[\w-]{16,40}", re.ASCII)
_LARGEST_ID = 2**63 - 1
_QUESTIONS = {"version": Method.VERSION, "uptime": Method.UPTIME}
_TOASTS = {
    "taken-back": gettext_noop("The command is taken back. It was not sent."),
    "too-late": gettext_noop("It could not be taken back: it was sent already, or it has ended."),
}


@dataclass(slots=True)
class _Sending:
    """A form as it was sent: to which device, what, and what is wrong."""

    device: CommandablePeripheral | None = None
    texts: Texts = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    message: str = ""
    question: Question | None = None
    command: Any = None

    @property
    def form(self) -> SchemaForm | None:
        return SchemaForm(self.device.command_schema, _COMMAND) if self.device is not None else None

    @property
    def errors(self) -> list[dict[str, str]]:
        return [{"field": name, "message": message} for name, message in self.faults.items()]


class CommandPages:
    """The page, its fragment that renews itself, and what its forms do."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        path = "/kits/{serial}/commands"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(path, self.send, methods=["POST"]),
            Route(f"{path}/ledger", self.ledger, methods=["GET"]),
            Route(f"{path}/{{command_id:int}}/take-back", self.take_back, methods=["POST"]),
            Route(f"{path}/{{command_id:int}}/result", self.result, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page."""
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            return await self._page(request, connection, kit, _Sending())

    async def ledger(self, request: Request) -> Response:
        """Answer with the ledger as it is now, or request a reload if anything around it changed."""
        viewer = await self._site.viewer(request)
        if not self._site.templates.is_current(request, viewer):
            return Response(status_code=200, headers={"HX-Refresh": "true"})
        async with reading_kit(self._site, request) as (connection, kit):
            kit.require(Permission.EDIT_CONFIGURATION)
            now = self._site.clock()
            ledger = await read_ledger(connection, kit, now, before=_before(request))
            return HTMLResponse(self._drawn(ledger, kit, now))

    async def send(self, request: Request) -> Response:
        """Ask before what acts on plants, then queue it once; or show the form with what is wrong."""
        require_same_origin(request)
        texts = await read_form(request, most_bytes=MOST_FORM_BYTES, most_fields=MOST_FORM_FIELDS)
        async with reading_kit(self._site, request) as (connection, kit):
            sending = await self._read(connection, kit, texts)
            if sending.form is not None and sending.question is None and not sending.faults:
                return await self._page(request, connection, kit, sending)
            if sending.faults or sending.question is None:
                return await self._page(request, connection, kit, sending, status_code=422)
            if _acts(sending) and texts.get("confirmed") != "yes":
                return await self._ask(request, connection, kit, sending)
        return await self._queue(request, sending)

    async def take_back(self, request: Request) -> Response:
        """Cancel a command that still waits."""
        require_same_origin(request)
        async with changing_kit(self._site, request, Permission.EDIT_CONFIGURATION) as (connection, kit):
            command = await _command_of(connection, kit, request)
            kit.require(PERMISSION_FOR[command.question.method])
            said = "taken-back" if await cancel(connection, command.id) else "too-late"
        return redirect(request, kit_path(kit, "/commands"), said=said)

    async def result(self, request: Request) -> Response:
        """Answer with what the kit sent as the result of a command."""
        async with reading_kit(self._site, request) as (connection, kit):
            command = await _command_of(connection, kit, request)
            kit.require(PERMISSION_FOR[command.question.method])
        await require_success(self._site.services, command, timeout_status=504)
        return await result_reply(self._site.services, command)

    async def _read(self, connection: AsyncConnection, kit: OpenedKit, texts: Texts) -> _Sending:
        """Read the form. Without question and fault, a row was added or removed."""
        asked = _QUESTIONS.get(texts.get("action", ""))
        if asked is not None:
            kit.require(PERMISSION_FOR[asked])
            return _Sending(texts=texts, question=Question(method=asked))
        kit.require(PERMISSION_FOR[Method.PERIPHERAL_COMMAND])
        desk = await read_desk(connection, kit, self._site.clock())
        device = next((each for each in desk.devices if each.name == texts.get("device")), None)
        sending = _Sending(device=device, texts=texts)
        if device is None or sending.form is None:
            sending.faults["device"] = gettext("The kit does not run this device. Choose another one.")
            return sending
        changed = sending.form.with_rows_changed(texts, texts.get("action", ""))
        if changed is not None:
            sending.texts = changed
            return sending
        entered = sending.form.read(
            texts, lambda value: fault_by_schema(device.command_schema, value, device.definition)
        )
        if not entered.faults and entered.value == {}:
            entered.faults[_COMMAND] = gettext("Enter at least one value.")
        sending.faults, sending.command = entered.faults, entered.value
        if not sending.faults:
            try:
                sending.question = Question.to_peripheral(device.name, entered.value)
            except UnsuitableCommand as error:
                sending.faults[_COMMAND] = str(error)
        return sending

    async def _queue(self, request: Request, sending: _Sending) -> Response:
        assert sending.question is not None
        key = sending.texts.get("key", "")
        try:
            permission = PERMISSION_FOR[sending.question.method]
            async with changing_kit(self._site, request, permission) as (connection, kit):
                assert kit.viewer.user is not None, "strangers have no permission"
                await enqueue(
                    connection,
                    kit_id=kit.id,
                    user_id=kit.viewer.user.id,
                    question=sending.question,
                    patience_seconds=_PATIENCE_SECONDS,
                    form_key=key if _KEY.fullmatch(key) else None,
                )
        except UnsuitableCommand as error:
            sending.faults[_COMMAND if sending.device else "device"] = str(error)
            status = 422
        except IsBoard as error:
            sending.message, status = gettext(str(error)), 409
        except TooManyWaiting as error:
            sending.message, status = gettext(str(error)), 429
        except NobodySends as error:
            sending.message, status = gettext(str(error)), 503
        else:
            suffix = f"?device={sending.device.id}" if sending.device is not None else ""
            return redirect(request, kit_path(kit, f"/commands{suffix}"))
        async with reading_kit(self._site, request) as (connection, kit):
            return await self._page(request, connection, kit, sending, status_code=status)

    async def _ask(
        self, request: Request, connection: AsyncConnection, kit: OpenedKit, sending: _Sending
    ) -> Response:
        assert sending.device is not None
        schema = sending.device.command_schema
        hidden = {name: text for name, text in sending.texts.items() if name != "action"}
        desk = await read_desk(connection, kit, self._site.clock())
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/commands/confirm.html",
            device=sending.device,
            command=command_text(sending.command, schema),
            bounds=bounds_text(sending.command, schema),
            warning=presence_sentence(desk.presence, self._site.clock()),
            hidden=hidden,
        )

    async def _page(
        self,
        request: Request,
        connection: AsyncConnection,
        kit: OpenedKit,
        sending: _Sending,
        *,
        status_code: int = 200,
    ) -> Response:
        now = self._site.clock()
        desk = await read_desk(connection, kit, now)
        device = sending.device or _chosen(desk, request)
        ledger = await read_ledger(connection, kit, now, before=_before(request))
        may_send = kit.may(Permission.RPC_PERIPHERAL_COMMAND)
        retry = _RETRY_SECONDS.get(status_code)
        return kit_page(
            self._site,
            request,
            kit,
            TAB,
            "kits/commands/commands.html",
            status_code=status_code,
            headers={"Retry-After": retry} if retry else None,
            toasts=_TOASTS,
            desk=desk,
            device=device,
            fields=_fields(device, sending),
            errors=sending.errors,
            message=sending.message,
            key=sending.texts.get("key") or secrets.token_urlsafe(24),
            may_send=may_send,
            who_can="" if may_send else await configurers_of(connection, kit, full_access=True),
            warning=presence_sentence(desk.presence, now),
            ledger=self._drawn(ledger, kit, now),
            is_busy=device is not None and ledger.occupies(device.name),
            before=_before(request),
        )

    def _drawn(self, ledger: Ledger, kit: OpenedKit, now: datetime) -> str:
        return self._site.templates.render(
            "kits/commands/_ledger.html",
            ledger=ledger,
            base=kit_path(kit, "/commands"),
            may_send=kit.may(Permission.RPC_PERIPHERAL_COMMAND),
            now=now,
        )


def _acts(sending: _Sending) -> bool:
    """Return whether a command acts on plants. Commands that are a word are those of cameras."""
    return sending.device is not None and kind_of(sending.device.command_schema) is not Kind.CHOICE


def _chosen(desk: Desk, request: Request) -> CommandablePeripheral | None:
    asked = request.query_params.get("device", "")
    found = next((each for each in desk.devices if str(each.id) == asked), None)
    return found or (desk.devices[0] if desk.devices else None)


def _fields(device: CommandablePeripheral | None, sending: _Sending) -> FormField | None:
    if device is None:
        return None
    form = SchemaForm(device.command_schema, _COMMAND)
    texts = sending.texts if sending.device is not None else form.blank()
    return form.field(texts, sending.faults, gettext("Command"))


def _before(request: Request) -> int | None:
    text = request.query_params.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _command_of(connection: AsyncConnection, kit: OpenedKit, request: Request) -> Command:
    """Return the command of the address. Raises Problem 403 or 404."""
    kit.require(Permission.EDIT_CONFIGURATION)
    command_id = request.path_params["command_id"]
    command = await find_command(connection, kit.id, command_id) if command_id <= _LARGEST_ID else None
    if command is None:
        raise not_found()
    return command
