"""Clients of the live feed in a separate process, which subscribe and record when each value arrives.

Reads an order as a line of JSON, prints `ready` when all have subscribed, and prints the outcome when each has
all values (or a notice that some were skipped).
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import uvloop
from websockets.asyncio.client import ClientConnection, connect

ARRIVED = struct.Struct("<Id")
"""A value, which is the number of its reading, and when it arrived (epoch seconds)."""

_CONNECTING_AT_ONCE = 20
_TOO_MANY_REQUESTS = -32005


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsOrder:
    """The number of clients, the server and kit they subscribe to, and the readings they wait for."""

    url: str
    serial: str
    clients: int
    readings: int
    log: str


@dataclass(slots=True, kw_only=True)
class ClientsOutcome:
    """The values received by all clients together."""

    told: int = 0
    skipped: int = 0
    twice: int = 0


async def subscribe(socket: ClientConnection, serial: str) -> None:
    """Subscribe, backing off as requested while the server limits clients from one address."""
    request = {"jsonrpc": "2.0", "id": 0, "method": "subscribe_raw_measurements", "params": [serial]}
    while True:
        await socket.send(json.dumps(request))
        answer = json.loads(await socket.recv())
        error = answer.get("error")
        if error is None:
            return
        if error["code"] != _TOO_MANY_REQUESTS:
            raise SystemExit(f"refused: {error}")
        await asyncio.sleep(error["data"]["waitTimeMillis"] / 1000)


async def hear(socket: ClientConnection, order: ClientsOrder, outcome: ClientsOutcome, log: bytearray) -> None:
    heard: set[int] = set()
    missing = order.readings
    while missing > 0:
        message = orjson.loads(await socket.recv())
        now = time.time()
        params = message["params"]
        if "result" in params:
            number = int(params["result"]["value"])
            outcome.twice += number in heard
            heard.add(number)
            outcome.told += 1
            missing -= 1
            log += ARRIVED.pack(number, now)
        else:
            outcome.skipped += params.get("count", 0)
            missing -= params.get("count", 0)


async def run() -> None:
    order = ClientsOrder(**json.loads(sys.stdin.readline()))
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    outcome, log = ClientsOutcome(), bytearray()

    async def opened() -> ClientConnection:
        async with gate:
            socket = await connect(order.url, compression=None)
            await subscribe(socket, order.serial)
            return socket

    sockets = await asyncio.gather(*(opened() for _ in range(order.clients)))
    print("ready", flush=True)
    await asyncio.gather(*(hear(socket, order, outcome, log) for socket in sockets))
    Path(order.log).write_bytes(log)
    print(json.dumps(asdict(outcome)), flush=True)
    await asyncio.gather(*(socket.close() for socket in sockets))


if __name__ == "__main__":
    uvloop.run(run())
