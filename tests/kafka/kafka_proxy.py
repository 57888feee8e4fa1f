"""A proxy to a Kafka node in which writes can fail as they do while partitions change their leaders."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

_PRODUCE = 0
_LENGTH = struct.Struct(">i")
_API_KEY = struct.Struct(">h")


class KafkaProxy:
    """Forwards complete requests and responses; writes to `topic` can be made to fail.

    fail_overtaken: hold the next request that writes until there is another, then send both, the first such
        that Kafka knows no such topic: it fails, to be repeated, after the second was sent and before it is
        written.
    swallow: let the next request that writes get lost.
    swallow_all: let everything get lost, while connections stay.
    advertised_port: where clients are sent to, if not to this proxy.
    """

    def __init__(self, kafka_port: int, topic: str, *, advertised_port: int | None = None) -> None:
        self.fail_overtaken = False
        self.swallow = False
        self.swallow_all = False
        self._advertised_port = advertised_port
        self.held: bytes | None = None
        self._kafka_port = kafka_port
        self._port = 0
        self._topic = topic.encode()
        self._other_topic = self._topic[:-1] + b"_"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KafkaProxy]:
        """Listen on a free port until the end."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        kafka, to_kafka = await asyncio.open_connection("127.0.0.1", self._kafka_port)
        with closing(to_client), closing(to_kafka):
            ways = [
                asyncio.create_task(self._requests(client, to_kafka)),
                asyncio.create_task(self._responses(kafka, to_client)),
            ]
            _, unfinished = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in unfinished:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, client: asyncio.StreamReader, to_kafka: asyncio.StreamWriter) -> None:
        while True:
            frame = await _frame(client)
            if self.swallow_all:
                continue
            if _API_KEY.unpack_from(frame, _LENGTH.size) == (_PRODUCE,):
                frame = self._as_it_arrives(frame)
            to_kafka.write(frame)
            await to_kafka.drain()

    def _as_it_arrives(self, frame: bytes) -> bytes:
        if self.swallow:
            self.swallow = False
            return b""
        if self.fail_overtaken and self.held is None:
            self.held = frame.replace(self._topic, self._other_topic)
            return b""
        if self.fail_overtaken and self.held is not None:
            self.fail_overtaken = False
            return self.held + frame
        return frame

    async def _responses(self, kafka: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while True:
            to_client.write(self._as_of_us(await _frame(kafka)))
            await to_client.drain()

    def _as_of_us(self, response: bytes) -> bytes:
        """Replace the node's address in a response with ours: clients connect to the address they are given."""
        host = b"127.0.0.1"
        port = self._advertised_port or self._port
        moved = response.replace(host + _LENGTH.pack(self._kafka_port), host + _LENGTH.pack(port))
        return moved.replace(self._other_topic, self._topic)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next request or response with its length in front. Raises asyncio.IncompleteReadError."""
    length = await reader.readexactly(_LENGTH.size)
    return length + await reader.readexactly(_LENGTH.unpack(length)[0])
