"""The receiving side of gateway delivery: where other gateways post their readings (docs/gateway.md).

POST /api/v1/gateway/readings      Authorization: Bearer TOKEN

{"readings": [{"id": UUID, "sensorId": 7, "receivedAt": "2026-11-22T15:04:05.123Z", "temperature": 21.4}]}

-> 200 {"taken": 1, "refused": []} once everything is durable. Gateways also accept targets that refuse some.
"""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hortus.base.text import shown
from hortus.flow.gateway.board_intake import BoardIntake, DatabaseAway, database_failures_in_words
from hortus.flow.gateway.gateways import gateway_with_token
from hortus.flow.gateway.readings import LARGEST_SENSOR_ID, ReceivedReading, SensorReading
from hortus.flow.ingest.messages import ReadingIntake

RECEIVE_PATH = "/api/v1/gateway/readings"
MOST_READINGS = 1000
_MOST_BODY_BYTES = 1024 * 1024
_BODY_SECONDS = 10.0
_STORE_SECONDS = 30.0
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be finite")
    return value


Value = Annotated[float | None, AfterValidator(lambda value: value if value is None else _finite(value))]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class DeliveredReading(_Document):
    """One reading as a gateway delivers it."""

    id: UUID
    sensor_id: Annotated[int, Field(strict=True, ge=1, le=LARGEST_SENSOR_ID)]
    received_at: AwareDatetime
    address: Annotated[str, Field(max_length=64)] = ""
    temperature: Value = None
    humidity: Value = None
    light: Value = None

    def as_value(self) -> ReceivedReading:
        """Return the reading. Its time is truncated to the milliseconds that were sent."""
        # Messages cannot carry times outside these years; a clock that far off must not block the queue.
        moment = min(max(self.received_at, _EARLIEST), _LATEST)
        return ReceivedReading(
            id=self.id,
            received_at_ms=int(moment.astimezone(UTC).timestamp() * 1000 + 0.5),
            reading=SensorReading(
                sensor_id=self.sensor_id,
                temperature=self.temperature,
                humidity=self.humidity,
                light=self.light,
            ),
            address=shown(self.address)[:64],
        )


class GatewayDelivery(_Document):
    """The body of a delivery."""

    readings: Annotated[list[DeliveredReading], Field(min_length=1, max_length=MOST_READINGS)]


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GatewayReceiver:
    """Accepts deliveries from other gateways. Mount `receive` at RECEIVE_PATH, for POST."""

    def __init__(
        self, engine: AsyncEngine, intake: ReadingIntake, *, store_seconds: float = _STORE_SECONDS
    ) -> None:
        self._engine = engine
        self._boards = BoardIntake(engine, intake)
        self._store_seconds = store_seconds

    async def receive(self, request: Request) -> Response:
        """Answer 200 once everything accepted is durable; 400, 401 or 413 are final; 503 means retry."""
        try:
            return await self._receive(request)
        except _Refused as refused:
            return _problem(refused.status, str(refused))
        except DatabaseAway as error:
            return _problem(503, str(error))
        except TimeoutError:
            return _problem(503, "The readings could not be stored in time.")

    async def _receive(self, request: Request) -> Response:
        gateway_id = await self._gateway_of(request)
        try:
            delivery = GatewayDelivery.model_validate_json(await _body(request))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            raise _Refused(400, f"{place}: {first['msg']}.") from error
        readings = [each.as_value() for each in delivery.readings]
        async with asyncio.timeout(self._store_seconds):
            await self._boards.take(gateway_id, readings)
        return JSONResponse({"taken": len(readings), "refused": []})

    async def _gateway_of(self, request: Request) -> int:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            with database_failures_in_words():
                async with asyncio.timeout(self._store_seconds), self._engine.connect() as connection:
                    gateway_id = await gateway_with_token(connection, token.strip())
            if gateway_id is not None:
                return gateway_id
        raise _Refused(401, "Send the token of a registered gateway. `hortus gateway add` creates one.")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async with asyncio.timeout(_BODY_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY_BYTES:
                raise _Refused(413, f"A delivery may have at most {_MOST_BODY_BYTES} bytes.")
    return bytes(body)


def _problem(status: int, detail: str) -> Response:
    headers: dict[str, Any] = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    document = {"status": status, "detail": detail}
    return JSONResponse(document, status, headers=headers, media_type="application/problem+json")
