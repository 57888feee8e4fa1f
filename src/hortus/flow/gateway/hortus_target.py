"""Delivers to another Hortus: all readings, with their ids and times of receipt.

The request is described in docs/gateway.md, and handled by hortus.http.api.gateway_readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from hortus.flow.gateway.errors import TargetTrouble
from hortus.flow.gateway.plantkeeper import trouble_of
from hortus.flow.gateway.spool_file import SpooledReading
from hortus.flow.gateway.targets import Refusal
from hortus.flow.gateway.transport import TargetAnswer, TargetClient

RECEIVE_PATH = "/api/v1/gateway/readings"


class HortusTarget:
    """Another installation of Hortus, which identifies this gateway by a token."""

    def __init__(self, client: TargetClient) -> None:
        self.name = f"Hortus at {client.url}"
        self._client = client

    async def deliver(self, readings: Sequence[SpooledReading]) -> list[Refusal]:
        """Send readings; return when all are durable there. Raises TargetTrouble."""
        body = orjson.dumps({"readings": [_document(reading) for reading in readings]})
        answer = await self._client.send("POST", RECEIVE_PATH, body)
        if answer.status == 200:
            return _refusals(readings, answer)
        if answer.status in {400, 413, 422}:
            if len(readings) == 1:
                detail = f"The target answered {answer.status}."
                return [Refusal(reading=readings[0], reason="refused-by-target", detail=detail)]
            raise TargetTrouble(
                f"The target refuses a delivery ({answer.status}).", whole_target=True, blames_content=True
            )
        raise trouble_of(answer)


def _document(reading: SpooledReading) -> dict[str, Any]:
    received = reading.received
    moment = datetime.fromtimestamp(received.received_at_ms // 1000, UTC)
    return {
        "id": str(received.id),
        "sensorId": received.reading.sensor_id,
        "receivedAt": f"{moment:%Y-%m-%dT%H:%M:%S}.{received.received_at_ms % 1000:03d}Z",
        "address": received.address,
        **{str(quantity): value for quantity, value in received.reading.values()},
    }


def _refusals(readings: Sequence[SpooledReading], answer: TargetAnswer) -> list[Refusal]:
    by_id = {str(reading.received.id): reading for reading in readings}
    try:
        document = orjson.loads(answer.body)
        taken, refused = document["taken"], document["refused"]
        refusals = [
            Refusal(reading=by_id[each["id"]], reason="refused-by-target", detail=str(each["detail"])[:200])
            for each in refused
        ]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _not_hortus() from error
    if not isinstance(taken, int) or taken + len(refusals) != len(readings):
        raise _not_hortus()
    return refusals


def _not_hortus() -> TargetTrouble:
    return TargetTrouble(
        "The target answers 200, but not as Hortus does. Check HORTUS_GATEWAY_TARGET_URL.", whole_target=True
    )
