"""`/account/notifications/new`: adding a service, from its kind over its fields to its URL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_name
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.messages.channels import add_channel
from hortus.domain.messages.service_forms import KINDS, OTHER, ServiceKind, WrongField, kind_of
from hortus.domain.messages.services import ALWAYS_ALLOWED, InvalidService
from hortus.domain.messages.tables import MOST_CHANNEL_NAME_CHARACTERS
from hortus.http.access.viewer import Viewer
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_form, redirect, require_same_origin
from hortus.http.pages.site import Site


class NewServicePages:
    """The choice of a kind, and the form of each."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/account/notifications/new", self.choose, methods=["GET"]),
            Route("/account/notifications/new/{kind}", self.show, methods=["GET"]),
            Route("/account/notifications/new/{kind}", self.add, methods=["POST"]),
        ]

    async def choose(self, request: Request) -> Response:
        """Answer with the kinds that this server allows."""
        viewer, _ = await self._site.person(request)
        return self._site.page(request, "account/service_kinds.html", viewer=viewer, kinds=self._kinds())

    async def show(self, request: Request) -> Response:
        """Answer with the fields of a kind."""
        viewer, _ = await self._site.person(request)
        return self._page(request, viewer, self._kind(request), Form())

    async def add(self, request: Request) -> Response:
        """Add the service; its URL is stored encrypted and never shown again."""
        require_same_origin(request)
        form = Form(await read_form(request))
        viewer, user = await self._site.person(request)
        kind = self._kind(request)
        name = form.value("name")
        if not 1 <= len(name) <= MOST_CHANNEL_NAME_CHARACTERS or fault_of_name(name) is not None:
            most = MOST_CHANNEL_NAME_CHARACTERS
            form.refuse("name", gettext("Give the service a name of at most %(most)s characters.", most=most))
        url, scheme = await self._checked(kind, form)
        if form.faults:
            return self._page(request, viewer, kind, form, 422)
        try:
            async with self._site.changing() as connection:
                await add_channel(
                    connection,
                    user.id,
                    name=name,
                    scheme=scheme,
                    sealed_url=self._site.services.messages.seal.close(url),
                    most=self._site.services.parts.quotas.services_per_person,
                )
        except QuotaReached:
            message = gettext("You have as many services as this server allows. Delete one first.")
            return self._page(request, viewer, kind, form, 403, message)
        return redirect(request, "/account/notifications", said="added")

    async def _checked(self, kind: ServiceKind, form: Form) -> tuple[str, str]:
        """Return the URL and its scheme, or note what is wrong with a field."""
        try:
            url = kind.url(form.values)
            # In a thread: the library is loaded on the first call.
            return url, await asyncio.to_thread(self._site.services.messages.services.check, url)
        except WrongField as error:
            form.refuse(error.field, gettext(str(error)))
        except InvalidService as error:
            form.refuse(kind.fields[-1].key, gettext(str(error)))
        return "", ""

    def _kinds(self) -> Sequence[ServiceKind]:
        has_more = bool(self._site.services.messages.services.allowed - ALWAYS_ALLOWED)
        return [kind for kind in KINDS if kind.scheme != OTHER or has_more]

    def _kind(self, request: Request) -> ServiceKind:
        kind = kind_of(request.path_params["kind"])
        if kind is None or kind not in self._kinds():
            raise HTTPException(404, gettext("Hortus does not know this kind of service."))
        return kind

    def _page(
        self,
        request: Request,
        viewer: Viewer,
        kind: ServiceKind,
        form: Form,
        status_code: int = 200,
        message: str = "",
    ) -> Response:
        return self._site.page(
            request,
            "account/new_service.html",
            viewer=viewer,
            status_code=status_code,
            kind=kind,
            form=form,
            message=message,
        )
