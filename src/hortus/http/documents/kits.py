"""Kits and what belongs to them as the API shows them (http-api 4.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.engine import RowMapping

from hortus.base.database.prepared import Row
from hortus.base.times import format_optional_time, format_time
from hortus.http.conventions.replies import ApiObject
from hortus.http.documents.accounts import User


class Kit(ApiObject):
    """A kit. Coordinates are in degrees; `lastSeen` is when a message of it last arrived."""

    id: int
    serial: str
    name: str | None
    description: str | None
    latitude: float | None
    longitude: float | None
    privacy_public_dashboard: bool
    privacy_show_on_map: bool
    last_seen: datetime | None


class CreatedKit(ApiObject):
    """A new kit. Its password is shown this once only."""

    kit_serial: str
    password: str


class KitMembership(ApiObject):
    """What a person may do with a kit."""

    id: int
    user: User
    kit: Kit
    datetime_linked: datetime
    access_super: bool
    access_configure: bool


class ChangedMembership(ApiObject):
    """A membership with the ids of its user and its kit, instead of themselves."""

    id: int
    user: int
    kit: int
    datetime_linked: datetime
    access_super: bool
    access_configure: bool


class Peripheral(ApiObject):
    """A device of a configuration, and how it is set up."""

    id: int
    kit_id: int
    kit_configuration_id: int
    peripheral_definition_id: int
    name: str
    configuration: Any


class KitConfiguration(ApiObject):
    """A configuration. Once it was active, only its description can be changed, and whether it is active."""

    id: int
    kit_id: int
    description: str | None
    controller_symbol_location: str
    controller_symbol: str
    control_rules: Any
    active: bool
    never_used: bool


class KitConfigurationWithPeripherals(KitConfiguration):
    """A configuration and its peripherals."""

    peripherals: list[Peripheral]


def kit_object(row: Row) -> dict[str, Any]:
    """Return the kit in a row of KIT_COLUMNS."""
    latitude, longitude = row["latitude"], row["longitude"]
    return {
        "id": row["kit_id"],
        "serial": row["serial"],
        "name": row["name"],
        "description": row["description"],
        "latitude": None if latitude is None else float(latitude),
        "longitude": None if longitude is None else float(longitude),
        "privacyPublicDashboard": row["privacy_public_dashboard"],
        "privacyShowOnMap": row["privacy_show_on_map"],
        "lastSeen": format_optional_time(row["datetime_last_seen"]),
    }


def membership_object(row: RowMapping, user: dict[str, Any]) -> dict[str, Any]:
    """Return the membership in a row of the members store; `user` is the person as the caller may see them."""
    return {
        "id": row["membership_id"],
        "user": user,
        "kit": kit_object(row),
        "datetimeLinked": format_time(row["datetime_linked"]),
        "accessSuper": row["member_super"],
        "accessConfigure": row["member_configure"],
    }
