"""JSON objects of alerts and their settings."""

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
    """The kit that measured the plant, or that is silent."""

    serial: str
    name: str | None


class AlertQuantity(TypedDict):
    """The quantity that is out of range."""

    id: int
    physicalQuantity: str
    physicalUnit: str
    physicalUnitSymbol: str | None


class Alert(TypedDict):
    """Something that needs attention: a quantity out of its range, or a silent kit.

    `value` and the range are those when the alert opened. `beganAt` is when the value left its range, or when
    the kit was last seen.
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
        Field(description="`withdrawn`: closed because its range or its link was removed."),
    ]
    messageAcceptedAt: Annotated[
        TimeText | None, Field(description="When a message about the alert was last accepted for delivery.")
    ]
    snoozedAt: Annotated[
        TimeText | None,
        Field(
            description="When it was last snoozed. Also set after `snoozedUntil`, until the snooze is ended."
        ),
    ]
    snoozedUntil: Annotated[
        TimeText | None,
        Field(
            description="Until when nobody is reminded; null with `snoozedAt`: until a user ends the snooze."
        ),
    ]


class AlertSettings(TypedDict):
    """The alert settings of a plant."""

    enabled: bool
    hysteresisPercent: Annotated[
        float,
        Field(
            description="How far inside its range a value must be to count as back, in percent of the range's "
            "width or of its only bound."
        ),
    ]
    holdSeconds: Annotated[
        int, Field(description="How long a value must be out of range, or back in it, to count.")
    ]
    pauseSeconds: Annotated[
        int, Field(description="Minimum time between two messages about the same quantity.")
    ]


def alert_object(row: RowMapping) -> Alert:
    """Return the JSON object."""
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
        "snoozedAt": format_optional_time(row["snoozed_at"]),
        "snoozedUntil": format_optional_time(row["snoozed_until"]),
    }


def settings_object(settings: PlantAlertSettings) -> AlertSettings:
    """Return the JSON object."""
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
