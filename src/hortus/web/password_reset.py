"""The page that the mail about a forgotten password leads to."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from hortus.accounts.password_resets import redeem_password_reset
from hortus.accounts.passwords import Passwords, TooManyLogins
from hortus.accounts.rules import InvalidAccount
from hortus.accounts.tokens import InvalidToken, Tokens
from hortus.web.database_access import DatabaseNotAnswering, database_failures_translated
from hortus.web.rendering import Templates
from hortus.web.requests import read_form, require_same_origin

_ENDED = "This link is too old or was used before. Ask for another one."


class PasswordResetPages:
    """`/password-reset`. The token is only looked at when a password is sent with it."""

    def __init__(self, engine: AsyncEngine, passwords: Passwords, tokens: Tokens, templates: Templates) -> None:
        self._engine = engine
        self._passwords = passwords
        self._tokens = tokens
        self._templates = templates

    async def show(self, request: Request) -> Response:
        """Answer with the form."""
        return self._page("", request.query_params.get("token", ""), 200)

    async def choose(self, request: Request) -> Response:
        """Set the password, or show the form again with what went wrong."""
        require_same_origin(request)
        form = await read_form(request)
        token, password = form.get("token", ""), form.get("password", "")
        try:
            with database_failures_translated():
                async with self._engine.begin() as connection:
                    await redeem_password_reset(connection, self._tokens, self._passwords, token, password)
        except InvalidToken:
            return self._page(_ENDED, "", 400)
        except InvalidAccount as error:
            return self._page(str(error), token, 400)
        except (DatabaseNotAnswering, TooManyLogins) as error:
            message = f"The password cannot be changed now. {error}"
            return self._page(message, token, 503, {"Retry-After": "5"})
        return self._page("", "", 200, done=True)

    def _page(
        self,
        message: str,
        token: str,
        status_code: int,
        headers: dict[str, str] | None = None,
        *,
        done: bool = False,
    ) -> Response:
        return self._templates.page(
            "password_reset.html",
            status_code=status_code,
            headers=headers,
            message=message,
            token=token,
            done=done,
        )
