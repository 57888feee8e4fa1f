"""Answers the requests of kits: version, quantity types and active configuration (kit-mqtt 4.2).

A kit must never be sent `rateLimit`, bytes that do not decode, or a configuration that it cannot run: each of
these crashes it (kit-mqtt 4.6). Answers to kits that ask too often are delayed instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus import __version__
from hortus.base.errors import OperationalError, describe_error
from hortus.base.supervision import note_success, piece_of_work
from hortus.flow.rpc.pacing import Pacing
from hortus.flow.rpc.questions import ActiveConfiguration, active_configuration, quantity_types_json
from hortus.flow.rpc.starts import GivenConfiguration, StartNotes
from hortus.protocol.mqtt.topics import KitTopic, TopicChannel, parse_kit_topic
from hortus.protocol.wire.codec import decode_server_rpc_request, encode_server_rpc_response
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.limits import SERVER_RPC_REQUEST
from hortus.protocol.wire.messages import (
    ActiveConfigurationCall,
    ActiveConfigurationResult,
    MethodNotFoundError,
    OtherError,
    QuantityTypesCall,
    QuantityTypesResult,
    ServerCall,
    ServerResult,
    ServerRpcRequest,
    ServerRpcResponse,
    VersionCall,
    VersionResult,
)

log = logging.getLogger(__name__)

Publish = Callable[[str, bytes], Awaitable[bool]]
"""Publishes an answer at QoS 1, not retained. Returns False if it has definitely not been delivered."""

OnContact = Callable[[str], None]

Done = Callable[[], None]
"""Called when a request needs nothing more: it was answered, or never will be."""

# After a power cut all kits ask at once; a request takes some hundred bytes.
_MOST_OPEN_REQUESTS = 20_000
_KITS_TOLD_OF = 1000
_SAME_FOR_ALL_SECONDS = 1.0
_DATABASE_FAILURES = (SQLAlchemyError, OSError, TimeoutError)
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer to a kit, with the id of the configuration in it, if any."""

    result: ServerResult
    configuration_id: int | None = None


class ServerRpcResponder:
    """Accepts kits' requests from any transport and publishes the answers.

    Requests beyond a bound are dropped: the kit then times out after 15 s and safely falls back to its cached
    data. `on_contact` is called with the serial of each kit that sends a request.
    """

    def __init__(self, engine: AsyncEngine, publish: Publish, *, on_contact: OnContact) -> None:
        # Each statement stands alone; explicit transactions would cost an extra round trip at each end.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._quantity_types: tuple[float, str] = (0.0, "")
        self._publish = publish
        self._on_contact = on_contact
        self._requests: asyncio.Queue[tuple[str, bytes, Done]] = asyncio.Queue()
        self._open_requests = 0
        self._pacing = Pacing()
        self._starts = StartNotes(self._engine)
        self._told: OrderedDict[str, None] = OrderedDict()
        self.answered = 0
        self.held_back = 0
        self.unreadable = 0
        self.dropped = 0

    def request_arrived(self, topic: str, payload: bytes, done: Done = lambda: None) -> None:
        """Accept a message on a kit's `server-rpc/request`."""
        if not self._take(topic, payload, done):
            done()

    def _take(self, topic: str, payload: bytes, done: Done) -> bool:
        """Queue a request; return whether it will be answered."""
        kit_topic = parse_kit_topic(topic)
        if kit_topic is None or kit_topic.channel is not TopicChannel.SERVER_RPC_REQUEST:
            return False
        serial, loop = kit_topic.serial, asyncio.get_running_loop()
        self._on_contact(serial)
        if len(payload) > SERVER_RPC_REQUEST.maximum_payload_bytes:
            # Dropped rather than queued: a few kits could fill the memory with such payloads.
            self.unreadable += 1
            return False
        delay_seconds = self._pacing.delay_seconds(serial, loop.time())
        if delay_seconds is None or self._open_requests >= _MOST_OPEN_REQUESTS:
            self.dropped += 1
            return False
        self._open_requests += 1
        if delay_seconds:
            self.held_back += 1
            loop.call_later(delay_seconds, self._requests.put_nowait, (serial, payload, done))
        else:
            self._requests.put_nowait((serial, payload, done))
        return True

    async def run(self) -> None:
        """Answer until cancelled, a few kits at a time."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._starts.run())
            for _ in range(_AT_ONCE):
                group.create_task(self._answer_for_ever())

    async def _answer_for_ever(self) -> None:
        while True:
            serial, payload, done = await self._requests.get()
            self._open_requests -= 1
            try:
                with piece_of_work():
                    await self._answer(serial, decode_server_rpc_request(payload))
            except WireError as error:
                self.unreadable += 1
                log.info("a request of kit %s cannot be decoded: %s", serial, describe_error(error))
            except Exception:  # bad data of one kit must not stop the answers to all others
                log.exception("a request of kit %s was not answered because of an internal error", serial)
            done()

    async def _answer(self, serial: str, request: ServerRpcRequest) -> None:
        self._note_question(serial, request.call)
        topic = str(KitTopic(serial=serial, channel=TopicChannel.SERVER_RPC_RESPONSE))
        answer = await self._find_answer(serial, request.call)
        payload = _encoded(serial, request.id, answer.result)
        try:
            is_delivered = await self._publish(topic, payload)
        except OperationalError as error:
            # The kit continues with its cached data, and asks again at its next boot.
            log.warning("the answer to kit %s was not delivered: %s", serial, describe_error(error))
            return
        if is_delivered:
            self.answered += 1
            note_success()
        if isinstance(request.call, ActiveConfigurationCall):
            was_given = is_delivered and isinstance(answer.result, ActiveConfigurationResult)
            self._starts.note(serial, GivenConfiguration(answer.configuration_id) if was_given else None)

    def _note_question(self, serial: str, call: ServerCall) -> None:
        if isinstance(call, ActiveConfigurationCall):
            self._starts.configuration_asked(serial)
        elif isinstance(call, QuantityTypesCall):
            self._starts.quantity_types_asked(serial)

    async def _find_answer(self, serial: str, call: ServerCall) -> _Answer:
        try:
            match call:
                case VersionCall():
                    return _Answer(VersionResult(version=__version__))
                case QuantityTypesCall():
                    return _Answer(QuantityTypesResult(json_text=await self._all_quantity_types()))
                case ActiveConfigurationCall():
                    async with self._engine.connect() as connection:
                        return self._configuration(serial, await active_configuration(connection, serial))
                case _:
                    return _Answer(MethodNotFoundError())
        except _DATABASE_FAILURES as error:
            log.warning("cannot answer kit %s now: %s", serial, describe_error(error))
            return _Answer(OtherError())

    async def _all_quantity_types(self) -> str:
        """Return the quantity types, cached for a second because all kits may boot together."""
        read_at, json_text = self._quantity_types
        now = asyncio.get_running_loop().time()
        if not json_text or now - read_at > _SAME_FOR_ALL_SECONDS:
            async with self._engine.connect() as connection:
                json_text = await quantity_types_json(connection)
            self._quantity_types = (now, json_text)
        return json_text

    def _configuration(self, serial: str, found: ActiveConfiguration | None) -> _Answer:
        if found is None:
            return _Answer(ActiveConfigurationResult(json_text=None))
        if found.faults:
            # On "other" a kit continues with its cached data; this configuration would crash its program.
            self._tell_once(serial, found.faults[0])
            return _Answer(OtherError())
        return _Answer(ActiveConfigurationResult(json_text=found.json_text), found.id)

    def _tell_once(self, serial: str, fault: str) -> None:
        if serial not in self._told:
            log.warning("kit %s was not given its active configuration: %s (logged once)", serial, fault)
        self._told[serial] = None
        if len(self._told) > _KITS_TOLD_OF:
            self._told.popitem(last=False)


def _encoded(serial: str, request_id: int, result: ServerResult) -> bytes:
    try:
        return encode_server_rpc_response(ServerRpcResponse(id=request_id, result=result))
    except WireError as error:
        log.warning("the answer to kit %s cannot be encoded: %s", serial, describe_error(error))
        return encode_server_rpc_response(ServerRpcResponse(id=request_id, result=OtherError()))
