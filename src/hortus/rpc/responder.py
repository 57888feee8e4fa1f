"""Answering kits: version, quantity types and active configuration (kit contract, 4.2).

A kit must never be answered with `rateLimit` or with bytes that do not decode: both crash it (contract, 4.6).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus import __version__
from hortus.errors import OperationalError
from hortus.mqtt.topics import Channel, KitTopic, parse_kit_topic
from hortus.rpc.questions import active_configuration_json, quantity_types_json
from hortus.wire.codec import decode_server_rpc_request, encode_server_rpc_response
from hortus.wire.errors import WireError
from hortus.wire.messages import (
    ActiveConfigurationCall,
    ActiveConfigurationResult,
    MethodNotFoundError,
    OtherError,
    QuantityTypesCall,
    QuantityTypesResult,
    ServerCall,
    ServerResult,
    ServerRpcResponse,
    VersionCall,
    VersionResult,
)

log = logging.getLogger(__name__)

Publish = Callable[[str, bytes], Awaitable[None]]
"""Publishes an answer at QoS 1, not retained."""

_MOST_OPEN_REQUESTS = 1000
_AT_ONCE = 4


class ServerRpcResponder:
    """Takes kits' requests from any transport and publishes the answers.

    Requests beyond a bound are dropped: the kit waits 15 s, then uses what it remembers, and nothing breaks.
    """

    def __init__(self, engine: AsyncEngine, publish: Publish) -> None:
        self._engine = engine
        self._publish = publish
        self._requests: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_MOST_OPEN_REQUESTS)
        self.answered = 0
        self.unreadable = 0
        self.dropped = 0

    def request_arrived(self, topic: str, payload: bytes) -> None:
        """Note a message on a kit's `server-rpc/request`."""
        kit_topic = parse_kit_topic(topic)
        if kit_topic is None or kit_topic.channel is not Channel.SERVER_RPC_REQUEST:
            return
        try:
            self._requests.put_nowait((kit_topic.serial, payload))
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Answer until cancelled, a few kits at a time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._answer_for_ever())

    async def _answer_for_ever(self) -> None:
        while True:
            serial, payload = await self._requests.get()
            try:
                request = decode_server_rpc_request(payload)
            except WireError as error:
                self.unreadable += 1
                log.info("a request of kit %s cannot be read: %s", serial, error)
                continue
            response = ServerRpcResponse(id=request.id, result=await self._result(serial, request.call))
            topic = str(KitTopic(serial=serial, channel=Channel.SERVER_RPC_RESPONSE))
            try:
                await self._publish(topic, encode_server_rpc_response(response))
            except OperationalError as error:
                # The kit goes on with what it remembers, and asks again at its next boot.
                log.warning("the answer to kit %s was not delivered: %s", serial, error)
            else:
                self.answered += 1

    async def _result(self, serial: str, call: ServerCall) -> ServerResult:
        try:
            match call:
                case VersionCall():
                    return VersionResult(version=__version__)
                case QuantityTypesCall():
                    async with self._engine.connect() as connection:
                        return QuantityTypesResult(json_text=await quantity_types_json(connection))
                case ActiveConfigurationCall():
                    async with self._engine.connect() as connection:
                        json_text = await active_configuration_json(connection, serial)
                        return ActiveConfigurationResult(json_text=json_text)
                case _:
                    return MethodNotFoundError()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("cannot answer kit %s now: %s", serial, error)
            return OtherError()
