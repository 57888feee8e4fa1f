"""`/kits/{serial}/pictures/lapse`: pictures of a range of days, one after the other, or two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib import resources
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import gettext
from hortus.domain.media.gallery import cameras_of_kit, media_between, media_nearest, newest_medium
from hortus.domain.media.lapse import (
    HOUR,
    MOST_FRAMES,
    NEAR,
    Every,
    Frame,
    TooManyFrames,
    each_picture,
    framed,
    slots_of,
)
from hortus.http.pages.forms import Form
from hortus.http.pages.joined_files import JoinedFile, joined_modules
from hortus.http.pages.kits.frame import kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.kits.pictures.gallery import chosen_camera, day_in, peripherals_of
from hortus.http.pages.site import Site
from hortus.http.pages.times import clock_text, short_date

_USUAL_DAYS = 7
_NOON = time(12)
_AS_LONG_AS_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LapseView:
    """What a time-lapse shows, as it stands in the address. Frames are numbered from 0."""

    start: date
    end: date
    every: Every
    at: time
    frame: int
    beside: int | None


class LapsePages:
    """The time-lapse of a kit."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        script = joined_modules(resources.files("hortus.http.pages") / "static" / "lapse", "main")
        return [
            Route("/kits/{serial}/pictures/lapse", self.show, methods=["GET"]),
            Route("/static/lapse.js", JoinedFile(script, "text/javascript").show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page; with 422 if its range has too many frames."""
        now = self._site.clock()
        async with reading_kit(self._site, request) as (connection, kit):
            cameras = await cameras_of_kit(connection, kit.id)
            camera = chosen_camera(cameras, request) or (cameras[0].name if cameras else "")
            ids = peripherals_of(cameras, camera) if cameras else []
            newest = await newest_medium(connection, kit.id, now + _AS_LONG_AS_A_DAY, ids)
            view = parse_lapse(request.query_params, (newest.at if newest else now).astimezone(kit.zone).date())
            form = _checked(view)
            frames: Sequence[Frame] = []
            is_partial = False
            if not form.faults:
                try:
                    frames, is_partial = await _frames(connection, kit, view, ids, now)
                except TooManyFrames:
                    form.refuse("to", _too_long(view))
        return kit_page(
            self._site,
            request,
            kit,
            "pictures",
            "kits/pictures/lapse.html",
            status_code=422 if form.faults else 200,
            form=form,
            path=kit_path(kit, "/pictures"),
            cameras=cameras,
            camera=camera,
            view=view,
            frames=frames,
            missing=sum(frame.medium is None for frame in frames),
            is_partial=is_partial,
            most=MOST_FRAMES,
            current=min(view.frame, len(frames) - 1) if frames else 0,
            beside=None if view.beside is None or not frames else min(view.beside, len(frames) - 1),
            address=lambda **changes: urlencode(_parameters(view, camera) | changes),
            clock=lambda moment: clock_text(moment, kit.zone),
            count_pattern=gettext("Frame %(number)s of %(frames)s"),
            range_words=f"{short_date(view.start, with_year=True)} – {short_date(view.end, with_year=True)}",
        )


def parse_lapse(query: QueryParams, newest: date) -> LapseView:
    """Return the view of an address; `newest` is the day of the newest picture. Raises HTTPException 400."""
    end = day_in(query["to"]) if query.get("to") else newest
    start = day_in(query["from"]) if query.get("from") else end - timedelta(days=_USUAL_DAYS - 1)
    every = query.get("every") or Every.HOUR
    if every not in set(Every):
        raise HTTPException(400, gettext("every is one of picture, hour and day."))
    try:
        at = time.fromisoformat(query["at"]) if query.get("at") else _NOON
    except ValueError as error:
        raise HTTPException(400, gettext("at is a time of day such as 12:00.")) from error
    beside = query.get("beside")
    return LapseView(
        start=start,
        end=end,
        every=Every(every),
        at=at.replace(tzinfo=None),
        frame=_number(query.get("i")),
        beside=_number(beside) if beside else None,
    )


def _checked(view: LapseView) -> Form:
    form = Form()
    if view.start > view.end:
        form.refuse("to", gettext("The range ends before it begins."))
    return form


def _too_long(view: LapseView) -> str:
    if view.every is Every.HOUR:
        return gettext("A time-lapse of hours has 31 days at most. Choose fewer days or one picture a day.")
    return gettext("A time-lapse of days has two years at most. Choose a shorter range.")


async def _frames(
    connection: AsyncConnection, kit: OpenedKit, view: LapseView, ids: Sequence[int], now: datetime
) -> tuple[Sequence[Frame], bool]:
    """Return the frames, and whether there are more pictures than that. Raises TooManyFrames."""
    if view.every is Every.PICTURE:
        start = datetime.combine(view.start, time(), kit.zone)
        end = datetime.combine(view.end + _AS_LONG_AS_A_DAY, time(), kit.zone)
        media = await media_between(connection, kit.id, start, end, ids, most=MOST_FRAMES + 1)
        return each_picture(media[:MOST_FRAMES]), len(media) > MOST_FRAMES
    slots = slots_of(view.every, view.start, view.end, view.at, kit.zone, now)
    before, after = (timedelta(), HOUR) if view.every is Every.HOUR else (NEAR, NEAR)
    found = await media_nearest(connection, kit.id, slots, ids, before=before, after=after)
    return framed(slots, found), False


def _parameters(view: LapseView, camera: str) -> dict[str, object]:
    values: dict[str, object] = {
        "camera": camera,
        "from": view.start.isoformat(),
        "to": view.end.isoformat(),
        "every": str(view.every),
    }
    if view.every is Every.DAY:
        values["at"] = f"{view.at:%H:%M}"
    return values


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0
