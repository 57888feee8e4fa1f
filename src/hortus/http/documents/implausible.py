"""JSON of an implausible reading."""

from __future__ import annotations

from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.domain.plausibility.rules import ImplausibleReading
from hortus.http.conventions.replies import TimeText


class ImplausibleObject(TypedDict):
    """A reading that cannot have been measured. `explanation` is a sentence with what to check."""

    value: float
    time: TimeText
    explanation: str


def implausible_object(reading: ImplausibleReading | None) -> ImplausibleObject | None:
    if reading is None:
        return None
    return {"value": reading.value, "time": format_time(reading.at), "explanation": reading.explanation}
