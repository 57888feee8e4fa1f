"""`/admin/storage`: what is stored, when the disk is full, and deleting old pictures."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop, ngettext
from hortus.domain.administration.log import Deed, note_deed
from hortus.domain.administration.storage import GROWTH_DAYS, read_storage
from hortus.domain.media.thinning import Thinned, ThinningPolicy, thin
from hortus.http.access.viewer import Viewer
from hortus.http.pages.admin.frame import AdminPages
from hortus.http.pages.forms import Form
from hortus.http.pages.requests import read_form, redirect
from hortus.http.pages.site import Site

MOST_DAYS = 36_500
# A page is not a job: what is left after this goes with the next click.
_LONGEST_SECONDS = 25.0
_TOASTS = {
    "thinned": gettext_noop("The old pictures are deleted."),
    "partly": gettext_noop("Many old pictures are deleted, and some are left. Look again."),
}


class AdminStorage(AdminPages):
    """Shows sizes, and thins pictures with a dry run first."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._at_work = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/admin/storage", self.show),
            Route("/admin/storage/thin", self.thin, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the sizes; with days in the address, also with what would be deleted."""
        viewer = await self.viewer(request)
        form = Form(dict(request.query_params))
        if "all_days" not in form.values:
            return await self._page(request, viewer, Form({"all_days": "30", "hourly_days": "365"}))
        policy = _policy(form)
        if policy is None:
            return await self._page(request, viewer, form, status_code=422)
        thinned = await thin(self.site.engine, policy, dry_run=True)
        return await self._page(request, viewer, form, would_go=thinned)

    async def thin(self, request: Request) -> Response:
        """Delete what the dry run has shown, or what has become old since."""
        viewer, acting = await self.acting(request)
        form = Form(await read_form(request))
        policy = _policy(form)
        if policy is None:
            return await self._page(request, viewer, form, status_code=422)
        if self._at_work.locked():
            message = gettext("Pictures are being deleted already. Try again in a moment.")
            return await self._page(request, viewer, form, status_code=409, message=message)
        async with self._at_work:
            done, is_whole = await _thin_for_a_while(self.site, policy)
        subject = f"{policy.all_days} / {policy.hourly_days}"
        async with self.site.changing() as connection:
            await note_deed(connection, acting.username, Deed.PICTURES_THINNED, subject, done.media)
        return redirect(request, "/admin/storage", said="thinned" if is_whole else "partly")

    async def _page(
        self,
        request: Request,
        viewer: Viewer,
        form: Form,
        *,
        status_code: int = 200,
        would_go: Thinned | None = None,
        message: str = "",
    ) -> Response:
        async with self.site.reading() as connection:
            storage = await read_storage(
                connection, self.site.clock(), self.site.services.parts.database_folder
            )
        return self.page(
            request,
            viewer,
            "storage",
            "storage.html",
            status_code=status_code,
            storage=storage,
            largest=max((month.total for month in storage.months), default=0),
            full=_when_full(storage.full_in_days),
            growth_days=GROWTH_DAYS,
            form=form,
            would_go=would_go,
            message=message,
            toasts=_TOASTS,
        )


async def _thin_for_a_while(site: Site, policy: ThinningPolicy) -> tuple[Thinned, bool]:
    before = await thin(site.engine, policy, dry_run=True)
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            return await thin(site.engine, policy), True
    except TimeoutError:
        left = await thin(site.engine, policy, dry_run=True)
        return Thinned(before.media - left.media, before.size_bytes - left.size_bytes), False


def _policy(form: Form) -> ThinningPolicy | None:
    """Return the policy of the form, or None with the faults noted in it."""
    days: dict[str, int] = {}
    for name in ("all_days", "hourly_days"):
        text = form.value(name)
        if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_DAYS:
            days[name] = int(text)
        else:
            form.refuse(name, gettext("Enter a whole number of days from 1 to %(most)s.", most=MOST_DAYS))
    if form.faults:
        return None
    if days["hourly_days"] < days["all_days"]:
        form.refuse("hourly_days", gettext("This cannot be shorter than the time for which all are kept."))
        return None
    return ThinningPolicy(all_days=days["all_days"], hourly_days=days["hourly_days"])


def _when_full(days: float | None) -> str:
    """Return in how long the disk is full, roughly; an empty text if that is not known."""
    if days is None:
        return ""
    if days > 3650:
        return gettext("in more than 10 years")
    if days >= 730:
        return ngettext("in about %(n)s year", "in about %(n)s years", round(days / 365))
    if days >= 60:
        return ngettext("in about %(n)s month", "in about %(n)s months", round(days / 30))
    return ngettext("in about %(n)s day", "in about %(n)s days", int(days))
