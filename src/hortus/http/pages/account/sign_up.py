"""`/sign-up`, and `/invitations/{token}`, which works also where sign-up is closed."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.accounts.passwords import TooManyLogins
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.rules import InvalidAccount
from hortus.domain.accounts.store import User
from hortus.domain.kits.invitations import Invitation, InvitationEnded, find_invitation
from hortus.http.access.sign_ups import accept, sign_up
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.problems import Problem
from hortus.http.pages.account.faults import refuse
from hortus.http.pages.account.levels import told
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.waiting_time import retry_after, too_many_attempts
from hortus.http.server.database_access import DatabaseNotAnswering

_FIELDS = ("username", "email_address", "password")


class _Refused(Exception):
    """The form is shown again: its faults are noted, or `message` says what is wrong."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class SignUpPages:
    """`/sign-up`, for strangers where the operator has opened it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/sign-up", self.show, methods=["GET"]),
            Route("/sign-up", self.create, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the form, or say that sign-up is closed. People with an account have no use for it."""
        if (await self._site.viewer(request)).user is not None:
            return redirect(request, "/")
        return self._page(Form(), 200 if self._is_open else 403)

    async def create(self, request: Request) -> Response:
        """Create the account and log it in, or show the form again with what is wrong."""
        require_same_origin(request)
        form = Form(await read_form(request))
        if not self._is_open:
            return self._page(form, 403)
        try:
            user = await _signed_up(self._site, request, form)
        except _Refused as refused:
            return self._page(form, refused.status, refused.message, refused.headers)
        response = redirect(request, "/")
        await self._site.sessions.start(request, response, user)
        return response

    @property
    def _is_open(self) -> bool:
        return self._site.services.parts.sign_up_open

    def _page(
        self, form: Form, status_code: int, message: str = "", headers: dict[str, str] | None = None
    ) -> Response:
        return self._site.templates.page(
            "account/sign_up.html",
            status_code=status_code,
            headers=headers,
            is_open=self._is_open,
            message=message,
            **_shown(form),
        )


class InvitationPages:
    """`/invitations/{token}`: tells what one will see, and makes those who accept members."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/invitations/{token}", self.show, methods=["GET"]),
            Route("/invitations/{token}", self.accept, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the invitation. Unknown, used and withdrawn ones look alike."""
        viewer = await self._site.viewer(request)
        try:
            return self._page(request, viewer, await self._invitation(request), Form(), 200)
        except InvitationEnded:
            return self._page(request, viewer, None, Form(), 410)

    async def accept(self, request: Request) -> Response:
        """Make the sender a member, with a new account if they have none yet."""
        require_same_origin(request)
        form = Form(await read_form(request))
        viewer = await self._site.viewer(request)
        try:
            invitation = await self._invitation(request)
            user = viewer.user or await _signed_up(self._site, request, form, request.path_params["token"])
            if viewer.user is not None:
                await self._join(request, viewer.user)
        except InvitationEnded:
            return self._page(request, viewer, None, Form(), 410)
        except _Refused as refused:
            return self._page(request, viewer, invitation, form, refused.status, refused.message)
        response = redirect(request, f"/kits/{invitation.kit_serial}")
        if viewer.user is None:
            await self._site.sessions.start(request, response, user)
        return response

    async def _invitation(self, request: Request) -> Invitation:
        async with self._site.reading() as connection:
            return await find_invitation(connection, request.path_params["token"], self._site.clock())

    async def _join(self, request: Request, user: User) -> None:
        try:
            async with self._site.changing() as connection:
                await accept(connection, self._site.services, request.path_params["token"], user.id)
        except QuotaReached as error:
            raise _Refused(403, _no_room()) from error

    def _page(
        self,
        request: Request,
        viewer: Viewer,
        invitation: Invitation | None,
        form: Form,
        status_code: int,
        message: str = "",
    ) -> Response:
        return self._site.page(
            request,
            "account/invitation.html",
            viewer=viewer,
            status_code=status_code,
            # The address is a secret, which the usual Referrer-Policy keeps from other sites.
            headers={"X-Robots-Tag": "noindex"},
            invitation=invitation,
            level=told(invitation) if invitation else "",
            token=request.path_params["token"] if invitation else "",
            now=self._site.clock(),
            message=message,
            **_shown(form),
        )


async def _signed_up(site: Site, request: Request, form: Form, invitation: str | None = None) -> User:
    """Return the new user. Raises _Refused or InvitationEnded."""
    try:
        return await sign_up(
            request,
            site.services,
            username=form.value("username"),
            email_address=form.value("email_address"),
            password=form.values.get("password", ""),
            invitation=invitation,
        )
    except InvalidAccount as error:
        refuse(form, error)
        raise _Refused(422) from error
    except QuotaReached as error:
        raise _Refused(403, _no_room()) from error
    except Problem as problem:
        if "Retry-After" not in problem.headers:
            raise
        seconds = float(problem.headers["Retry-After"])
        raise _Refused(problem.status, too_many_attempts(seconds), retry_after(seconds)) from problem
    except (DatabaseNotAnswering, TooManyLogins) as error:
        message = gettext("Nothing was created yet. Try again in a moment.")
        raise _Refused(503, message, {"Retry-After": "5"}) from error


def _no_room() -> str:
    return gettext("This kit has as many members as this server allows. Ask the person who invited you.")


def _shown(form: Form) -> dict[str, Any]:
    """Return what the fields of a new account show: all but the password."""
    return {
        "form": form,
        "values": {name: form.value(name) for name in _FIELDS if name != "password"},
        "faults": {name: form.fault(name) for name in _FIELDS},
    }
