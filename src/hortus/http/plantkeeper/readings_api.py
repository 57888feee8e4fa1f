"""`PATCH /sensors/{id}`: how PlantKeeper's gateway delivers a reading (plantkeeper 4.4 and 6).

The original accepts it from anyone, with any column. Here users who may edit the kit's details can change
`name` and `remark`, other columns are ignored, and the three values are accepted from

    people who may configure the sensor's kit    a token or an API key, as Bearer
    the gateway that the board belongs to        its token, as Bearer or as the password of Basic
    a network that the operator has opened       nothing (HORTUS_PLANTKEEPER_OPEN_NETWORKS, none by default)

and are processed like all readings, with their time of arrival: the answer is 200 once they are durable. The
original's gateway sends no credentials, except by Basic if they are part of its configured URL.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, cast
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.security.http import HTTPBase
from pydantic import Field

from hortus.flow.gateway.admission import BoardAdmission
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.gateways import TOKEN_PREFIX, gateway_with_token, local_gateway
from hortus.flow.gateway.limits import AdmissionRules
from hortus.flow.gateway.readings import (
    MOST_BODY_BYTES,
    ReceivedReading,
    RefusedRequest,
    SensorReading,
)
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import Caller, find_caller
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.conventions.documentation import request_body
from hortus.http.conventions.json_body import JsonBody
from hortus.http.conventions.replies import JsonReply
from hortus.http.conventions.texts import LINES
from hortus.http.plantkeeper.answers import (
    ALWAYS,
    LOGGED_IN,
    NO_ACCESS,
    WITH_BODY,
    WITH_ID,
    Refused,
    not_found,
)
from hortus.http.plantkeeper.form_values import OptionalNumber, OptionalRoundedLater
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.plantkeeper.requests import (
    WITHOUT_LOGGING_IN,
    DocumentedBearer,
    SensorId,
    body_of,
    parse_id,
    require_login,
)
from hortus.http.plantkeeper.rows import PlainSensor, anonymous_sensor_row, sensor_row
from hortus.http.plantkeeper.sensors import Sensor, describe_sensor, find_sensor
from hortus.http.plantkeeper.sensors_api import visible_kit

router = APIRouter(tags=["Sensors"], responses=ALWAYS)

_STORE_SECONDS = 30.0

_BASIC = HTTPBase(
    scheme="basic",
    scheme_name="basic",
    description="A gateway's token as the password; for readings only.",
    auto_error=False,
)


class PlantKeeperReading(JsonBody):
    """A board's measurements. Null means no value: nothing is stored, and the previous value stays current.

    `name` and `remark` are changed if a user sends them; null keeps them.
    """

    id: Annotated[OptionalNumber, Field(description="Optional; must equal the id in the path.")] = None
    humidity: OptionalRoundedLater = None
    light: OptionalRoundedLater = None
    temperature: OptionalNumber = None
    name: str | None = None
    remark: Annotated[str | None, LINES] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderOfReading:
    """The sender of a reading: a person or their API key, a gateway by its token, or an open network."""

    caller: Caller | None = None
    gateway_id: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether the sender is authenticated."""
        return self.caller is not None or self.gateway_id is not None


class Readings:
    """Authenticates the senders of readings, and stores their readings."""

    def __init__(self, parts: PlantKeeperParts) -> None:
        self._services = parts.services
        self._boards = BoardIntake(parts.services.parts.engine, parts.intake) if parts.intake else None
        rules = AdmissionRules(networks=parts.open_networks)
        self._admission = BoardAdmission(rules, {}) if parts.open_networks else None

    async def sender_of(self, request: Request) -> SenderOfReading:
        """Return the sender of this request. Raises Refused 401 or 429, or Problem 429."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            self._admit_anonymous(request)
            return SenderOfReading()
        token = _gateway_token(authorization)
        if token is None:
            return SenderOfReading(
                caller=require_login(await find_caller(request, self._services, authorization))
            )
        async with self._services.reading() as connection:
            gateway_id = await gateway_with_token(connection, token)
        if gateway_id is None:
            raise self._unknown_sender(request)
        return SenderOfReading(gateway_id=gateway_id)

    async def describe(self, sender: SenderOfReading, sensor_id: int, body: PlantKeeperReading) -> None:
        """Change the board's name and remark if a user sent them. Raises Refused, Problem 403 or UsageError.

        From gateways and open networks they are ignored: what brings readings must not rename boards.
        """
        if sender.caller is None or (body.name is None and body.remark is None):
            return
        async with self._services.writing() as connection:
            sensor = await find_sensor(connection, sensor_id, self._services.clock())
            if sensor is None:
                raise not_found(f"Sensor {sensor_id}")
            (await visible_kit(connection, sender.caller, sensor)).require(Permission.EDIT_DETAILS)
            await describe_sensor(
                *(connection, sensor),
                name=body.name,
                remark=body.remark,
                by=sender.caller.user_id,
                now=self._services.clock(),
            )

    async def take(self, sender: SenderOfReading, reading: SensorReading, address: str) -> None:
        """Store the values, and return once they are durable. Raises Refused, or Problem 403."""
        gateway_id = await self._gateway_for(sender, reading.sensor_id)
        if any(True for _ in reading.values()):
            # Only a gateway claims a board: a person testing something, or an unknown sender, must not lock out
            # the gateway that comes later.
            claim = sender.gateway_id is not None
            await self._store(gateway_id, reading, address, claim=claim)

    def _admit_anonymous(self, request: Request) -> None:
        """Raise Refused unless readings from this address are accepted without credentials."""
        address = request.client.host if request.client else ""
        if self._admission is None or not _is_address(address):
            raise self._unknown_sender(request)
        try:
            self._admission.admit_address(address)
            self._admission.admit_sensor(parse_id(request.path_params["id"], "Sensor"))
        except RefusedRequest as refused:
            if refused.status == 403:
                raise self._unknown_sender(request) from refused
            raise Refused(refused.status, str(refused)) from refused

    def _unknown_sender(self, request: Request) -> Refused:
        """Return the error. Raises Problem 429 for an address that gets it too often."""
        self._services.limits.anonymous.take(network_of(request))
        return Refused(401, NO_ACCESS)

    async def _gateway_for(self, sender: SenderOfReading, sensor_id: int) -> int:
        """Return the gateway under which the reading is stored. Raises Refused 404, or Problem 403."""
        async with self._services.writing() as connection:
            sensor = await find_sensor(connection, sensor_id, self._services.clock())
            if sensor is None:
                raise not_found(f"Sensor {sensor_id}")
            if sender.caller is not None:
                (await visible_kit(connection, sender.caller, sensor)).require(Permission.EDIT_CONFIGURATION)
                return sensor.gateway_id or await local_gateway(connection)
            gateway_id = sender.gateway_id or await local_gateway(connection)
            _require_gateway(sensor, gateway_id)
            return gateway_id

    async def _store(self, gateway_id: int, reading: SensorReading, address: str, *, claim: bool) -> None:
        if self._boards is None:
            raise Refused(503, "This process does not accept readings. Send them to one that does.")
        received = ReceivedReading(
            id=uuid4(),
            received_at_ms=int(self._services.clock().timestamp() * 1000),
            reading=reading,
            address=address,
        )
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._boards.take(gateway_id, [received], claim=claim)
        except TimeoutError as error:
            words = "The reading could not be stored in time."
            raise Refused(503, words, {"Retry-After": "5"}) from error


async def _readings(request: Request) -> Readings:
    return cast("Readings", request.app.state.readings)


UsedReadings = Annotated[Readings, Depends(_readings)]


async def _sender(
    request: Request,
    readings: UsedReadings,
    _bearer: DocumentedBearer,
    _basic: Annotated[object, Depends(_BASIC)],
) -> SenderOfReading:
    return await readings.sender_of(request)


@router.patch(
    "/sensors/{id}",
    responses=LOGGED_IN | WITH_ID | WITH_BODY,
    openapi_extra=request_body(PlantKeeperReading) | WITHOUT_LOGGING_IN,
    summary="Store a reading",
)
async def take_reading(
    request: Request,
    services: UsedServices,
    readings: UsedReadings,
    sender: Annotated[SenderOfReading, Depends(_sender)],
    sensor_id: SensorId,
    body: Annotated[PlantKeeperReading, Depends(body_of(PlantKeeperReading, MOST_BODY_BYTES))],
) -> JsonReply[PlainSensor]:
    """Answers once the reading is durable. Users can also change `name` and `remark`.

    Other keys are ignored.
    """
    if body.id not in {None, sensor_id}:
        raise Refused(422, f"The id in the body differs from the {sensor_id} in the path. Leave it out.")
    reading = SensorReading(
        sensor_id=sensor_id, humidity=body.humidity, light=body.light, temperature=body.temperature
    )
    await readings.describe(sender, sensor_id, body)
    await readings.take(sender, reading, network_of(request))
    async with services.reading() as connection:
        sensor = await find_sensor(connection, sensor_id, services.clock())
    if sensor is None:
        raise not_found(f"Sensor {sensor_id}")
    return JsonReply(sensor_row(sensor) if sender.is_known else anonymous_sensor_row(sensor))


def _gateway_token(authorization: str) -> str | None:
    """Return the gateway token in an `Authorization` header, or None if it contains something else."""
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    if scheme.lower() == "basic":
        try:
            _, _, password = base64.b64decode(credential, validate=True).decode("utf-8").partition(":")
        except ValueError:
            raise Refused(401, NO_ACCESS) from None
        return password
    return credential if scheme.lower() == "bearer" and credential.startswith(TOKEN_PREFIX) else None


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _require_gateway(sensor: Sensor, gateway_id: int) -> None:
    """Refuse readings from any gateway but the first one that sent some for this board (docs/gateway.md)."""
    if sensor.gateway_id not in {None, gateway_id}:
        raise not_found(f"Sensor {sensor.id}")
