"""`/account`: who one is, the password, how pages look, one's own data, and the end of the account."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.base.text import fault_of_name
from hortus.domain.accounts.administrators import is_last_administrator
from hortus.domain.accounts.passwords import TooManyLogins
from hortus.domain.accounts.profiles import Profile, ProfileChange, find_profile
from hortus.domain.accounts.rules import InvalidAccount
from hortus.domain.accounts.store import User
from hortus.domain.accounts.usernames import canonical_username
from hortus.domain.plants.account_deletion import Departure, SharesKits, delete_account, what_deletion_costs
from hortus.http.access.own_account import WrongPassword, change_own_profile, replace_own_password
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.media_delivery import disposition
from hortus.http.conventions.problems import Problem
from hortus.http.pages.account.choices import choices, chosen, values_of
from hortus.http.pages.account.faults import refuse
from hortus.http.pages.account.own_data import own_data
from hortus.http.pages.account.tabs import account_tabs
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import LogInNeeded, read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.waiting_time import retry_after, too_many_attempts

_TOASTS = {
    "saved": gettext_noop("Saved."),
    "password": gettext_noop("Your password has been changed. You have been logged out everywhere else."),
}


class AccountPages:
    """`/account` and what it posts to."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/account", self.show, methods=["GET"]),
            Route("/account/profile", self.change_profile, methods=["POST"]),
            Route("/account/password", self.change_password, methods=["POST"]),
            Route("/account/appearance", self.change_appearance, methods=["POST"]),
            Route("/account/data", self.data, methods=["GET"]),
            Route("/account/delete", self.ask_to_delete, methods=["GET"]),
            Route("/account/delete", self.delete, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the forms."""
        viewer, user = await self._site.person(request)
        return await self._page(request, viewer, user)

    async def change_profile(self, request: Request) -> Response:
        """Change display name and email address."""
        require_same_origin(request)
        viewer, user = await self._site.person(request)
        form = Form(await read_form(request))
        name = form.value("display_name")
        if fault_of_name(name) is not None:
            form.refuse("display_name", gettext("This name has characters that cannot be shown."))
        change = ProfileChange(display_name=name, email_address=form.value("email_address"))
        return await self._saved(request, viewer, user, form, change, "profile")

    async def change_appearance(self, request: Request) -> Response:
        """Change how pages look."""
        require_same_origin(request)
        viewer, user = await self._site.person(request)
        form = Form(await read_form(request))
        return await self._saved(request, viewer, user, form, chosen(form), "appearance")

    async def change_password(self, request: Request) -> Response:
        """Change the password, end all log-ins, and log this browser in again."""
        require_same_origin(request)
        viewer, user = await self._site.person(request)
        form = Form(await read_form(request))
        current, new = form.values.get("current_password", ""), form.values.get("new_password", "")
        try:
            changed = await replace_own_password(self._site.services, user.id, user.username, current, new)
        except WrongPassword:
            form.refuse("current_password", gettext("This is not your present password."))
        except InvalidAccount as error:
            refuse(form, error, password_field="new_password")  # noqa: S106  (a field)
        except Problem as problem:
            return await self._too_many(request, viewer, user, form, "password", problem)
        except TooManyLogins:
            message = gettext(
                "Your password cannot be changed right now: too many people are logging in. "
                "Try again in a moment."
            )
            return await self._page(request, viewer, user, form, "password", 503, message)
        if form.faults:
            return await self._page(request, viewer, user, form, "password", 422)
        response = redirect(request, "/account", said="password")
        await self._site.sessions.start(request, response, changed)
        return response

    async def data(self, request: Request) -> Response:
        """Answer with all that is stored about the person, as a file."""
        _, user = await self._site.person(request)
        async with self._site.reading() as connection:
            document = await own_data(connection, user.id, self._site.clock())
        return Response(
            orjson.dumps(document, option=orjson.OPT_INDENT_2),
            headers={"Content-Disposition": disposition(f"hortus {user.username}.json")},
            media_type="application/json",
        )

    async def ask_to_delete(self, request: Request) -> Response:
        """Answer with what goes and what stays, and a field for the name."""
        viewer, user = await self._site.person(request)
        return await self._deletion(request, viewer, user, Form())

    async def delete(self, request: Request) -> Response:
        """Delete the account if its name was typed."""
        require_same_origin(request)
        viewer, user = await self._site.person(request)
        form = Form(await read_form(request))
        if canonical_username(form.value("username")) != user.username:
            form.refuse("username", gettext("This is not your user name."))
            return await self._deletion(request, viewer, user, form, 422)
        try:
            async with self._site.services.long_change() as connection:
                if await is_last_administrator(connection, user.id):
                    return await self._deletion(request, viewer, user, form, 409)
                await delete_account(connection, user.id)
        except SharesKits:
            return await self._deletion(request, viewer, user, form, 409)
        response = redirect(request, "/")
        await self._site.sessions.end(request, response)
        return response

    async def _saved(
        self, request: Request, viewer: Viewer, user: User, form: Form, change: ProfileChange, which: str
    ) -> Response:
        if not form.faults:
            try:
                await change_own_profile(self._site.services, user.id, change)
                return redirect(request, f"/account#{which}" if which != "profile" else "/account")
            except InvalidAccount as error:
                refuse(form, error)
            except Problem as problem:
                return await self._too_many(request, viewer, user, form, which, problem)
        return await self._page(request, viewer, user, form, which, 422)

    async def _too_many(
        self, request: Request, viewer: Viewer, user: User, form: Form, which: str, problem: Problem
    ) -> Response:
        if "Retry-After" not in problem.headers:
            raise problem
        seconds = float(problem.headers["Retry-After"])
        message = too_many_attempts(seconds)
        return await self._page(
            request, viewer, user, form, which, problem.status, message, retry_after(seconds)
        )

    async def _page(
        self,
        request: Request,
        viewer: Viewer,
        user: User,
        form: Form | None = None,
        which: str = "",
        status_code: int = 200,
        message: str = "",
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Return the page; `which` of its forms was sent, with what is wrong with it."""
        profile = await self._profile(user)
        stored = values_of(profile.appearance) | {
            "display_name": profile.display_name,
            "email_address": profile.email_address,
        }
        sent = {name: form.value(name) for name in stored if name in form.values} if form else {}
        return self._site.page(
            request,
            "account/account.html",
            viewer=viewer,
            status_code=status_code,
            headers=headers,
            toasts=_TOASTS,
            tabs=account_tabs(),
            username=profile.username,
            values=stored | sent,
            form=form or Form(),
            which=which,
            message=message,
            choices=choices(),
        )

    async def _profile(self, user: User) -> Profile:
        async with self._site.reading() as connection:
            profile = await find_profile(connection, user.id)
        if profile is None:
            raise LogInNeeded  # deleted since
        return profile

    async def _deletion(
        self, request: Request, viewer: Viewer, user: User, form: Form, status_code: int = 200
    ) -> Response:
        departure: Departure | None = None
        serials: tuple[str, ...] = ()
        async with self._site.reading() as connection:
            is_last = await is_last_administrator(connection, user.id)
            try:
                departure = await what_deletion_costs(connection, user.id)
            except SharesKits as error:
                serials = tuple(error.serials)
        return self._site.page(
            request,
            "account/delete.html",
            viewer=viewer,
            status_code=status_code,
            form=form,
            username=user.username,
            departure=departure,
            shared_kits=serials,
            is_last_administrator=is_last,
        )
