"""The time zone in which a kit's times are shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import get_timezone_location

from hortus.base.database.prepared import Row
from hortus.base.language.translation import current_language, gettext
from hortus.base.time_zones import time_zone_or
from hortus.http.access.viewer import Viewer
from hortus.http.pages.times import precise_duration


def zone_of_kit(kit: Row, usual: ZoneInfo) -> ZoneInfo:
    """Return the zone that was chosen for the kit, or the usual one of this installation."""
    return time_zone_or(kit["time_zone"], usual)


def place_of_zone(zone: ZoneInfo) -> str:
    """Return the place that a zone is named after, such as `Amsterdam`, in the language of the request."""
    return get_timezone_location(zone, locale=current_language().locale, return_city=True)


def times_of_kit(zone: ZoneInfo, viewer: Viewer, now: datetime) -> str:
    """Return the sentence that says whose clock a kit's page shows, and how far it is from the viewer's."""
    place = place_of_zone(zone)
    ahead = timedelta() if viewer.own_zone is None else _offset(zone, now) - _offset(viewer.own_zone, now)
    if ahead > timedelta():
        return gettext(
            "Times are those of the kit (%(place)s, %(length)s ahead of you).",
            place=place,
            length=precise_duration(ahead),
        )
    if ahead < timedelta():
        return gettext(
            "Times are those of the kit (%(place)s, %(length)s behind you).",
            place=place,
            length=precise_duration(-ahead),
        )
    return gettext("Times: %(zone)s", zone=place)


def _offset(zone: ZoneInfo, now: datetime) -> timedelta:
    return now.astimezone(zone).utcoffset() or timedelta()
