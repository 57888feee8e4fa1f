"""How a virtual kit answers RPC requests: one after the other, and with simulated faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hortus.protocol.mqtt.topics import KitTopic, TopicChannel
from hortus.protocol.wire.messages import (
    KitResult,
    KitRpcRequest,
    KitRpcResponse,
    PeripheralCommandResult,
)
from hortus.protocol.wire.rpc_codec import decode_kit_rpc_request, encode_kit_rpc_response
from hortus.simulator.answers import CommandDesk, PictureWanted
from hortus.simulator.camera import Cameras
from hortus.simulator.kit_connection import KitConnection
from hortus.simulator.pictures import MEDIA_TYPE
from hortus.simulator.report import KitCounts
from hortus.simulator.rpc_faults import LATE_SECONDS, RpcFault, RpcFaultDice

logger = logging.getLogger(__name__)

_QOS = 1
_MOST_WAITING = 100
_WRONG_BY = 1_000_000


class Answering:
    """Answers the server's requests to one kit.

    `counts.overlaps` is how often the server did not wait for an answer.
    """

    def __init__(
        self,
        serial: str,
        link: KitConnection,
        *,
        desk: CommandDesk,
        cameras: Cameras,
        dice: RpcFaultDice,
        counts: KitCounts,
        settle_chamber: Callable[[], object],
        uptime_seconds: Callable[[], float],
        speed: float,
    ) -> None:
        self._serial = serial
        self._link = link
        self._desk = desk
        self._cameras = cameras
        self._dice = dice
        self._counts = counts
        self._settle_chamber = settle_chamber
        self._uptime_seconds = uptime_seconds
        self._speed = speed
        self._topic = str(KitTopic(serial=serial, channel=TopicChannel.KIT_RPC_RESPONSE))
        self._questions: asyncio.Queue[KitRpcRequest] = asyncio.Queue(_MOST_WAITING)
        self._unanswered = 0

    def take(self, payload: bytes) -> None:
        """Accept a request. Raises WireError if it cannot be decoded."""
        request = decode_kit_rpc_request(payload)
        self._counts.questions += 1
        if self._unanswered:
            # The real kit's networking would stall now (kit-mqtt 4.3).
            self._counts.overlaps += 1
        try:
            self._questions.put_nowait(request)
        except asyncio.QueueFull:
            logger.warning("kit %s: the queue of questions is full; dropped one", self._serial)
        else:
            self._unanswered += 1

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            request = await self._questions.get()
            # The commands given so far have affected the chamber up to now.
            self._settle_chamber()
            result = await self._carry_out(request)
            fault = self._dice.throw()
            if fault is RpcFault.LATE:
                await asyncio.sleep(LATE_SECONDS / self._speed)
            self._unanswered -= 1
            self._answer(KitRpcResponse(id=request.id, result=result), fault)

    async def _carry_out(self, request: KitRpcRequest) -> KitResult:
        answer = self._desk.answer(request.call, self._uptime_seconds())
        if not isinstance(answer, PictureWanted):
            return answer
        picture = await self._cameras.take(answer.peripheral, answer.kind)
        return PeripheralCommandResult(media_type=MEDIA_TYPE, data=picture, metadata="null")

    def _answer(self, response: KitRpcResponse, fault: RpcFault | None) -> None:
        if fault is not None:
            self._counts.rpc_faults += 1
        match fault:
            case RpcFault.NO_ANSWER:
                return
            case RpcFault.WRONG_ID:
                response = KitRpcResponse(id=response.id + _WRONG_BY, result=response.result)
            case RpcFault.DISCONNECT:
                self._link.cut()
        payload = encode_kit_rpc_response(response)
        if fault is RpcFault.RUBBISH:
            payload = unreadable(response.id)
        for _ in range(2 if fault is RpcFault.TWICE else 1):
            self._link.publish(self._topic, payload, qos=_QOS)
            self._counts.answers += 1


def unreadable(request_id: int) -> bytes:
    """Return an answer of which only the id is readable: a version whose text lies outside the message."""
    data_words, pointer_words, version_tag = 3, 1, 1
    words = (
        (1 + data_words + pointer_words) << 32,  # one segment of this many words
        data_words << 32 | pointer_words << 48,
        request_id,
        version_tag,
        0,
        1 | 1000 << 2 | 2 << 32 | 6 << 35,  # a list of six bytes, a thousand words further on
    )
    return b"".join(_packed(word.to_bytes(8, "little")) for word in words)


def _packed(word: bytes) -> bytes:
    """Pack one word as Cap'n Proto does: a bit for each nonzero byte, then these bytes."""
    present = [byte for byte in word if byte]
    tag = sum(1 << index for index, byte in enumerate(word) if byte)
    # A tag of zeros or ones is followed by the number of further words like it.
    return bytes([tag, *present]) + (b"\0" if tag in {0x00, 0xFF} else b"")
