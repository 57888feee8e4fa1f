"""`PATCH /sensors/{id}`: how PlantKeeper's gateway brings a reading (plantkeeper 4.4 and 6).

The original takes it from anybody, with any column. Here the three values are taken, from

    who may configure the sensor's kit      a token or an API key, as Bearer
    the gateway that the board belongs to   its token, as Bearer or as the password of Basic
    a network that the operator opened      nothing (HORTUS_PLANTKEEPER_OPEN_NETWORKS, none by default)

and go down the path that all readings take, with the moment of their receipt: 200 when they are durable. The
original's gateway sends no credentials, but does so, by Basic, when they stand in the URL that it is given.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.flow.gateway.admission import BoardAdmission
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.gateways import TOKEN_PREFIX, gateway_with_token, local_gateway
from hortus.flow.gateway.limits import AdmissionRules
from hortus.flow.gateway.readings import (
    MOST_BODY_BYTES,
    Quantity,
    ReceivedReading,
    RefusedRequest,
    SensorReading,
)
from hortus.http.access.addresses import network_of
from hortus.http.access.caller import Caller
from hortus.http.access.permissions import Permission
from hortus.http.conventions.json_body import read_json
from hortus.http.conventions.parameters import LARGEST_ID, SMALLEST_ID
from hortus.http.plantkeeper.answers import (
    NO_ACCESS,
    Refused,
    answering,
    id_in_path,
    json_reply,
    not_found,
)
from hortus.http.plantkeeper.parts import PlantKeeperParts
from hortus.http.plantkeeper.rows import anonymous_sensor_row, sensor_row
from hortus.http.plantkeeper.sensors import Sensor, find_sensor
from hortus.http.plantkeeper.sensors_api import visible_kit

_STORE_SECONDS = 30.0
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who brings a reading: a person or their key, a gateway by its token, or neither (an open network)."""

    caller: Caller | None = None
    gateway_id: int | None = None


class ReadingsApi:
    """The route by which readings come."""

    def __init__(self, parts: PlantKeeperParts) -> None:
        self._parts = parts
        self._services = parts.services
        self._boards = BoardIntake(parts.services.parts.engine, parts.intake) if parts.intake else None
        rules = AdmissionRules(networks=parts.open_networks)
        self._admission = BoardAdmission(rules, {}) if parts.open_networks else None

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/sensors/{id}", answering(self.take), methods=["PATCH"])]

    async def take(self, request: Request) -> Response:
        """Store the values and answer the sensor with them."""
        sender = await self._sender(request)
        sensor_id = id_in_path(request, "Sensor")
        reading = read_values(sensor_id, await read_json(request, MOST_BODY_BYTES))
        gateway_id = await self._gateway_for(sender, sensor_id)
        if any(True for _ in reading.values()):
            # Only a gateway makes a board its own: a person who tries something out, or a sender that nobody
            # knows, must not lock out the gateway that comes later.
            claim = sender.gateway_id is not None
            await self._store(gateway_id, reading, network_of(request), claim=claim)
        async with self._services.reading() as connection:
            sensor = await find_sensor(connection, sensor_id, self._services.clock())
        if sensor is None:
            raise not_found(f"Sensor {sensor_id}")
        is_known = sender.caller is not None or sender.gateway_id is not None
        return json_reply(sensor_row(sensor) if is_known else anonymous_sensor_row(sensor))

    async def _sender(self, request: Request) -> Sender:
        authorization = request.headers.get("authorization")
        if authorization is None:
            self._admit_anonymous(request)
            return Sender()
        token = _gateway_token(authorization)
        if token is None:
            return Sender(caller=await self._parts.caller(request))
        async with self._services.reading() as connection:
            gateway_id = await gateway_with_token(connection, token)
        if gateway_id is None:
            raise self._unknown_sender(request)
        return Sender(gateway_id=gateway_id)

    def _admit_anonymous(self, request: Request) -> None:
        """Raise Refused unless readings are taken from this address without credentials."""
        address = request.client.host if request.client else ""
        if self._admission is None or not _is_address(address):
            raise self._unknown_sender(request)
        try:
            self._admission.admit_address(address)
            self._admission.admit_sensor(id_in_path(request, "Sensor"))
        except RefusedRequest as refused:
            if refused.status == 403:
                raise self._unknown_sender(request) from refused
            raise Refused(refused.status, str(refused)) from refused

    def _unknown_sender(self, request: Request) -> Refused:
        """Return the refusal. Raises Problem 429 for whoever gets it too often."""
        self._services.limits.anonymous.take(network_of(request))
        return Refused(401, NO_ACCESS)

    async def _gateway_for(self, sender: Sender, sensor_id: int) -> int:
        """Return the gateway in whose name the reading is stored. Raises Refused 404, or Problem 403."""
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
            raise Refused(503, "This process takes no readings. Send them to one that does.")
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


def read_values(sensor_id: int, document: Any) -> SensorReading:
    """Return the values in a body; None for those that are null or absent. Other keys mean nothing here.

    Numbers may be written as text, as the original takes them. Raises Refused 422.
    """
    if not isinstance(document, dict):
        raise Refused(422, "The body must be a JSON object.")
    named = document.get("id")
    if named is not None and _number(named) != sensor_id:
        raise Refused(422, f"The id in the body is not the {sensor_id} in the path. Leave it out.")
    values = {str(quantity): _value(quantity, document.get(quantity)) for quantity in Quantity}
    return SensorReading(sensor_id=sensor_id, **values)


def _value(quantity: Quantity, value: Any) -> float | None:
    if value is None:
        return None  # a failed measurement: nothing is stored, and the value before stays the last one
    number = _number(value)
    if number is None:
        raise Refused(422, f"The value of {quantity} must be a number.")
    if quantity is not Quantity.TEMPERATURE and not SMALLEST_ID <= round(number) <= LARGEST_ID:
        raise Refused(422, f"The value of {quantity} is out of range: {number:g}.")
    return number


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _gateway_token(authorization: str) -> str | None:
    """Return the token of a gateway in the header `Authorization`; None if it holds something else."""
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    if scheme.lower() == "basic":
        try:
            _, _, password = base64.b64decode(credential, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
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
    """Readings are taken from one gateway only, the first that brings some (docs/gateway.md)."""
    if sensor.gateway_id not in {None, gateway_id}:
        raise not_found(f"Sensor {sensor.id}")
