"""The inbox of alerts, `/alerts`, and the page of each alert, to which messages link."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext, gettext_noop
from hortus.domain.alerts.attention import AlertIsOver, end_snooze, mark_all_seen, snooze
from hortus.domain.alerts.inbox import Box, count_boxes, find_in_box, kits_with_alerts, list_box
from hortus.domain.kits.identity import is_serial
from hortus.domain.plants.store import list_plants_of_user
from hortus.http.access.viewer import Viewer
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.conventions.problems import conflict
from hortus.http.pages.alerts.reading import read_lines
from hortus.http.pages.alerts.said import ALERT_TOASTS, alert_ids_of, back_with, undo_address
from hortus.http.pages.alerts.snoozing import end_of_snooze, zone_of_person
from hortus.http.pages.kits.tabs import kit_page_address
from hortus.http.pages.renewal import Renewed, reload_reply, renewal_reply, renewed
from hortus.http.pages.requests import read_fields, require_same_origin
from hortus.http.pages.site import Site
from hortus.http.server.answers import SharedAnswers

_ALERTS_PER_PAGE = 30
_MOST_CHOICES = 200
_KEEP_SECONDS = 1.0
_KEPT_ANSWERS = 200
_NUMBER = re.compile(r"[1-9]\d{0,17}")
_NO_ALERT = gettext_noop("This alert does not exist, or does not concern you.")
_NO_PAGE = gettext_noop("This page does not exist.")

_BOXES = (
    (Box.OPEN, gettext_noop("Open")),
    (Box.SEEN, gettext_noop("Seen")),
    (Box.CLOSED, gettext_noop("Closed")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxView:
    """What the address of the inbox asks for."""

    box: Box = Box.OPEN
    kit: str | None = None
    plant: int | None = None
    before: int | None = None

    def address(self, path: str = "/alerts", **changes: object) -> str:
        """Return the address of the inbox with these changes."""
        view = replace(self, **changes)  # type: ignore[arg-type]
        values = {
            "box": None if view.box is Box.OPEN else view.box.value,
            "kit": view.kit,
            "plant": view.plant,
            "before": view.before,
        }
        query = urlencode({name: value for name, value in values.items() if value is not None})
        return f"{path}?{query}" if query else path


class AlertPages:
    """`/alerts`, `/alerts/{alert_id}`, their self-refreshing parts, and what their buttons do."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._answers = SharedAnswers[Renewed](keep_seconds=_KEEP_SECONDS, capacity=_KEPT_ANSWERS)

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/alerts", self.inbox, methods=["GET"]),
            Route("/alerts/list", self.renew_inbox, methods=["GET"]),
            Route("/alerts/seen", self.see, methods=["POST"]),
            Route("/alerts/unseen", self.unsee, methods=["POST"]),
            Route("/alerts/unsnoozed", self.wake, methods=["POST"]),
            Route("/alerts/{alert_id}", self.show, methods=["GET"]),
            Route("/alerts/{alert_id}/status", self.renew, methods=["GET"]),
            Route("/alerts/{alert_id}/seen", self.see, methods=["POST"]),
            Route("/alerts/{alert_id}/snooze", self.snooze, methods=["POST"]),
        ]

    async def inbox(self, request: Request) -> Response:
        """Answer with the inbox. Strangers are sent to the log-in."""
        view = _view_of(request.query_params)
        viewer, _ = await self._site.person(request)
        part = await self._inbox(viewer, view)
        return self._page(request, viewer, part, "alerts/inbox.html", view=view, boxes=_boxes())

    async def renew_inbox(self, request: Request) -> Response:
        """Answer with the self-refreshing part of the inbox, or request a reload."""
        view = _view_of(request.query_params)
        viewer = await self._site.viewer(request)
        if viewer.user is None or not self._site.templates.is_current(request, viewer):
            return reload_reply()
        return renewal_reply(request, await self._inbox(viewer, view))

    async def show(self, request: Request) -> Response:
        """Answer with an alert. Strangers are sent to the log-in, whether or not there is one."""
        viewer, _ = await self._site.person(request)
        alert_id = _id_of(request)
        part = await self._alert(viewer, alert_id)
        return self._page(request, viewer, part, "alerts/alert.html", alert_id=alert_id)

    async def renew(self, request: Request) -> Response:
        """Answer with the self-refreshing part of an alert, or request a reload."""
        alert_id = _id_of(request)
        viewer = await self._site.viewer(request)
        if viewer.user is None or not self._site.templates.is_current(request, viewer):
            return reload_reply()
        try:
            return renewal_reply(request, await self._alert(viewer, alert_id))
        except HTTPException:
            return reload_reply()  # and the page says that it does not exist any more

    async def see(self, request: Request) -> Response:
        """Mark an alert, or all that were shown, as seen."""
        return await self._change_many(request, "seen", mark_all_seen)

    async def unsee(self, request: Request) -> Response:
        """Undo that alerts were marked as seen."""
        return await self._change_many(
            request, "unseen", lambda c, user, ids: mark_all_seen(c, user, ids, seen=False)
        )

    async def wake(self, request: Request) -> Response:
        """End the snooze of alerts."""

        async def end(connection: AsyncConnection, user_id: int, alert_ids: list[int]) -> list[int]:
            return [
                alert_id
                for alert_id in alert_ids
                if await end_snooze(connection, user_id, alert_id) is not None
            ]

        return await self._change_many(request, "unsnoozed", end)

    async def snooze(self, request: Request) -> Response:
        """Snooze an alert for as long as the button says."""
        require_same_origin(request)
        fields = await read_fields(request)
        _, user = await self._site.person(request)
        alert_id, now = _id_of(request), self._site.clock()
        try:
            async with self._site.changing() as connection:
                zone = await zone_of_person(connection, user.id, self._site.services.messages.time_zone)
                until = end_of_snooze(fields.get("for", [""])[-1], now, zone)
                found = await snooze(connection, user.id, alert_id, until=until, now=now)
        except AlertIsOver as error:
            raise conflict(gettext("This alert is already closed, so there is nothing to snooze.")) from error
        if found is None:
            raise HTTPException(404, gettext(_NO_ALERT))
        self._site.open_alerts.note_change(user.id)
        return back_with(request, _back(fields, alert_id), "snoozed", [alert_id])

    async def _change_many(
        self,
        request: Request,
        said: str,
        change: Callable[[AsyncConnection, int, list[int]], Awaitable[list[int]]],
    ) -> Response:
        """Change the alert of the path, or those that the form or the address of the form names."""
        require_same_origin(request)
        fields = await read_fields(request)
        _, user = await self._site.person(request)
        if "alert_id" in request.path_params:
            alert_ids = [_id_of(request)]
        else:
            named = fields.get("alerts", [request.query_params.get("alerts", "")])[-1]
            alert_ids = alert_ids_of(named)
        async with self._site.changing() as connection:
            changed = await change(connection, user.id, alert_ids)
            one = alert_ids[0] if len(alert_ids) == 1 else None
            if (
                not changed
                and one is not None
                and not await _exists(connection, user.id, one, self._site.clock())
            ):
                raise HTTPException(404, gettext(_NO_ALERT))
        self._site.open_alerts.note_change(user.id)
        fields.setdefault("from", [request.query_params.get("from", "")])
        return back_with(request, _back(fields, one), said, changed)

    def _page(self, request: Request, viewer: Viewer, part: Renewed, template: str, **values: Any) -> Response:
        return self._site.page(
            request,
            template,
            viewer=viewer,
            content=part.content,
            etag=part.etag,
            toasts=ALERT_TOASTS,
            undo=undo_address(request),
            **values,
        )

    async def _inbox(self, viewer: Viewer, view: InboxView) -> Renewed:
        user = viewer.user
        assert user is not None, "strangers have been sent to the log-in"

        async def ask() -> Renewed:
            now = self._site.clock()
            async with self._site.reading() as connection:
                rows = await list_box(
                    connection,
                    user.id,
                    view.box,
                    now=now,
                    most=_ALERTS_PER_PAGE + 1,
                    before=view.before,
                    kit_serial=view.kit,
                    plant_id=view.plant,
                )
                shown = rows[:_ALERTS_PER_PAGE]
                lines = await read_lines(connection, self._site, user.id, shown, now)
                counts = await count_boxes(connection, user.id, now)
                last = await list_box(connection, user.id, Box.CLOSED, now=now, most=1) if not rows else ()
                kits = await kits_with_alerts(connection, user.id, _MOST_CHOICES)
                plants = await list_plants_of_user(connection, user.id, most=_MOST_CHOICES)
                zone = await zone_of_person(connection, user.id, self._site.services.messages.time_zone)
            return renewed(
                self._site.templates.render(
                    "alerts/_inbox.html",
                    now=now,
                    zone=zone,
                    view=view,
                    boxes=_boxes(),
                    counts=counts,
                    alerts=lines,
                    older=view.address(before=shown[-1]["id"]) if len(rows) > len(shown) else "",
                    last=last[0] if last else None,
                    kits=[{"value": row["serial"], "name": row["name"]} for row in kits],
                    plants=[{"value": plant.id, "name": plant.name} for plant in plants],
                    back=view.address(),
                    kit_page_address=kit_page_address,
                )
            )

        return await self._answers.get(self._key(viewer, view), ask)

    async def _alert(self, viewer: Viewer, alert_id: int) -> Renewed:
        """Return the self-refreshing part of an alert's page. Raises HTTPException 404."""
        user = viewer.user
        assert user is not None, "strangers have been sent to the log-in"

        async def ask() -> Renewed:
            now = self._site.clock()
            async with self._site.reading() as connection:
                row = await find_in_box(connection, user.id, alert_id, now)
                if row is None:
                    raise HTTPException(404, gettext(_NO_ALERT))
                (line,) = await read_lines(connection, self._site, user.id, [row], now)
                counts = await count_boxes(connection, user.id, now)
                zone = await zone_of_person(connection, user.id, self._site.services.messages.time_zone)
            return renewed(
                self._site.templates.render(
                    "alerts/_alert.html",
                    now=now,
                    zone=zone,
                    alert=line,
                    counts=counts,
                    back=f"/alerts/{alert_id}",
                    kit_page_address=kit_page_address,
                )
            )

        return await self._answers.get(self._key(viewer, alert_id), ask)

    def _key(self, viewer: Viewer, what: InboxView | int) -> tuple[object, ...]:
        changes = self._site.open_alerts.changes_of(viewer.user.id if viewer.user else None)
        return viewer.user, current_language().tag, changes, what


async def _exists(connection: AsyncConnection, user_id: int, alert_id: int, now: datetime) -> bool:
    return await find_in_box(connection, user_id, alert_id, now) is not None


def _boxes() -> list[dict[str, object]]:
    return [{"box": box, "name": gettext(name)} for box, name in _BOXES]


def _back(fields: Mapping[str, list[str]], alert_id: int | None) -> str:
    return fields.get("from", [""])[-1] or ("/alerts" if alert_id is None else f"/alerts/{alert_id}")


def _view_of(query: Mapping[str, str]) -> InboxView:
    box, kit = query.get("box", Box.OPEN.value), query.get("kit") or None
    plant, before = query.get("plant") or None, query.get("before")
    if (
        box not in set(Box)
        or (kit is not None and not is_serial(kit))
        or any(each is not None and not _NUMBER.fullmatch(each) for each in (plant, before))
        or (plant is not None and int(plant) > LARGEST_ID)
    ):
        raise HTTPException(404, gettext(_NO_PAGE))
    return InboxView(
        box=Box(box),
        kit=kit,
        plant=None if plant is None else int(plant),
        before=None if before is None else int(before),
    )


def _id_of(request: Request) -> int:
    text = request.path_params["alert_id"]
    if not _NUMBER.fullmatch(text):
        raise HTTPException(404, gettext(_NO_ALERT))
    return int(text)
