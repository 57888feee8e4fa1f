"""JSON objects of measurements (http-api 4.1), for the API and the live feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.http.conventions.replies import TimeText, UuidText


class AggregateMeasurement(TypedDict):
    """Statistics that a kit computed over a period: `count`, `average`, `minimum`, `maximum`, maybe others."""

    id: UuidText
    peripheralId: int
    kitId: int
    kitConfigurationId: int
    quantityTypeId: int
    datetimeStart: TimeText
    datetimeEnd: TimeText
    values: dict[str, float]


class RawMeasurement(TypedDict):
    """One reading. `datetime` is by the kit's clock, `receivedAt` by the server's."""

    id: UuidText
    peripheralId: int
    kitId: int
    kitConfigurationId: int
    quantityTypeId: int
    datetime: TimeText
    receivedAt: TimeText
    value: float


class ListedAggregate(AggregateMeasurement, TypedDict):
    """An aggregate. `implausible`: it rests on values that cannot have been measured, and counts nowhere."""

    implausible: bool


class ListedReading(RawMeasurement, TypedDict):
    """A reading. `implausible`: the value cannot have been measured, and counts nowhere."""

    implausible: bool


def aggregate_object(row: Mapping[Any, Any]) -> AggregateMeasurement:
    """Return the aggregate in this row."""
    return {
        "id": str(row["id"]),
        "peripheralId": row["peripheral_id"],
        "kitId": row["kit_id"],
        "kitConfigurationId": row["kit_configuration_id"],
        "quantityTypeId": row["quantity_type_id"],
        "datetimeStart": format_time(row["datetime_start"]),
        "datetimeEnd": format_time(row["datetime_end"]),
        # The database may have stored a whole number without its `.0`.
        "values": {name: float(value) for name, value in row["values"].items()},
    }


def reading_object(row: Mapping[Any, Any]) -> RawMeasurement:
    """Return the reading in this row."""
    return {
        "id": str(row["id"]),
        "peripheralId": row["peripheral_id"],
        "kitId": row["kit_id"],
        "kitConfigurationId": row["kit_configuration_id"],
        "quantityTypeId": row["quantity_type_id"],
        "datetime": format_time(row["datetime"]),
        "receivedAt": format_time(row["received_at"]),
        "value": row["value"],
    }
