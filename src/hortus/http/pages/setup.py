"""The page that makes the first account, opened with the link that Hortus prints when it starts without one."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop, ngettext
from hortus.domain.accounts.first_account import (
    AlreadySetUp,
    WrongSetUpLink,
    create_first_administrator,
    has_accounts,
)
from hortus.domain.accounts.passwords import TooManyLogins
from hortus.domain.accounts.rules import BrokenAccountRule, InvalidAccount
from hortus.domain.accounts.store import User
from hortus.http.access.addresses import network_of
from hortus.http.access.rate_limits import Allowances, RateLimit
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.server.database_access import DatabaseNotAnswering, change, snapshot

_DONE = gettext_noop("This server is already set up. Log in, or ask its administrator for an account.")
_WRONG_LINK = gettext_noop(
    "This is not the set-up link of this server. Copy the whole link from where Hortus was started."
)
_FIELDS = ("token", "username", "email_address", "password")
_FIELD_OF_RULE = {"emailAddress": "email_address"}


class SetUpPages:
    """`/setup`, for as long as nobody has an account."""

    def __init__(self, site: Site) -> None:
        self._engine = site.engine
        self._passwords = site.services.passwords
        self._sessions = site.sessions
        self._token_key = site.services.parts.token_key
        self._templates = site.templates
        self._limit = RateLimit(Allowances().sign_ups)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/setup", self.show, methods=["GET"]),
            Route("/setup", self.create, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form, or say that the server is set up. The token is checked when it is sent."""
        async with snapshot(self._engine) as connection:
            is_done = await has_accounts(connection)
        if is_done:
            return self._page({}, gettext(_DONE), 410, ended=True)
        return self._page({"token": request.query_params.get("token", "")}, "", 200)

    async def create(self, request: Request) -> Response:
        """Create the first account and log it in, or show the form again with what is wrong."""
        require_same_origin(request)
        form = await read_form(request)
        fields = {name: form.get(name, "").strip() for name in _FIELDS[:3]}
        wait_seconds = self._limit.wait_seconds(network_of(request))
        if wait_seconds > 0:
            minutes = math.ceil(wait_seconds / 60)
            message = ngettext(
                "Too many attempts. Try again in %(n)s minute.",
                "Too many attempts. Try again in %(n)s minutes.",
                minutes,
            )
            return self._page(fields, message, 429, {"Retry-After": str(math.ceil(wait_seconds))})
        try:
            user = await self._create(fields, form.get("password", ""))
        except AlreadySetUp:
            return self._page({}, gettext(_DONE), 410, ended=True)
        except WrongSetUpLink:
            self._limit.take(network_of(request))
            return self._page(fields | {"token": ""}, gettext(_WRONG_LINK), 403)
        except InvalidAccount as error:
            return self._page(fields, "", 422, broken=error.broken_rules)
        except (DatabaseNotAnswering, TooManyLogins):
            message = gettext("Nothing was created yet. Try again in a moment.")
            return self._page(fields, message, 503, {"Retry-After": "5"})
        response = redirect(request, "/")
        await self._sessions.start(request, response, user)
        return response

    async def _create(self, fields: dict[str, str], password: str) -> User:
        async with change(self._engine) as connection:
            return await create_first_administrator(
                connection, self._passwords, self._token_key, **fields, password=password
            )

    def _page(
        self,
        fields: dict[str, str],
        message: str,
        status_code: int,
        headers: dict[str, str] | None = None,
        *,
        ended: bool = False,
        broken: tuple[BrokenAccountRule, ...] = (),
    ) -> Response:
        faults = dict.fromkeys(_FIELDS, "")
        for rule in broken:
            name = _FIELD_OF_RULE.get(rule.field, rule.field)
            faults[name] = faults[name] or rule.message
        return self._templates.page(
            "setup.html",
            status_code=status_code,
            headers=headers,
            fields={name: fields.get(name, "") for name in _FIELDS},
            message=message,
            ended=ended,
            faults=faults,
            errors=[{"field": name, "message": fault} for name, fault in faults.items() if fault],
        )
