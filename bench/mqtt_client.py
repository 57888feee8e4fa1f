"""Measures the cost of receiving and acknowledging a message over MQTT: our client, gmqtt and mosquitto_sub.

    .venv/bin/python bench/mqtt_client.py [--messages 100000] [--runs 3]

One Mosquitto, one load (mosquitto_pub, QoS 1, 60-byte payloads), one receiver at a time, subscribed at QoS 1.
Our client and gmqtt acknowledge in batches of 500, like an ingester after a commit. CPU is that of the receiver
alone, user and system, from its subscription to its last acknowledgement (mosquitto_sub: its whole lifetime).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvloop

from hortus.base.intake import MessageSource
from hortus.protocol.mqtt.client import BrokerAddress, ClientLimits, IngestClient
from hortus.protocol.mqtt.packets import Subscription

TOPIC = "kit/k-bench/measurement/raw"
BATCH = 500
PAYLOAD_BYTES = 60
# mosquitto_pub exits early when its packet identifiers wrap around (65,535), so it is started several times.
MESSAGES_PER_PUBLISHER = 50_000
RECEIVE_MAXIMUM = 4000


class BatchingIntake:
    """Settles every `BATCH` messages in the next iteration of the event loop, as if after a commit."""

    saturated = False

    def __init__(self, count: int) -> None:
        self.done = asyncio.Event()
        self._left = count
        self._handles: list[int] = []

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back at once: this intake is never saturated."""
        callback()

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:  # noqa: ARG002
        """Accept one message."""
        self._handles.append(handle)
        self._left -= 1
        if len(self._handles) == BATCH or not self._left:
            asyncio.get_running_loop().call_soon(self._settle, source, self._handles)
            self._handles = []

    def offer_head(
        self, _source: MessageSource, _handle: int, topic: str, _head: bytes, _payload_bytes: int
    ) -> None:
        """Do nothing: no messages are too large here."""
        raise AssertionError(topic)

    def _settle(self, source: MessageSource, handles: Sequence[int]) -> None:
        source.settle(handles)
        if not self._left:
            self.done.set()


def ready() -> float:
    print("ready", flush=True)
    return time.process_time()


async def receive_with_ours(port: int, count: int) -> float:
    intake = BatchingIntake(count)
    client = IngestClient(
        BrokerAddress(host="127.0.0.1", port=port),
        client_id="bench-ours",
        subscriptions=[Subscription(topic_filter=TOPIC, qos=1)],
        intake=intake,
        limits=ClientLimits(receive_maximum=RECEIVE_MAXIMUM),
    )
    running = asyncio.create_task(client.run())
    await client.wait_until_ready()
    started = ready()
    await intake.done.wait()
    used = time.process_time() - started
    await client.stop()
    await running
    return used


async def receive_with_gmqtt(port: int, count: int) -> float:
    import gmqtt

    done = asyncio.Event()
    subscribed = asyncio.Event()
    waiting: list[asyncio.Future[None]] = []
    left = count

    async def on_message(_client: object, _topic: str, _payload: bytes, _qos: int, _properties: object) -> int:
        nonlocal left, waiting
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(committed)
        left -= 1
        if len(waiting) == BATCH or not left:
            batch, waiting = waiting, []
            for future in batch:
                future.set_result(None)
        await committed
        if not left:
            # Acknowledgements are sent after the handlers have returned; waiting for them costs no CPU.
            asyncio.get_running_loop().call_later(0.2, done.set)
            left = -1
        return 0

    client = gmqtt.Client(
        "bench-gmqtt", optimistic_acknowledgement=False, receive_maximum=RECEIVE_MAXIMUM, clean_session=True
    )
    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    await client.connect("127.0.0.1", port)
    client.subscribe(TOPIC, qos=1)
    await subscribed.wait()
    started = ready()
    await done.wait()
    used = time.process_time() - started
    await client.disconnect()
    return used


def receive(name: str, port: int, count: int) -> None:
    """Run one receiver; print "ready" and, at the end, the CPU seconds it used."""
    receiver = {"ours": receive_with_ours, "gmqtt": receive_with_gmqtt}[name]
    print(json.dumps(uvloop.run(receiver(port, count))))


@contextlib.contextmanager
def broker() -> Iterator[int]:
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("This bench needs mosquitto and mosquitto-clients; install them.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "mosquitto.conf"
        configuration.write_text(
            f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            "max_queued_messages 2000000\nlog_type error\n"
        )
        process = subprocess.Popen([program, "-c", str(configuration)], stderr=subprocess.DEVNULL)
        try:
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.01)
            yield port
        finally:
            process.terminate()
            process.wait()


def publish(port: int, count: int) -> None:
    payloads = b"".join(b"%0*d\n" % (PAYLOAD_BYTES, number) for number in range(count))
    arguments = ["-h", "127.0.0.1", "-p", str(port), "-t", TOPIC, "-q", "1", "-l"]
    subprocess.run(["mosquitto_pub", *arguments], input=payloads, check=True)


def measure(name: str, port: int, count: int) -> tuple[float, float]:
    """Return the receiver's CPU per message in microseconds, and messages per second."""
    if name == "mosquitto_sub":
        arguments = ["-h", "127.0.0.1", "-p", str(port), "-t", TOPIC, "-q", "1", "-V", "5", "-C", str(count)]
        process = subprocess.Popen(["mosquitto_sub", *arguments], stdout=subprocess.DEVNULL)
        time.sleep(0.5)  # it does not report when it has subscribed
    else:
        command = [sys.executable, __file__, "--receive", name, str(port), str(count)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
    started = time.perf_counter()
    for _ in range(count // MESSAGES_PER_PUBLISHER):
        publish(port, MESSAGES_PER_PUBLISHER)
    if process.stdout is None:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        cpu_seconds = usage.ru_utime + usage.ru_stime
    else:
        cpu_seconds = json.loads(process.communicate(timeout=300)[0])
    return cpu_seconds / count * 1e6, count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000, help="a multiple of 50,000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--receive", nargs=3, metavar=("NAME", "PORT", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        name, port, count = options.receive
        receive(name, int(port), int(count))
        return
    messages = max(1, options.messages // MESSAGES_PER_PUBLISHER) * MESSAGES_PER_PUBLISHER
    print(f"{messages} messages, median (all) of {options.runs} runs")
    for name in ("ours", "gmqtt", "mosquitto_sub"):
        with broker() as port:
            results = [measure(name, port, messages) for _ in range(options.runs)]
        cpu = statistics.median(result[0] for result in results)
        rate = statistics.median(result[1] for result in results)
        every = ", ".join(f"{result[0]:.1f}" for result in results)
        print(f"{name:14} {cpu:6.1f} µs CPU per message ({every})   {rate:7.0f} messages/s")


if __name__ == "__main__":
    main()
