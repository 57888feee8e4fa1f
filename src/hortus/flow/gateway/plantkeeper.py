"""Delivers to an unmodified PlantKeeper backend: `PATCH /api/v1/sensors/{id}` (plantkeeper 3.4 and 4.4)."""

from __future__ import annotations

from typing import Any

import orjson

from hortus.flow.gateway.errors import TargetTrouble
from hortus.flow.gateway.readings import Quantity, SensorReading
from hortus.flow.gateway.spool_file import SpooledReading
from hortus.flow.gateway.targets import Refusal
from hortus.flow.gateway.transport import TargetAnswer, TargetClient

_REFUSED_FOR_GOOD = {400, 404, 413, 422}
_DATABASE_REFUSALS = ("invalid input", "out of range", "constraint")


class PlantKeeperTarget:
    """A PlantKeeper backend. It stores neither history nor times, so it only gets the newest reading."""

    def __init__(self, client: TargetClient) -> None:
        self.name = f"PlantKeeper at {client.url}"
        self._client = client

    async def deliver(self, reading: SpooledReading) -> Refusal | None:
        """Send one reading. Raises TargetTrouble."""
        sensor_id = reading.received.reading.sensor_id
        answer = await self._client.send(
            "PATCH", f"/api/v1/sensors/{sensor_id}", encode(reading.received.reading)
        )
        verdict = judge(sensor_id, answer)
        return None if verdict is None else Refusal(reading=reading, reason=verdict[0], detail=verdict[1])


def encode(reading: SensorReading) -> bytes:
    """Return the body: only the measured values (G7), as integers where the columns are integers (G8)."""
    values: dict[str, float] = {}
    for quantity, value in reading.values():
        values[str(quantity)] = value if quantity is Quantity.TEMPERATURE else round(value)
    # orjson has no integers beyond 64 bits, and the backend's have 32: it rejects larger ones with an error.
    limit = 2**53
    return orjson.dumps({key: max(-limit, min(limit, value)) for key, value in values.items()})


def judge(sensor_id: int, answer: TargetAnswer) -> tuple[str, str] | None:
    """Return None if the backend has stored the reading, or reason and detail if it never will (G9, G10).

    Raises TargetTrouble if the delivery should be retried.
    """
    document = _document(answer.body)
    message = str(document.get("message", ""))
    match answer.status:
        case 200:
            return _judge_success(sensor_id, document)
        case 401 if "does not exist" in message:
            return "unknown-sensor", f"The backend has no sensor {sensor_id}. Register it there, then retry."
        case 500 if "Database error" in message:
            error = str(document.get("error", ""))
            if any(sign in error for sign in _DATABASE_REFUSALS):
                return "refused-by-target", f"The backend's database refuses the reading: {error:.200}"
        case status if status in _REFUSED_FOR_GOOD:
            return "refused-by-target", f"The backend answered {status}: {message:.200}"
    raise trouble_of(answer)


def trouble_of(answer: TargetAnswer) -> TargetTrouble:
    """Return the trouble indicated by a response that is neither success nor rejection."""
    if answer.status in {401, 403}:
        return TargetTrouble(
            f"The target refuses this gateway ({answer.status}). Check HORTUS_GATEWAY_TARGET_TOKEN.",
            whole_target=True,
        )
    return TargetTrouble(
        f"The target answered {answer.status}.",
        whole_target=answer.status in {429, 502, 503, 504},
        blames_content=answer.status == 500,
        retry_after_seconds=answer.retry_after_seconds,
        # A proxy says this when it has no answer of the backend, which may be working on the request.
        may_still_succeed=answer.status in {502, 504},
    )


def _judge_success(sensor_id: int, document: dict[str, Any]) -> tuple[str, str] | None:
    found = document.get("id")
    if isinstance(found, int) and not isinstance(found, bool) and found == sensor_id:
        return None
    if "id" not in document:
        # A captive portal or a wrong address: the reading itself is fine, so it waits.
        raise TargetTrouble(
            "The target answers 200, but not as a PlantKeeper backend does. Check HORTUS_GATEWAY_TARGET_URL.",
            whole_target=True,
        )
    return "wrong-answer", f"The backend changed sensor {found!r:.50} instead of {sensor_id}."


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
