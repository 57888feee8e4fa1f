"""The pages for a forgotten password: requesting the mail, and the page it links to."""

from __future__ import annotations

import logging
import math

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.errors import OperationalError, describe_error
from hortus.base.language.translation import gettext, gettext_noop, ngettext
from hortus.domain.accounts.email_addresses import is_email_address
from hortus.domain.accounts.password_resets import (
    ResetMailer,
    redeem_password_reset,
    send_password_reset,
)
from hortus.domain.accounts.passwords import MOST_PASSWORD_BYTES, TooManyLogins
from hortus.domain.accounts.rules import LEAST_PASSWORD_CHARACTERS, AccountRule, InvalidAccount
from hortus.domain.accounts.tokens import PASSWORD_RESET_LIFETIME, InvalidToken
from hortus.http.access.addresses import network_of
from hortus.http.access.rate_limits import Allowances, RateLimit
from hortus.http.pages.requests import read_form, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.server.database_access import (
    DatabaseDamaged,
    DatabaseNotAnswering,
    change,
    snapshot,
)

log = logging.getLogger(__name__)

_ENDED = gettext_noop("This link has expired or has already been used. Request a new one.")
_NO_ADDRESS = gettext_noop("This is not an email address. It should look like name@example.org.")
_LIFETIME_MINUTES = round(PASSWORD_RESET_LIFETIME.total_seconds() / 60)


class ForgottenPasswordPages:
    """`/forgotten-password`: requests the mail. Without a mailer, the page says who can help instead.

    The response and its timing are the same whether or not an account has the address.
    """

    def __init__(self, site: Site) -> None:
        self._engine = site.engine
        self._tokens = site.services.tokens
        self._mailer = site.services.parts.reset_mailer
        self._templates = site.templates
        self._limit = RateLimit(Allowances().password_resets)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/forgotten-password", self.show, methods=["GET"]),
            Route("/forgotten-password", self.ask, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:  # noqa: ARG002  (every page handler takes the request)
        """Answer with the form."""
        return self._page()

    async def ask(self, request: Request) -> Response:
        """Send the mail after the response, or show the form again with an error message."""
        require_same_origin(request)
        address = (await read_form(request)).get("email_address", "").strip()
        if self._mailer is None:
            return self._page(status_code=403)
        if not is_email_address(address):
            return self._page(gettext(_NO_ADDRESS), address, 400)
        wait_seconds = self._limit.wait_seconds(network_of(request))
        if wait_seconds > 0:
            message = ngettext(
                "Too many requests. Try again in %(n)s minute.",
                "Too many requests. Try again in %(n)s minutes.",
                math.ceil(wait_seconds / 60),
            )
            return self._page(message, address, 429, {"Retry-After": str(math.ceil(wait_seconds))})
        self._limit.take(network_of(request))
        response = self._page(address=address, asked=True)
        response.background = BackgroundTask(self._send, self._mailer, address)
        return response

    async def _send(self, mailer: ResetMailer, address: str) -> None:
        try:
            await send_password_reset(snapshot(self._engine), self._tokens, mailer, address)
        except OperationalError as error:
            log.error("could not send a password reset mail: %s", describe_error(error))

    def _page(
        self,
        message: str = "",
        address: str = "",
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        *,
        asked: bool = False,
    ) -> Response:
        return self._templates.page(
            "forgotten_password.html",
            status_code=status_code,
            headers=headers,
            message=message,
            address=address,
            asked=asked,
            sends_mail=self._mailer is not None,
            lifetime_minutes=_LIFETIME_MINUTES,
        )


class PasswordResetPages:
    """`/password-reset`, which the mail links to. The token is checked only when a password is submitted."""

    def __init__(self, site: Site) -> None:
        self._engine = site.engine
        self._passwords = site.services.passwords
        self._tokens = site.services.tokens
        self._templates = site.templates

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/password-reset", self.show, methods=["GET"]),
            Route("/password-reset", self.choose, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form. Without the token of a link, the form has a field to enter it."""
        return self._page("", request.query_params.get("token", ""), 200)

    async def choose(self, request: Request) -> Response:
        """Set the password, or show the form again with an error message."""
        require_same_origin(request)
        form = await read_form(request)
        token, password = form.get("token", "").strip(), form.get("password", "")
        try:
            async with change(self._engine) as connection:
                await redeem_password_reset(connection, self._tokens, self._passwords, token, password)
        except InvalidToken:
            return self._page(gettext(_ENDED), "", 400, ended=True)
        except InvalidAccount as error:
            return self._page(_fault_of_password(error), token, 400)
        except (DatabaseNotAnswering, TooManyLogins) as error:
            return self._page(_not_now(error), token, 503, {"Retry-After": "5"})
        return self._page("", "", 200, done=True)

    def _page(
        self,
        message: str,
        token: str,
        status_code: int,
        headers: dict[str, str] | None = None,
        *,
        done: bool = False,
        ended: bool = False,
    ) -> Response:
        return self._templates.page(
            "password_reset.html",
            status_code=status_code,
            headers=headers,
            message=message,
            token=token,
            done=done,
            ended=ended,
        )


def _fault_of_password(error: InvalidAccount) -> str:
    """Return what to change about a new password, the only field of this form."""
    if any(broken.rule is AccountRule.LENGTH for broken in error.broken_rules):
        return gettext(
            "A password has at least %(characters)s characters and at most %(bytes)s bytes. "
            "Several words are easy to remember.",
            characters=LEAST_PASSWORD_CHARACTERS,
            bytes=MOST_PASSWORD_BYTES,
        )
    return gettext("This password is among the first that are guessed. Choose another, such as several words.")


def _not_now(error: Exception) -> str:
    if isinstance(error, TooManyLogins):
        return gettext(
            "Your password cannot be changed right now: too many people are logging in. Try again in a moment."
        )
    if isinstance(error, DatabaseDamaged):
        return gettext(
            "Your password cannot be changed right now: the database is damaged. The server's log says where."
        )
    return gettext(
        "Your password cannot be changed right now: the database is not answering. Try again in a moment."
    )
