"""Two brokers, of which the second lags: it does not hear what has changed while its link is held."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from kafka_cluster import KafkaCluster, OneController
from kafka_one_broker import create_topic_at, delete_topic_at, topic_id_at

from programs import free_port
from waiting import wait_until

_PIECE_BYTES = 65_536


class Link:
    """Passes bytes on to a port of this machine, and can hold them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Link]:
        """Listen on a free port until the end."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def hold(self) -> None:
        """Take bytes and deliver none, in either direction."""
        self._flows.clear()

    def release(self) -> None:
        """Deliver again, and what was held first."""
        self._flows.set()

    async def _connected(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        with closing(to_near):
            try:
                far, to_far = await asyncio.open_connection("127.0.0.1", self._target)
            except OSError:  # the controller is not up yet
                return
            with closing(to_far):
                ways = [
                    asyncio.create_task(self._pass_on(near, to_far)),
                    asyncio.create_task(self._pass_on(far, to_near)),
                ]
                _, unfinished = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in unfinished:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            await self._flows.wait()
            writer.write(piece)
            await writer.drain()


@dataclass(frozen=True)
class LaggingKafka:
    """The cluster, and the link between the controller, which is the first node, and the second.

    While the link is held, requests for the controller must go to the first node itself: those that the second
    is to pass on get stuck.
    """

    cluster: KafkaCluster
    link: Link

    @property
    def fresh_port(self) -> int:
        """Where the first node listens."""
        return self.cluster.nodes[0].port

    def make_again(self, topic: str, leaders: Sequence[int]) -> None:
        """Delete a topic and make it again, with a partition at each of these nodes."""
        delete_topic_at(self.fresh_port, topic)
        wait_until(lambda: topic_id_at(self.fresh_port, topic) is None, "the deletion")
        create_topic_at(self.fresh_port, topic, leaders)
        wait_until(lambda: topic_id_at(self.fresh_port, topic), "the new topic")


@asynccontextmanager
async def lagging_kafka(folder: Path) -> AsyncIterator[LaggingKafka]:
    """Run both nodes while the context is open. Nothing may block its event loop, which serves the link."""
    controller_port = free_port()
    async with Link(controller_port).running() as link:
        controller = OneController(controller_port, link.port)
        cluster = await asyncio.to_thread(KafkaCluster, folder, nodes=2, controller=controller)
        try:
            yield LaggingKafka(cluster, link)
        finally:
            link.release()
            await asyncio.to_thread(cluster.stop, signal.SIGKILL)
