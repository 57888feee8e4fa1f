"""Alerts and their settings, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy.engine import RowMapping
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.domain.alerts.plant_settings import PlantAlertSettings
from hortus.http.conventions.replies import TimeText


class AlertPlant(TypedDict):
    """The plant that an alert is about."""

    id: int
    name: str


class AlertKit(TypedDict):
    """The kit that measured it, or that is silent."""

    serial: str
    name: str | None


class AlertQuantity(TypedDict):
    """The quantity that is out of its range."""

    id: int
    physicalQuantity: str
    physicalUnit: str
    physicalUnitSymbol: str | None


class Alert(TypedDict):
    """Something that a person should look after: a quantity out of its range, or a kit that is silent.

    `value` and range are those when it opened. `beganAt`: since when it was out of range, or last heard.
    """

    id: int
    kind: Literal["range", "silence"]
    condition: Literal["low", "high", "silent"]
    state: Literal["open", "over"]
    plant: AlertPlant | None
    kit: AlertKit
    quantityType: AlertQuantity | None
    value: float | None
    minimum: float | None
    maximum: float | None
    beganAt: TimeText
    openedAt: TimeText
    seenAt: TimeText | None
    overAt: TimeText | None
    ending: Annotated[
        Literal["recovered", "withdrawn"] | None,
        Field(description="`withdrawn`: nothing judges it any more."),
    ]
    messageAcceptedAt: Annotated[
        TimeText | None, Field(description="When a message about it was last accepted for delivery.")
    ]


class AlertSettings(TypedDict):
    """How a plant's alerts work."""

    enabled: bool
    hysteresisPercent: Annotated[
        float,
        Field(description="How far inside a value must be to be back, of the range's width or its only bound."),
    ]
    holdSeconds: Annotated[int, Field(description="For how long it must be out, or back, to count.")]
    pauseSeconds: Annotated[int, Field(description="Between two messages about the same quantity.")]


def alert_object(row: RowMapping) -> Alert:
    """Return the JSON form."""
    return {
        "id": row["id"],
        "kind": row["kind"],
        "condition": row["condition"],
        "state": "open" if row["over_at"] is None else "over",
        "plant": None if row["plant_id"] is None else {"id": row["plant_id"], "name": row["plant_name"]},
        "kit": {"serial": row["kit_serial"], "name": row["kit_name"]},
        "quantityType": _quantity(row),
        "value": row["value"],
        "minimum": row["minimum"],
        "maximum": row["maximum"],
        "beganAt": format_time(row["began_at"]),
        "openedAt": format_time(row["opened_at"]),
        "seenAt": format_optional_time(row["seen_at"]),
        "overAt": format_optional_time(row["over_at"]),
        "ending": row["ending"],
        "messageAcceptedAt": format_optional_time(row["message_accepted_at"]),
    }


def settings_object(settings: PlantAlertSettings) -> AlertSettings:
    """Return the JSON form."""
    return {
        "enabled": settings.enabled,
        "hysteresisPercent": settings.hysteresis_percent,
        "holdSeconds": settings.hold_seconds,
        "pauseSeconds": settings.pause_seconds,
    }


def _quantity(row: RowMapping) -> AlertQuantity | None:
    if row["quantity_type_id"] is None:
        return None
    return {
        "id": row["quantity_type_id"],
        "physicalQuantity": row["physical_quantity"],
        "physicalUnit": row["physical_unit"],
        "physicalUnitSymbol": row["physical_unit_symbol"],
    }
