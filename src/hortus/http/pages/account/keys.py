"""`/account/keys`: API keys for one's own programs."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.base.text import fault_of_name
from hortus.domain.accounts.api_keys import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    MOST_KEY_NAME_CHARACTERS,
    ApiKey,
    Scope,
    delete_key,
    list_keys,
    make_key,
)
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.store import User
from hortus.http.access.viewer import Viewer
from hortus.http.pages.account.tabs import account_tabs
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_fields, redirect, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.pages.times import own_zone

_TOASTS = {"deleted": gettext_noop("The key has been deleted and no longer works.")}

_MOST_ID_DIGITS = 9

SCOPES = {
    Scope.READ: gettext_noop("See kits, their configurations, readings and pictures"),
    Scope.CONFIGURE: gettext_noop("Change kits and configurations, delete pictures"),
    Scope.CONTROL: gettext_noop("Send commands to kits"),
    Scope.MANAGE: gettext_noop("Create and delete kits, set their passwords, manage members"),
}
"""What a key may do, by scope, in words."""


class KeyPages:
    """The list of keys, a form for a new one, which is shown once, and the deletion of one."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/account/keys", self.show, methods=["GET"]),
            Route("/account/keys", self.create, methods=["POST"]),
            Route("/account/keys/{key_id}/delete", self.ask_to_delete, methods=["GET"]),
            Route("/account/keys/{key_id}/delete", self.delete, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the keys, without their secrets."""
        viewer, user = await self._site.person(request)
        return await self._page(request, viewer, user, Form(), (Scope.READ,))

    async def create(self, request: Request) -> Response:
        """Make a key and answer with its secret: it is in no address, so a reload asks before it repeats."""
        require_same_origin(request)
        fields = await read_fields(request)
        viewer, user = await self._site.person(request)
        form = Form({name: values[-1] for name, values in fields.items()})
        scopes = tuple(scope for scope in Scope if scope in fields.get("scopes", []))
        now = self._site.clock()
        ends_at = _end_of(form, now)
        name = form.value("name")
        if not 1 <= len(name) <= MOST_KEY_NAME_CHARACTERS or fault_of_name(name) is not None:
            form.refuse(
                "name",
                gettext("Give the key a name of at most %(most)s characters.", most=MOST_KEY_NAME_CHARACTERS),
            )
        if not scopes:
            form.refuse("scopes", gettext("Choose what the key may do."))
        if form.faults or ends_at is None:
            return await self._page(request, viewer, user, form, scopes, 422)
        try:
            async with self._site.changing() as connection:
                _, secret = await make_key(
                    connection,
                    user.id,
                    name=name,
                    scopes=scopes,
                    expires_at=ends_at,
                    now=now,
                    most=self._site.services.parts.quotas.api_keys_per_person,
                )
        except QuotaReached:
            message = gettext(
                "You have as many keys as this server allows. Delete one that is no longer needed."
            )
            return await self._page(request, viewer, user, form, scopes, 403, message=message)
        return await self._page(request, viewer, user, Form(), (Scope.READ,), 201, secret=secret)

    async def ask_to_delete(self, request: Request) -> Response:
        """Answer with the question, for browsers without script; with it, it is a dialog."""
        viewer, user = await self._site.person(request)
        key = await self._key(request, user)
        return self._site.page(request, "account/delete_key.html", viewer=viewer, key=key)

    async def delete(self, request: Request) -> Response:
        """Delete the key; it stops working at once."""
        require_same_origin(request)
        _, user = await self._site.person(request)
        key = await self._key(request, user)
        async with self._site.changing() as connection:
            await delete_key(connection, user.id, key.id)
        return redirect(request, "/account/keys", said="deleted")

    async def _key(self, request: Request, user: User) -> ApiKey:
        text = request.path_params["key_id"]
        async with self._site.reading() as connection:
            keys = await list_keys(connection, user.id)
        wanted = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_ID_DIGITS else None
        key = next((key for key in keys if key.id == wanted), None)
        if key is None:
            raise HTTPException(404, gettext("This key does not exist, or was deleted."))
        return key

    async def _page(
        self,
        request: Request,
        viewer: Viewer,
        user: User,
        form: Form,
        scopes: tuple[Scope, ...],
        status_code: int = 200,
        *,
        message: str = "",
        secret: str = "",
    ) -> Response:
        now = self._site.clock()
        async with self._site.reading() as connection:
            keys = await list_keys(connection, user.id)
        return self._site.page(
            request,
            "account/keys.html",
            viewer=viewer,
            status_code=status_code,
            # Neither the browser nor a proxy keeps the secret.
            headers={"Cache-Control": "no-store"},
            toasts=_TOASTS,
            tabs=account_tabs(),
            keys=keys,
            scopes=[
                {"value": scope.value, "name": gettext(words), "is_chosen": scope in scopes}
                for scope, words in SCOPES.items()
            ],
            scope_words={scope: gettext(words) for scope, words in SCOPES.items()},
            form=form,
            ends_on=form.value("ends_on") or (now + DEFAULT_LIFETIME).astimezone(own_zone()).date().isoformat(),
            message=message,
            secret=secret,
            api=(self._site.services.messages.public_url or str(request.base_url).rstrip("/")) + "/api/kits",
            now=now,
        )


def _end_of(form: Form, now: datetime) -> datetime | None:
    """Return the end of the day that the form names, or note what is wrong with it."""
    try:
        day = date.fromisoformat(form.value("ends_on"))
        ends_at = datetime.combine(day, time.max, own_zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        form.refuse("ends_on", gettext("Enter the last day of the key."))
        return None
    if not now < ends_at <= now + LONGEST_LIFETIME - timedelta(days=1):
        form.refuse("ends_on", gettext("A key ends today at the earliest, and within five years."))
        return None
    return ends_at
