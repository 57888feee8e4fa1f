"""The form with a kit's name, place and visibility, for new kits and for the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy.engine import RowMapping

from hortus.base.language.translation import gettext
from hortus.base.text import fault_of_lines, fault_of_name
from hortus.base.time_zones import fault_of_time_zone
from hortus.domain.kits.details import (
    MOST_DESCRIPTION_CHARACTERS,
    MOST_LATITUDE,
    MOST_LONGITUDE,
    MOST_NAME_CHARACTERS,
    coordinate,
)
from hortus.http.pages.forms import Form

DETAIL_FIELDS = ("name", "description", "time_zone", "latitude", "longitude", "public", "on_map")

_MOST_COORDINATE_CHARACTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What the form says; None for what was left empty."""

    name: str | None
    description: str | None
    time_zone: str | None
    latitude: Decimal | None
    longitude: Decimal | None
    is_public: bool
    is_on_map: bool

    def columns(self) -> Mapping[str, object]:
        """Return the columns of a kit."""
        return {
            "name": self.name,
            "description": self.description,
            "time_zone": self.time_zone,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "privacy_public_dashboard": self.is_public,
            "privacy_show_on_map": self.is_on_map,
        }


def values_of(row: Mapping[str, Any] | RowMapping) -> dict[str, str]:
    """Return the fields for a kit as it is."""
    return {
        "name": str(row["name"] or ""),
        "description": str(row["description"] or ""),
        "time_zone": str(row["time_zone"] or ""),
        "latitude": _shown(row["latitude"]),
        "longitude": _shown(row["longitude"]),
        "public": "yes" if row["privacy_public_dashboard"] else "",
        "on_map": "yes" if row["privacy_show_on_map"] else "",
    }


def read_details(form: Form) -> Details:
    """Read the fields; what is wrong with them is noted in the form."""
    name = form.value("name")
    if not 1 <= len(name) <= MOST_NAME_CHARACTERS:
        form.refuse("name", gettext("Name: from 1 to %(most)s characters.", most=MOST_NAME_CHARACTERS))
    elif fault_of_name(name) is not None:
        form.refuse("name", gettext("Name: one line of characters that can be seen."))
    description = form.value("description").replace("\r\n", "\n")
    if len(description) > MOST_DESCRIPTION_CHARACTERS:
        most = MOST_DESCRIPTION_CHARACTERS
        form.refuse("description", gettext("Description: at most %(most)s characters.", most=most))
    elif fault_of_lines(description) is not None:
        form.refuse("description", gettext("Description: it has characters that cannot be shown."))
    zone = form.value("time_zone")
    if zone and fault_of_time_zone(zone) is not None:
        form.refuse("time_zone", gettext("Time zone: choose one from the list, such as Europe/Amsterdam."))
    latitude = _degrees(form, "latitude", MOST_LATITUDE)
    longitude = _degrees(form, "longitude", MOST_LONGITUDE)
    if bool(form.value("latitude")) != bool(form.value("longitude")):
        missing = "longitude" if form.value("latitude") else "latitude"
        form.refuse(missing, gettext("Place: enter both numbers, or none."))
    return Details(
        name=name or None,
        description=description or None,
        time_zone=zone or None,
        latitude=latitude,
        longitude=longitude,
        is_public=form.is_checked("public"),
        is_on_map=form.is_checked("public") and form.is_checked("on_map"),
    )


def _degrees(form: Form, field: str, most: float) -> Decimal | None:
    text = form.value(field).replace("−", "-").replace(",", ".")
    if not text:
        return None
    try:
        degrees = Decimal(text) if len(text) <= _MOST_COORDINATE_CHARACTERS else None
    except InvalidOperation:
        degrees = None
    if degrees is None or not degrees.is_finite() or abs(degrees) > Decimal(most):
        if field == "latitude":
            form.refuse(field, gettext("Latitude: a number from −90 to 90."))
        else:
            form.refuse(field, gettext("Longitude: a number from −180 to 180."))
        return None
    return coordinate(float(degrees))


def _shown(degrees: object) -> str:
    if not isinstance(degrees, Decimal):
        return ""
    text = format(degrees, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
