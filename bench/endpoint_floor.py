"""Measures the QoS 1 publishes per second that the built-in endpoint acknowledges when nothing is stored.

The reference for "stored and acknowledged": the endpoint with a database reaches a fraction of this. The
endpoint runs in its own process; the load comes from this one, over many connections with a window each.

    python bench/endpoint_floor.py [--messages N] [--connections N] [--window N] [--batch-ms N]
    python bench/endpoint_floor.py --port 1883 --pid PID     the same load against another broker
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import socket
import time
from collections.abc import Callable

import psutil

from hortus.base.intake import MessageSource
from hortus.protocol.mqtt.endpoint import Identity, IdentityKind, Listener, MqttEndpoint
from hortus.protocol.mqtt.packets import Connect, Publish, encode


class InstantIntake:
    """Settles messages after `batch_seconds` (0: in the same iteration of the event loop); stores nothing."""

    saturated = False

    def __init__(self, batch_seconds: float) -> None:
        self._batch_seconds = batch_seconds
        self._source: MessageSource | None = None
        self._handles: list[int] = []

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Do nothing: this intake is never saturated."""
        callback()

    def offer(self, source: MessageSource, handle: int, _topic: str, _payload: bytes) -> None:
        """Accept a message; the first of a batch starts the timer for all."""
        if not self._handles:
            self._source = source
            asyncio.get_running_loop().call_later(self._batch_seconds, self._settle)
        self._handles.append(handle)

    def offer_head(
        self, _source: MessageSource, _handle: int, topic: str, _head: bytes, payload_bytes: int
    ) -> None:
        """Do nothing: no messages are too large here."""
        raise AssertionError(f"{topic}: {payload_bytes} bytes")

    def _settle(self) -> None:
        handles, self._handles = self._handles, []
        if self._source is not None:
            self._source.settle(handles)


class Everyone:
    """Accepts every log-in."""

    async def authenticate(self, username: str, _password: bytes) -> Identity:
        """Return the kit with this user name."""
        return Identity(kind=IdentityKind.KIT, name=username)


def set_aside(
    _identity: Identity,
    topic: str,
    _payload: bytes,
    _payload_bytes: int,
    reason: str,
    *_source_and_handle: object,
) -> None:
    raise AssertionError(f"{topic}: {reason}")


def serve(pipe: multiprocessing.connection.Connection, loop_name: str, batch_seconds: float) -> None:
    async def main() -> None:
        endpoint = MqttEndpoint(
            authenticator=Everyone(),
            intake=InstantIntake(batch_seconds),
            set_aside=set_aside,
            listeners=[Listener(port=0)],
        )
        await endpoint.start()
        pipe.send(endpoint.addresses[0][1])
        await asyncio.to_thread(pipe.recv)
        await endpoint.stop()

    if loop_name == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


class Load(asyncio.Protocol):
    """One kit: keeps `window` messages in flight, and counts acknowledgements of four bytes each."""

    def __init__(self, serial: str, messages: int, window: int, done: asyncio.Future[None]) -> None:
        self._serial = serial
        self._left = messages
        self._unacknowledged_bytes = messages * 4
        self._window = window
        self._done = done
        self._next_id = 0
        self._transport: asyncio.Transport | None = None
        template = encode(Publish(f"kit/{serial}/measurement/raw", bytes(48), 1, 0x5A5A), 4)
        self._head, self._tail = template.split(b"\x5a\x5a")
        self._rest_of_ack = 0
        self._is_connected = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connect = Connect(client_id="", username=self._serial, password=b"x", keep_alive_seconds=0)
        transport.write(encode(connect, 4))

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements (CONNACK has four bytes too) and refill the window."""
        count = len(data)
        if not self._is_connected:
            self._is_connected = True
            count -= 4
            self._publish(self._window)
        self._unacknowledged_bytes -= count
        self._rest_of_ack += count
        acknowledged, self._rest_of_ack = divmod(self._rest_of_ack, 4)
        self._publish(acknowledged)
        if not self._unacknowledged_bytes and not self._done.done():
            self._done.set_result(None)

    def _publish(self, count: int) -> None:
        count = min(count, self._left)
        self._left -= count
        head, tail = self._head, self._tail
        parts = []
        for _ in range(count):
            self._next_id = self._next_id % 65535 + 1
            parts.append(head + self._next_id.to_bytes(2, "big") + tail)
        if parts and self._transport is not None:
            self._transport.write(b"".join(parts))


async def load(port: int, messages: int, connections: int, window: int) -> float:
    loop = asyncio.get_running_loop()
    waiting = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    for number, done in enumerate(waiting):

        def make(number: int = number, done: asyncio.Future[None] = done) -> Load:
            return Load(f"k-{number:04}", messages // connections, window, done)

        await loop.create_connection(make, "127.0.0.1", port, family=socket.AF_INET)
    await asyncio.gather(*waiting)
    return time.perf_counter() - began


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def measure(name: str, port: int, pid: int | None, options: argparse.Namespace) -> None:
    before = cpu_seconds(pid) if pid else 0.0
    seconds = asyncio.run(load(port, options.messages, options.connections, options.window))
    rate = options.messages / seconds
    line = f"{name}: {rate:,.0f} acknowledged/s"
    if pid:
        memory = psutil.Process(pid).memory_info().rss / 1e6
        used = (cpu_seconds(pid) - before) / options.messages * 1e6
        line += f", CPU of the server {used:.1f} µs per message, {memory:.0f} MB"
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--window", type=int, default=20, help="messages in flight per connection (a kit: 20)")
    parser.add_argument("--loop", choices=["asyncio", "uvloop", "both"], default="both")
    parser.add_argument("--batch-ms", type=float, default=0, help="settle together what came in this time")
    parser.add_argument("--port", type=int, help="measure another broker on this port")
    parser.add_argument("--pid", type=int, help="its process, for its CPU time")
    options = parser.parse_args()
    print(f"{options.messages} messages, {options.connections} connections, {options.window} in flight each")
    if options.port:
        measure(f"broker on port {options.port}", options.port, options.pid, options)
        return
    for loop_name in ["asyncio", "uvloop"] if options.loop == "both" else [options.loop]:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(theirs, loop_name, options.batch_ms / 1000)
        )
        process.start()
        try:
            measure(f"endpoint on {loop_name}", ours.recv(), process.pid, options)
        finally:
            ours.send(None)
            process.join(10)
            if process.is_alive():
                process.kill()


if __name__ == "__main__":
    main()
