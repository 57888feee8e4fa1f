"""Fifty kits that publish QoS 1 readings as fast as they are acknowledged, or at a steady rate.

A separate program, so that the load does not run in the process that is measured; started by run.py. Reads one
line of JSON (the fields of `Order`) from standard input, generates and encodes all readings, connects, writes
"ready", waits for another line, sends, and writes one line of JSON (the fields of `Outcome`).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvloop

from hortus.protocol.mqtt.packets import MQTT_3_1_1, Connect, Publish, encode
from hortus.protocol.wire.codec import encode_raw_measurement
from hortus.protocol.wire.messages import RawMeasurement

_CONNACK_BYTES = 4
_PUBACK_BYTES = 4
_ACCEPTED = b"\x20\x02\x00\x00"
_HIGHEST_PACKET_ID = 65_535
# The interval at which a steady load checks which readings are due.
_TICK_SECONDS = 0.001
# Only used for the readings' timestamps: roughly the rate at which they will be sent.
_ASSUMED_RATE = 20_000

SENT = struct.Struct("<16sd")
"""A record of the file `sent_log`: a reading's id, and when it was written to the socket (epoch seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The load to send. `rate` is in readings per second over all kits; 0 is as fast as acknowledged.

    Up to `window` readings of a kit may be unacknowledged; `chunk` of them are sent in one write.
    """

    port: int
    kits: list[dict[str, Any]]
    readings: int
    rate: float
    window: int
    chunk: int
    sent_log: str | None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """When the first reading was sent and the last acknowledged (epoch seconds), and the cost of sending."""

    started_at: float
    acknowledged_at: float
    acknowledged: int
    cpu_seconds: float


class KitConnection(asyncio.Protocol):
    """One kit. It sends pieces of its encoded packets and counts acknowledgements."""

    def __init__(self, pieces: list[bytes], order: Order, done: asyncio.Semaphore) -> None:
        self.acknowledged_bytes = 0
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pieces = iter(pieces)
        self._keeps_window_full = not order.rate
        self._window_pieces = max(1, order.window // order.chunk)
        self._piece_bytes = order.chunk * _PUBACK_BYTES
        self._expected_bytes = 0
        self._done = done
        self._transport: asyncio.Transport | None = None
        self._sent_pieces = 0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def log_in(self, serial: str, password: str) -> None:
        """Send this kit's CONNECT; `accepted` is the answer."""
        connect = Connect(
            client_id="",
            protocol_level=MQTT_3_1_1,
            clean_start=True,
            keep_alive_seconds=0,
            username=serial,
            password=password.encode(),
        )
        self._write(encode(connect, MQTT_3_1_1))

    def expect(self, readings: int) -> None:
        """Set the number of acknowledgements after which this kit is done."""
        self._expected_bytes = readings * _PUBACK_BYTES

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements by their bytes; nothing else is received."""
        if not self.accepted.done():
            self._answer += data
            if len(self._answer) == _CONNACK_BYTES:
                if self._answer != _ACCEPTED:
                    self.accepted.set_exception(ConnectionError("A kit was not let in."))
                else:
                    self.accepted.set_result(None)
            return
        self.acknowledged_bytes += len(data)
        if self.acknowledged_bytes >= self._expected_bytes:
            self._done.release()
        elif self._keeps_window_full:
            self.fill_window()

    def connection_lost(self, exc: Exception | None) -> None:
        """Exit the program if readings are still unacknowledged: the measurement is void."""
        if self.acknowledged_bytes < self._expected_bytes:
            print(f"A kit was cut off: {exc}", file=sys.stderr)
            os._exit(1)

    def fill_window(self) -> None:
        """Send as many readings as the window allows."""
        open_from = self.acknowledged_bytes // self._piece_bytes
        while self._sent_pieces - open_from < self._window_pieces:
            piece = next(self._pieces, None)
            if piece is None:
                return
            self._write(piece)
            self._sent_pieces += 1

    def send_next(self) -> None:
        """Send the next piece of the packets."""
        self._write(next(self._pieces))

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)


def packets_of(
    kit: dict[str, Any], readings: int, first_ms: int, interval_ms: float
) -> tuple[list[bytes], list[bytes]]:
    """Return the PUBLISH packets of a kit in order, and the ids of the readings in them."""
    topic = f"kit/{kit['serial']}/measurement/raw"
    series = kit["series"]
    packets, ids = [], []
    for number in range(readings):
        peripheral, quantity_type = series[number % len(series)]
        reading = RawMeasurement(
            id=os.urandom(16),
            datetime_ms=first_ms + int(number * interval_ms),
            peripheral=peripheral,
            quantity_type=quantity_type,
            value=random.uniform(0, 100),
        )
        packet_id = number % _HIGHEST_PACKET_ID + 1
        packets.append(encode(Publish(topic, encode_raw_measurement(reading), 1, packet_id), MQTT_3_1_1))
        ids.append(reading.id)
    return packets, ids


async def send_as_acknowledged(connections: list[KitConnection]) -> None:
    for connection in connections:
        connection.fill_window()


async def send_steadily(connections: list[KitConnection], order: Order, ids: list[list[bytes]]) -> None:
    loop = asyncio.get_running_loop()
    records = bytearray()
    begun = loop.time()
    sent = 0
    while sent < order.readings:
        due = min(order.readings, int((loop.time() - begun) * order.rate) + 1)
        for number in range(sent, due):
            kit = number % len(connections)
            records += SENT.pack(ids[kit][number // len(connections)], time.time())
            connections[kit].send_next()
        sent = due
        await asyncio.sleep(_TICK_SECONDS)
    if order.sent_log is not None:
        Path(order.sent_log).write_bytes(records)


def identity(connection: KitConnection) -> KitConnection:
    return connection


async def run(order: Order) -> None:
    loop = asyncio.get_running_loop()
    kits = order.kits
    per_kit = [len(range(index, order.readings, len(kits))) for index in range(len(kits))]
    interval_ms = 1000 * len(kits) / (order.rate or _ASSUMED_RATE)
    first_ms = int(time.time() * 1000)
    done = asyncio.Semaphore(0)
    all_pieces, all_ids = [], []
    for kit, readings in zip(kits, per_kit, strict=True):
        packets, ids = packets_of(kit, readings, first_ms, interval_ms)
        chunk = 1 if order.rate else order.chunk
        all_pieces.append([b"".join(packets[at : at + chunk]) for at in range(0, readings, chunk)])
        all_ids.append(ids if order.rate else [])
    # Connect only now: servers do not wait long for a CONNECT.
    connections = []
    for kit, readings, pieces in zip(kits, per_kit, all_pieces, strict=True):
        connection = KitConnection(pieces, order, done)
        await loop.create_connection(partial(identity, connection), "127.0.0.1", order.port)
        connection.log_in(kit["serial"], kit["password"])
        connection.expect(readings)
        await connection.accepted
        connections.append(connection)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    cpu_before, started_at = time.process_time(), time.time()
    if order.rate:
        await send_steadily(connections, order, all_ids)
    else:
        await send_as_acknowledged(connections)
    for _ in connections:
        await done.acquire()
    outcome = Outcome(
        started_at=started_at,
        acknowledged_at=time.time(),
        acknowledged=sum(each.acknowledged_bytes for each in connections) // _PUBACK_BYTES,
        cpu_seconds=time.process_time() - cpu_before,
    )
    print(json.dumps(asdict(outcome)), flush=True)
    # Stay alive until stopped: the CPU time of a terminated child would be attributed to a receiver.
    await loop.run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    uvloop.run(run(Order(**json.loads(sys.stdin.readline()))))
