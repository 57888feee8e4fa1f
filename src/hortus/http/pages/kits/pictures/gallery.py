"""`/kits/{serial}/pictures`: the pictures of a day, and the one that is shown large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.kits.cameras import commandable_cameras
from hortus.domain.media.gallery import (
    Camera,
    ShownMedium,
    cameras_of_kit,
    media_between,
    newest_medium,
    next_medium_at,
)
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import ObjectStoreNotAnswering
from hortus.http.access.permissions import Permission
from hortus.http.pages.kits.frame import kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.kits.pictures.asked import asked_command, picture_word, progress_of
from hortus.http.pages.site import Site
from hortus.http.pages.times import clock_text, short_date

MOST_OF_DAY = 300
_FIRST, _LAST = date(1990, 1, 1), date(2200, 1, 1)
_TOASTS = {
    "deleted": gettext_noop("The pictures were deleted."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHour:
    """An hour of the day strip, and its pictures."""

    number: int
    media: Sequence[ShownMedium]


class GalleryPages:
    """The pictures of a kit by day."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [Route("/kits/{serial}/pictures", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """Answer with the page."""
        async with reading_kit(self._site, request) as (connection, kit):
            values = await self._values(request, connection, kit)
        large = values["large"]
        return kit_page(
            self._site,
            request,
            kit,
            "pictures",
            "kits/pictures/gallery.html",
            toasts=_TOASTS,
            is_gone=large is not None and await self._is_gone(kit, large),
            **values,
        )

    async def _values(self, request: Request, connection: AsyncConnection, kit: OpenedKit) -> dict[str, Any]:
        now = self._site.clock()
        cameras = await cameras_of_kit(connection, kit.id)
        camera = chosen_camera(cameras, request)
        ids = peripherals_of(cameras, camera)
        newest = await newest_medium(connection, kit.id, now + timedelta(days=1), ids)
        day = _day(request, newest, now, kit)
        start, end = _span(day, kit)
        media = await media_between(connection, kit.id, start, end, ids, most=MOST_OF_DAY + 1)
        before = await newest_medium(connection, kit.id, start, ids)
        after_at = await next_medium_at(connection, kit.id, end, ids)
        command = await asked_command(connection, kit, request.query_params.get("asked", ""))
        may_take = kit.may(Permission.RPC_PERIPHERAL_COMMAND)
        return {
            "now": now,
            "path": kit_path(kit, "/pictures"),
            "cameras": cameras,
            "camera": camera,
            "camera_names": {each: one.name for one in cameras for each in one.peripheral_ids},
            "day": day,
            "day_words": short_date(day, with_year=True),
            "is_partial": len(media) > MOST_OF_DAY,
            "most": MOST_OF_DAY,
            "media": media[:MOST_OF_DAY],
            "hours": _hours(media[:MOST_OF_DAY], kit),
            "large": _large(request, media[:MOST_OF_DAY]),
            "newest": newest,
            "day_before": _local_day(before.at, kit) if before else None,
            "day_after": _local_day(after_at, kit) if after_at else None,
            "may_delete": kit.may(Permission.DELETE_MEDIA),
            "may_take": may_take,
            "may_configure": kit.may(Permission.EDIT_CONFIGURATION),
            "commandable": await commandable_cameras(connection, kit.id),
            "picture_word": picture_word,
            "command": command,
            "progress": progress_of(command, now, kit.zone) if command else None,
            "clock": lambda moment, **options: clock_text(moment, kit.zone, start, **options),
            "query": lambda changes: _query(request, camera, changes),
        }

    async def _is_gone(self, kit: OpenedKit, medium: ShownMedium) -> bool:
        """Return whether the store has lost the content of this picture."""
        objects = self._site.services.parts.media_objects
        if objects is None:
            return False  # nothing is known of any content
        try:
            return await objects.size_of(ObjectKey(kit.serial, medium.id)) is None
        except ObjectStoreNotAnswering:
            return False  # the picture itself will say so


def chosen_camera(cameras: Sequence[Camera], request: Request) -> str:
    """Return the name of the camera in the address if the kit has it, else an empty text: all cameras."""
    name = request.query_params.get("camera", "")
    return name if any(camera.name == name for camera in cameras) else ""


def peripherals_of(cameras: Sequence[Camera], name: str) -> list[int]:
    """Return the ids of one camera, or of all if the name is empty."""
    return [each for camera in cameras if name in {"", camera.name} for each in camera.peripheral_ids]


def day_in(text: str) -> date:
    """Return the day of a text such as 2026-11-28. Raises HTTPException 400."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise HTTPException(400, gettext("A day looks like 2026-11-28.")) from error
    if not _FIRST <= day < _LAST:
        raise HTTPException(400, gettext("There are no pictures of that day."))
    return day


def _day(request: Request, newest: ShownMedium | None, now: datetime, kit: OpenedKit) -> date:
    text = request.query_params.get("day", "")
    return day_in(text) if text else _local_day(newest.at if newest else now, kit)


def _local_day(moment: datetime, kit: OpenedKit) -> date:
    return moment.astimezone(kit.zone).date()


def _span(day: date, kit: OpenedKit) -> tuple[datetime, datetime]:
    return (
        datetime.combine(day, time(), kit.zone),
        datetime.combine(day + timedelta(days=1), time(), kit.zone),
    )


def _hours(media: Sequence[ShownMedium], kit: OpenedKit) -> list[ShownHour]:
    by_hour: dict[int, list[ShownMedium]] = {hour: [] for hour in range(24)}
    for medium in media:
        by_hour[medium.at.astimezone(kit.zone).hour].append(medium)
    return [ShownHour(number=hour, media=found) for hour, found in by_hour.items()]


def _large(request: Request, media: Sequence[ShownMedium]) -> ShownMedium | None:
    """Return the picture that the address names, else the newest one of the day that can be shown."""
    wanted = request.query_params.get("picture", "")
    try:
        named = next((medium for medium in media if medium.id == UUID(wanted)), None) if wanted else None
    except ValueError:
        named = None
    return named or next((medium for medium in reversed(media) if medium.is_picture), None)


def _query(request: Request, camera: str, changes: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters of the address, changed."""
    values = {"camera": camera, "day": request.query_params.get("day", ""), **changes}
    return {name: str(value) for name, value in values.items() if value}
