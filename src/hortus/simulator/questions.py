"""The questions that a booting kit asks the server (kit-mqtt 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hortus.protocol.wire.messages import ServerCall, ServerResult, ServerRpcRequest
from hortus.protocol.wire.rpc_codec import decode_server_rpc_response, encode_server_rpc_request


class Questions:
    """Numbers questions from 0 and passes each answer to its waiter.

    `ask` publishes a request. No waiter waits longer than `timeout_seconds`; late, repeated and unmatched
    answers are ignored.
    """

    def __init__(self, *, ask: Callable[[bytes], object], timeout_seconds: float) -> None:
        self._ask = ask
        self._timeout_seconds = timeout_seconds
        self._next_id = 0
        self._waiting: dict[int, asyncio.Future[ServerResult]] = {}

    def begin_anew(self) -> None:
        """Number from 0 again, as a freshly started kit does."""
        self._next_id = 0

    async def ask(self, call: ServerCall) -> ServerResult | None:
        """Return the server's answer, or None if none came in time."""
        request_id = self._next_id
        self._next_id += 1
        answer: asyncio.Future[ServerResult] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            async with asyncio.timeout(self._timeout_seconds):
                self._ask(encode_server_rpc_request(ServerRpcRequest(id=request_id, call=call)))
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._waiting[request_id]

    def take_answer(self, payload: bytes) -> None:
        """Handle a message on the kit's response topic. Raises WireError if it does not decode."""
        response = decode_server_rpc_response(payload)
        answer = self._waiting.get(response.id)
        if answer is not None and not answer.done():
            answer.set_result(response.result)
