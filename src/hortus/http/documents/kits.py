"""JSON objects of kits and memberships (http-api 4.1)."""

from __future__ import annotations

from sqlalchemy.engine import RowMapping
from typing_extensions import TypedDict

from hortus.base.database.prepared import Row
from hortus.base.times import format_optional_time, format_time
from hortus.domain.kits.position import rounded_position
from hortus.http.conventions.replies import TimeText
from hortus.http.documents.accounts import User

_POSITION = ("latitude", "longitude")


class Kit(TypedDict):
    """A kit. Coordinates are in degrees; `lastSeen` is when its last message arrived.

    Only members and administrators learn the exact position; for others it is rounded to about 1 km.

    `timeZone` is the IANA name of the zone where it stands; null means the server's.
    """

    id: int
    serial: str
    name: str | None
    description: str | None
    latitude: float | None
    longitude: float | None
    privacyPublicDashboard: bool
    privacyShowOnMap: bool
    timeZone: str | None
    lastSeen: TimeText | None


class CreatedKit(TypedDict):
    """A new kit. Its password is not shown again."""

    kitSerial: str
    password: str


class KitMembership(TypedDict):
    """A person's access to a kit."""

    id: int
    user: User
    kit: Kit
    datetimeLinked: TimeText
    accessSuper: bool
    accessConfigure: bool


class ChangedMembership(TypedDict):
    """A membership with the ids of its user and its kit instead of the objects."""

    id: int
    user: int
    kit: int
    datetimeLinked: TimeText
    accessSuper: bool
    accessConfigure: bool


def kit_object(row: Row, *, is_exact: bool) -> Kit:
    """Return the kit in a row of KIT_COLUMNS, with its exact position or one that strangers may learn."""
    latitude, longitude = (None if row[name] is None else float(row[name]) for name in _POSITION)
    if not is_exact and latitude is not None and longitude is not None:
        latitude, longitude = rounded_position(latitude, longitude)
    elif not is_exact:
        # Half a position is good for nobody, and would tell strangers more than a whole one.
        latitude = longitude = None
    return {
        "id": row["kit_id"],
        "serial": row["serial"],
        "name": row["name"],
        "description": row["description"],
        "latitude": latitude,
        "longitude": longitude,
        "privacyPublicDashboard": row["privacy_public_dashboard"],
        "privacyShowOnMap": row["privacy_show_on_map"],
        "timeZone": row["time_zone"],
        "lastSeen": format_optional_time(row["datetime_last_seen"]),
    }


def membership_object(row: RowMapping, user: User, *, is_exact: bool) -> KitMembership:
    """Return the membership in a row of the members store; `user` is the person as the caller may see them.

    `is_exact`: the caller learns the exact position of the kit.
    """
    return {
        "id": row["membership_id"],
        "user": user,
        "kit": kit_object(row, is_exact=is_exact),
        "datetimeLinked": format_time(row["datetime_linked"]),
        "accessSuper": row["member_super"],
        "accessConfigure": row["member_configure"],
    }
