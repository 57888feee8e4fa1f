"""Logging in and out."""

from __future__ import annotations

import math
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop, ngettext
from hortus.domain.accounts.passwords import TooManyLogins
from hortus.domain.accounts.store import User, authenticate
from hortus.http.access.devices import guesser_of, remember_device
from hortus.http.access.log_in_limits import LogInLimits
from hortus.http.access.rate_limits import Allowances
from hortus.http.conventions.problems import Problem
from hortus.http.pages.requests import local_path, read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.server.database_access import (
    DatabaseDamaged,
    DatabaseNotAnswering,
    database_failures_translated,
)

# The same message for a wrong name and a wrong password: it must not reveal who has an account here.
_WRONG = gettext_noop("Wrong user name or password.")
_SAID_IN_SECONDS = 90


class LoginPages:
    """`/login` and `/logout`."""

    def __init__(self, site: Site) -> None:
        self._engine = site.engine
        self._passwords = site.services.passwords
        self._sessions = site.sessions
        self._templates = site.templates
        self._tokens = site.services.tokens
        allowances = Allowances()
        self._limits = LogInLimits(allowances.log_ins, allowances.log_ins_per_user)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form. `next` is the page of this site that required the log-in, if any."""
        next_path = local_path(request.query_params.get("next", ""))
        viewer = await self._sessions.viewer_of(request)
        if viewer.user is not None:
            return redirect(request, next_path)
        return self._form("", "", 200, next_path=next_path)

    async def log_in(self, request: Request) -> Response:
        """Log in, or show the form again with an error message."""
        require_same_origin(request)
        form = await read_form(request)
        username, password = form.get("username", "").strip(), form.get("password", "")
        answer = partial(self._form, username=username, next_path=local_path(form.get("next", "")))
        try:
            user = await self._authenticated(request, username, password)
        except Problem as refused:
            seconds = refused.headers["Retry-After"]
            message = _too_many(float(seconds))
            return answer(message, status_code=refused.status, headers={"Retry-After": seconds})
        except (DatabaseNotAnswering, TooManyLogins) as error:
            return answer(_not_now(error), status_code=503, headers={"Retry-After": "5"})
        if user is None:
            return answer(gettext(_WRONG), status_code=403)
        response = redirect(request, local_path(form.get("next", "")))
        try:
            await self._sessions.start(request, response, user)
        except DatabaseNotAnswering as error:
            return answer(_not_now(error), status_code=503, headers={"Retry-After": "5"})
        remember_device(request, response, self._tokens, username)
        return response

    async def _authenticated(self, request: Request, username: str, password: str) -> User | None:
        async with self._limits.attempt(guesser_of(request, self._tokens, username)) as attempt:
            with database_failures_translated():
                user = await authenticate(self._engine, self._passwords, username, password)
            attempt.was_wrong = user is None
        return user

    async def log_out(self, request: Request) -> Response:
        """Log out and redirect to the home page."""
        require_same_origin(request)
        response = redirect(request, "/")
        await self._sessions.end(request, response)
        return response

    def _form(
        self,
        message: str,
        username: str,
        status_code: int,
        headers: dict[str, str] | None = None,
        *,
        next_path: str,
    ) -> Response:
        return self._templates.page(
            "login.html",
            status_code=status_code,
            headers=headers,
            message=message,
            username=username,
            next_path=next_path,
        )


def _too_many(wait_seconds: float) -> str:
    if wait_seconds <= _SAID_IN_SECONDS:
        return ngettext(
            "Too many attempts. Try again in %(n)s second.",
            "Too many attempts. Try again in %(n)s seconds.",
            math.ceil(wait_seconds),
        )
    return ngettext(
        "Too many attempts. Try again in %(n)s minute.",
        "Too many attempts. Try again in %(n)s minutes.",
        math.ceil(wait_seconds / 60),
    )


def _not_now(error: Exception) -> str:
    if isinstance(error, TooManyLogins):
        return gettext(
            "Logging in does not work right now: too many people are logging in. Try again in a moment."
        )
    if isinstance(error, DatabaseDamaged):
        return gettext(
            "Logging in does not work right now: the database is damaged. The server's log says where."
        )
    return gettext("Logging in does not work right now: the database is not answering. Try again in a moment.")
