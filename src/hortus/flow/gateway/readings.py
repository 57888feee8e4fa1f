"""Parses a board's reading from the request body, and derives its permanent id. Pure.

A body is judged as plantkeeper 3.1 and G8 require: a request that the original answered with 400 keeps its
status and text; one that ended in an internal error, or was accepted but could never be stored, gets a 400.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import orjson

MOST_BODY_BYTES = 4096
"""The firmware sends 50 to 75 bytes (plantkeeper 2.1)."""

LARGEST_SENSOR_ID = 2**31 - 1

_BAD_ID = f"The id must be a whole number from 1 to {LARGEST_SENSOR_ID}"
# A board sends 0 if no number was entered on its set-up page (plantkeeper 2.1), and prints this answer.
_NO_ID_ENTERED = "0 means that none was entered: set the sensor's id on the board's set-up page"

_JSON_TYPE = re.compile(r"application/([\w.+-]+\+)?json", re.IGNORECASE | re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,10}", re.ASCII)


class Quantity(StrEnum):
    """The quantities of a PlantKeeper board; the values are its JSON keys, in the firmware's order."""

    TEMPERATURE = "temperature"  # of the air, in degrees Celsius
    HUMIDITY = "humidity"  # of the soil, in percent of the probe's span; above 100 is possible
    LIGHT = "light"  # on the board's own scale from 0 to 2000


class RefusedRequest(Exception):
    """A rejected request. It is counted by its `reason`; the message goes to the sender."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class UnusableSensorId(RefusedRequest):
    """A reading with a whole number that is no sensor id."""

    def __init__(self, sensor_id: int) -> None:
        super().__init__(400, "bad-id", _BAD_ID if sensor_id else f"{_BAD_ID}. {_NO_ID_ENTERED}")
        self.sensor_id = sensor_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorReading:
    """The values a board measured at one time; None if not measured. At least one value is set."""

    sensor_id: int
    temperature: float | None = None
    humidity: float | None = None
    light: float | None = None

    def values(self) -> Iterator[tuple[Quantity, float]]:
        """Yield the measured quantities and their values."""
        for quantity in Quantity:
            value: float | None = getattr(self, quantity)
            if value is not None:
                yield quantity, value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedReading:
    """A reading with the time at which a gateway received it, and an id that is the same in every delivery.

    Boards have no clock, so the time of receipt (milliseconds since the epoch, UTC) is the time of measurement.
    """

    id: UUID
    received_at_ms: int
    reading: SensorReading
    address: str = ""

    def measurement_id(self, quantity: Quantity) -> UUID:
        """Return the id under which the value of one quantity is stored."""
        return uuid5(self.id, str(quantity))


def reading_id(source: UUID, sensor_id: int, receipt_number: int) -> UUID:
    """Return the id of a reading, derived from its gateway's spool, the board, and its number in the spool."""
    return uuid5(source, f"{sensor_id}/{receipt_number}")


def read_sensor_data(content_type: str, body: bytes) -> tuple[SensorReading, int]:
    """Return the reading in the body of a request, and the number of unknown keys (G7).

    Raises RefusedRequest with 400, 413 or 415.
    """
    if len(body) > MOST_BODY_BYTES:
        raise too_large()
    if not _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip()):
        raise RefusedRequest(415, "not-json", "Send the reading as JSON, with Content-Type: application/json.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedRequest(400, "invalid-json", "Invalid JSON data") from error
    return _reading_of(document), len(document.keys() - {"id", *Quantity})


def too_large() -> RefusedRequest:
    """Return the error for a body that is longer than any reading."""
    return RefusedRequest(413, "body-too-large", f"A reading has at most {MOST_BODY_BYTES} bytes")


def _reading_of(document: Any) -> SensorReading:
    if not isinstance(document, dict):
        # The original's answer depends on whether `"id" in document` is possible and true (plantkeeper 3.1).
        without_id = isinstance(document, str | list) and document and "id" not in document
        if without_id:
            raise RefusedRequest(400, "no-id", "No id in data")
        raise RefusedRequest(400, "invalid-json", "Invalid JSON data")
    if not document:
        raise RefusedRequest(400, "invalid-json", "Invalid JSON data")
    if "id" not in document:
        raise RefusedRequest(400, "no-id", "No id in data")
    sensor_id = _sensor_id(document["id"])
    values = {str(quantity): _value(document.get(quantity), quantity) for quantity in Quantity}
    if all(value is None for value in values.values()):
        raise RefusedRequest(400, "no-values", "No measured values in data")
    return SensorReading(sensor_id=sensor_id, **values)


def _sensor_id(value: Any) -> int:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_SENSOR_ID:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise UnusableSensorId(value)
    raise RefusedRequest(400, "bad-id", _BAD_ID)


def _value(value: Any, quantity: Quantity) -> float | None:
    if value is None:
        return None  # the thermometer's failed measurements are sent as null
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number):
            return number
    raise RefusedRequest(400, "bad-value", f"The value of {quantity} must be a number")
