"""`/account/notifications`: what one is told, on which ways, and what became of it."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.accounts.profiles import find_profile
from hortus.domain.accounts.store import User
from hortus.domain.messages.channels import (
    Preferences,
    change_channel,
    delete_channel,
    find_channel,
    list_channels,
    read_preferences,
    set_preferences,
)
from hortus.domain.messages.queue import KEPT_DAYS, list_messages
from hortus.domain.messages.trial import MAIL, NoSuchWay, queue_test
from hortus.http.conventions.problems import Problem
from hortus.http.pages.account.tabs import account_tabs
from hortus.http.pages.account.ways import result_of, ways_of
from hortus.http.pages.requests import LogInNeeded, read_form, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.waiting_time import retry_after, too_many_attempts

_MOST_MESSAGES = 200
_MOST_ID_DIGITS = 9
_STOP_POLLING = 286  # what htmx understands as the last answer
_PREFERENCES = ("by_mail", "of_shared_kits", "when_over", "when_silent")

_TOASTS = {
    "saved": gettext_noop("Saved. It holds from the next message on."),
    "added": gettext_noop("The service has been added. Send a test to see whether it works."),
    "switched": gettext_noop("Saved. It holds from the next message on."),
    "deleted": gettext_noop("The service has been deleted."),
}


class NotificationPages:
    """The page, the part of it that waits for what becomes of a test, and what it posts to."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/account/notifications", self.show, methods=["GET"]),
            Route("/account/notifications", self.change, methods=["POST"]),
            Route("/account/notifications/ways", self.ways, methods=["GET"]),
            Route("/account/notifications/test", self.test, methods=["POST"]),
            Route("/account/notifications/services/{service_id}/switch", self.switch, methods=["POST"]),
            Route("/account/notifications/services/{service_id}/delete", self.ask_to_delete, methods=["GET"]),
            Route("/account/notifications/services/{service_id}/delete", self.delete, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page."""
        return await self._page(request)

    async def ways(self, request: Request) -> Response:
        """Answer with the ways alone, for as long as something is on its way."""
        viewer = await self._site.viewer(request)
        if viewer.user is None:
            return Response(status_code=200, headers={"HX-Refresh": "true"})
        values = await self._values(viewer.user)
        content = self._site.templates.render("account/_ways.html", **values)
        return HTMLResponse(content, status_code=200 if values["is_waiting"] else _STOP_POLLING)

    async def change(self, request: Request) -> Response:
        """Store the preferences: boxes that are not checked are not sent."""
        require_same_origin(request)
        form = await read_form(request)
        _, user = await self._site.person(request)
        preferences = Preferences(**{name: bool(form.get(name)) for name in _PREFERENCES})
        async with self._site.changing() as connection:
            await set_preferences(connection, user.id, preferences)
        return redirect(request, "/account/notifications", said="saved")

    async def test(self, request: Request) -> Response:
        """Queue a test message; the page then tells what becomes of it."""
        require_same_origin(request)
        form = await read_form(request)
        _, user = await self._site.person(request)
        named = form.get("way", "")
        way = MAIL if named == MAIL else _number(named)
        try:
            self._site.services.limits.test_messages.take(str(user.id))
        except Problem as problem:
            seconds = float(problem.headers["Retry-After"])
            return await self._page(request, problem.status, too_many_attempts(seconds), retry_after(seconds))
        try:
            async with self._site.changing() as connection:
                await queue_test(connection, self._site.services.messages, user.id, user.display_name, way)
        except NoSuchWay:
            return await self._page(request, 409, gettext("Switch it on before you send a test."))
        return redirect(request, "/account/notifications")

    async def switch(self, request: Request) -> Response:
        """Turn a service on or off."""
        require_same_origin(request)
        form = await read_form(request)
        _, user = await self._site.person(request)
        service = await self._service(request, user)
        async with self._site.changing() as connection:
            await change_channel(connection, user.id, service["id"], {"enabled": form.get("on") == "yes"})
        return redirect(request, "/account/notifications", said="switched")

    async def ask_to_delete(self, request: Request) -> Response:
        """Answer with the question, for browsers without script; with it, it is a dialog."""
        viewer, user = await self._site.person(request)
        service = await self._service(request, user)
        return self._site.page(request, "account/delete_service.html", viewer=viewer, service=service)

    async def delete(self, request: Request) -> Response:
        """Delete a service with the messages that wait for it."""
        require_same_origin(request)
        _, user = await self._site.person(request)
        service = await self._service(request, user)
        async with self._site.changing() as connection:
            await delete_channel(connection, user.id, service["id"])
        return redirect(request, "/account/notifications", said="deleted")

    async def _service(self, request: Request, user: User) -> Any:
        async with self._site.reading() as connection:
            service = await find_channel(connection, user.id, _number(request.path_params["service_id"]))
        if service is None:
            raise HTTPException(404, gettext("This service does not exist, or was deleted."))
        return service

    async def _page(
        self,
        request: Request,
        status_code: int = 200,
        message: str = "",
        headers: dict[str, str] | None = None,
    ) -> Response:
        viewer, user = await self._site.person(request)
        return self._site.page(
            request,
            "account/notifications.html",
            viewer=viewer,
            status_code=status_code,
            headers=headers,
            toasts=_TOASTS,
            tabs=account_tabs(),
            message=message,
            kept_days=KEPT_DAYS,
            **await self._values(user),
        )

    async def _values(self, user: User) -> dict[str, Any]:
        access, now = self._site.services.messages, self._site.clock()
        async with self._site.reading() as connection:
            profile = await find_profile(connection, user.id)
            if profile is None:
                raise LogInNeeded  # deleted since
            preferences = await read_preferences(connection, user.id)
            services = await list_channels(connection, user.id)
            messages = await list_messages(connection, user_id=user.id, most=_MOST_MESSAGES)
        ways = ways_of(
            services,
            messages,
            email_address=profile.email_address,
            by_mail=preferences.by_mail,
            sends_mail=access.mail is not None,
            now=now,
        )
        return {
            "ways": ways,
            "is_waiting": any(way.last is not None and way.last.is_waiting for way in ways),
            "preferences": preferences,
            "sends_mail": access.mail is not None,
            "messages": [(each, result_of(each, now)) for each in messages],
            "is_cut": len(messages) == _MOST_MESSAGES,
            "now": now,
        }


def _number(text: str) -> int:
    """Return the number in a form or an address, or 0, which names nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_ID_DIGITS else 0
