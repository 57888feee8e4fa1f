"""`/admin/people`: accounts. Passwords are never shown or typed here: people get a link to choose one."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.errors import UsageError
from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.accounts.administrators import LastAdministrator, is_last_administrator
from hortus.domain.accounts.passwords import TooManyLogins
from hortus.domain.accounts.rules import InvalidAccount
from hortus.domain.accounts.store import User, UserNotFound
from hortus.domain.accounts.tokens import PASSWORD_LINK_LIFETIME
from hortus.domain.administration.people import Administrators, person_named
from hortus.domain.kits.people import ListedPerson, list_people
from hortus.domain.plants.account_deletion import Departure, SharesKits, what_deletion_costs
from hortus.http.access.viewer import Viewer
from hortus.http.pages.admin.frame import AdminPages
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_form, redirect
from hortus.http.server.public_path import public_path

PEOPLE_PER_PAGE = 50
_MOST_SEARCHED = 100
_FIELD_OF_RULE = {"emailAddress": "email_address"}
_LAST = gettext_noop("This is the only administrator. Make another person an administrator first.")
_TOASTS = {
    "raised": gettext_noop("This person is an administrator now."),
    "lowered": gettext_noop("This person is an ordinary user now."),
    "ended": gettext_noop("All sessions of this person have ended."),
    "deleted": gettext_noop("The account is deleted."),
}

Change = Callable[[Administrators, AsyncConnection, str], Awaitable[object]]


class AdminPeople(AdminPages):
    """Finds people, and changes their accounts."""

    def routes(self) -> list[Route]:
        one = "/admin/people/{username}"
        return [
            Route("/admin/people", self.show),
            Route("/admin/people", self.create, methods=["POST"]),
            Route(one, self.show_one),
            Route(f"{one}/administrator", self.set_administrator, methods=["POST"]),
            Route(f"{one}/sessions/end", self.end_sessions, methods=["POST"]),
            Route(f"{one}/password-link", self.make_link, methods=["POST"]),
            Route(f"{one}/delete", self.delete, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the people whose name or address has the words, and a form for another person."""
        return await self._people(request, await self.viewer(request), Form())

    async def create(self, request: Request) -> Response:
        """Make an account without a password that anybody knows, and show the link to choose one."""
        viewer, acting = await self.acting(request)
        form = Form(await read_form(request))
        try:
            async with self.site.changing() as connection:
                token = await self._administrators(acting).create_person(
                    connection,
                    username=form.value("username"),
                    email_address=form.value("email_address"),
                    is_admin=form.is_checked("administrator"),
                )
        except InvalidAccount as error:
            for broken in error.broken_rules:
                form.refuse(_FIELD_OF_RULE.get(broken.field, broken.field), broken.message)
            return await self._people(request, viewer, form, status_code=422)
        except TooManyLogins:
            message = gettext("Nothing was created yet. Try again in a moment.")
            return await self._people(request, viewer, form, status_code=503, message=message)
        return await self._person(request, viewer, form.value("username"), token=token, is_new=True)

    async def show_one(self, request: Request) -> Response:
        """Answer with a person's account."""
        return await self._person(request, await self.viewer(request), request.path_params["username"])

    async def set_administrator(self, request: Request) -> Response:
        """Make the person an administrator, or no longer."""
        form = Form(await read_form(request))
        wanted = form.value("administrator") == "yes"

        async def change(acting: Administrators, connection: AsyncConnection, username: str) -> None:
            await acting.set_administrator(connection, username, is_admin=wanted)

        return await self._change(request, change, "raised" if wanted else "lowered")

    async def end_sessions(self, request: Request) -> Response:
        """End all log-ins of the person."""
        return await self._change(request, Administrators.end_sessions, "ended")

    async def make_link(self, request: Request) -> Response:
        """Show a link with which the person chooses a new password."""
        viewer, acting = await self.acting(request)
        username = request.path_params["username"]
        try:
            async with self.site.changing() as connection:
                token = await self._administrators(acting).make_password_link(connection, username)
        except UserNotFound as error:
            raise HTTPException(404) from error
        return await self._person(request, viewer, username, token=token)

    async def delete(self, request: Request) -> Response:
        """Delete the account, if its name was typed."""
        viewer, acting = await self.acting(request)
        username = request.path_params["username"]
        form = Form(await read_form(request))
        try:
            async with self.site.changing() as connection:
                person = await person_named(connection, username)
                if form.value("typed").lower() != person.username:
                    form.refuse("typed", gettext("That is another name. Nothing was deleted."))
                else:
                    await self._administrators(acting).delete_person(connection, username)
        except UserNotFound as error:
            raise HTTPException(404) from error
        except (LastAdministrator, SharesKits) as error:
            return await self._person(request, viewer, username, status_code=409, message=_sentence(error))
        if form.faults:
            return await self._person(request, viewer, username, status_code=422, form=form)
        return redirect(request, "/admin/people", said="deleted")

    async def _change(self, request: Request, change: Change, said: str) -> Response:
        viewer, acting = await self.acting(request)
        username = request.path_params["username"]
        try:
            async with self.site.changing() as connection:
                await change(self._administrators(acting), connection, username)
        except UserNotFound as error:
            raise HTTPException(404) from error
        except LastAdministrator as error:
            return await self._person(request, viewer, username, status_code=409, message=_sentence(error))
        if acting.username == username and said == "lowered":
            return redirect(request, "/")
        return redirect(request, f"/admin/people/{quote(username, safe='')}", said=said)

    async def _people(
        self, request: Request, viewer: Viewer, form: Form, *, status_code: int = 200, message: str = ""
    ) -> Response:
        words = request.query_params.get("q", "").strip()[:_MOST_SEARCHED]
        after = request.query_params.get("after", "")[:_MOST_SEARCHED]
        async with self.site.reading() as connection:
            people = await list_people(connection, words=words, after=after, most=PEOPLE_PER_PAGE + 1)
        shown = people[:PEOPLE_PER_PAGE]
        return self.page(
            request,
            viewer,
            "people",
            "people.html",
            status_code=status_code,
            people=shown,
            words=words,
            more=shown[-1].username if len(people) > PEOPLE_PER_PAGE else "",
            form=form,
            message=message,
            toasts=_TOASTS,
        )

    async def _person(
        self,
        request: Request,
        viewer: Viewer,
        username: str,
        *,
        status_code: int = 200,
        message: str = "",
        token: str = "",
        is_new: bool = False,
        form: Form | None = None,
    ) -> Response:
        try:
            async with self.site.reading() as connection:
                profile = await person_named(connection, username)
                is_last = await is_last_administrator(connection, profile.id)
                listed = await _listed(connection, profile.username)
                costs = await _costs(connection, profile.id)
        except UserNotFound as error:
            raise HTTPException(404) from error
        return self.page(
            request,
            viewer,
            "people",
            "person.html",
            status_code=status_code,
            person=listed,
            is_last=is_last,
            is_self=viewer.name == listed.username,
            costs=costs if isinstance(costs, Departure) else None,
            obstacle="" if isinstance(costs, Departure) else str(costs),
            link=self._link(request, token) if token else "",
            link_days=math.ceil(PASSWORD_LINK_LIFETIME.total_seconds() / 86_400),
            is_new=is_new,
            message=message,
            form=form or Form(),
            crumbs=[{"path": "/admin/people", "name": gettext("People")}],
            toasts=_TOASTS,
        )

    def _administrators(self, acting: User) -> Administrators:
        services = self.site.services
        return Administrators(acting=acting.username, passwords=services.passwords, tokens=services.tokens)

    def _link(self, request: Request, token: str) -> str:
        base = self.site.services.messages.public_url
        if base is None:
            base = f"{request.url.scheme}://{request.url.netloc}{public_path(request.scope)}"
        return f"{base}/password-reset?token={token}"


async def _listed(connection: AsyncConnection, username: str) -> ListedPerson:
    people = await list_people(connection, exactly=username, most=1)
    return people[0]


async def _costs(connection: AsyncConnection, user_id: int) -> Departure | SharesKits:
    try:
        return await what_deletion_costs(connection, user_id)
    except SharesKits as error:
        return error


def _sentence(error: UsageError) -> str:
    return gettext(_LAST) if isinstance(error, LastAdministrator) else str(error)
