"""The cost of media of the maximum size for `hortus up`: its memory, and the latency of other kits' readings.

One kit publishes media of the given size, one after the other, while another steadily publishes small readings
and measures how long each waits for its acknowledgement, which is sent after the commit.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from hortus.protocol.mqtt.packets import MQTT_3_1_1, Connect, Publish, encode
from hortus.protocol.wire.codec import encode_media, encode_raw_measurement
from hortus.protocol.wire.messages import Media, RawMeasurement
from rig.bench import Bench
from rig.installation import Kit, installation
from rig.one_box import one_box
from rig.processes import MEBIBYTE, BenchError, peak_resident_bytes, resident_bytes
from rig.result import Result

REACH_MEDIA_SHARE = 2.0
REACH_MEDIA_P99_MS = 250
# The overhead of a media message: packing adds at most one byte in 2,048, and the texts a few.
MEDIUM_FRAME_BYTES = 256 * 1024

_PAUSE_SECONDS = 0.01
_WARM_UP_READINGS = 100
_ACCEPTED = b"\x20\x02\x00\x00"
_ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaCost:
    """The growth of the process's memory, and milliseconds from publish to acknowledgement of readings."""

    payload_bytes: int
    growth_bytes: int
    upload_seconds: list[float]
    quiet_ms: tuple[float, float, float]
    meanwhile_ms: tuple[float, float, float]


async def media(bench: Bench) -> None:
    """The cost of media of 64 MiB for `hortus up`, and the latency of another kit's readings meanwhile."""
    data_dir = bench.data_dir("media")
    async with installation(data_dir) as stand:
        kits = stand.kits
    found = await measure_media(
        bench.folder,
        data_dir,
        kits,
        content_bytes=64 * MEBIBYTE - MEDIUM_FRAME_BYTES,
        rounds=bench.size.media,
        quiet_seconds=bench.size.api_seconds,
    )
    print("  seconds per medium: " + ", ".join(f"{each:.2f}" for each in found.upload_seconds))
    share = found.growth_bytes / found.payload_bytes
    bench.found(
        Result(
            figure="memory that `hortus up` grows by (peak) for media of 64 MiB",
            value=f"{found.growth_bytes / MEBIBYTE:.0f} MB, {share:.2f} of the payload",
            reach=f"≤ {REACH_MEDIA_SHARE} of the payload",
            met=share <= REACH_MEDIA_SHARE,
        )
    )
    names = ("p50", "p99", "longest")
    bench.found(
        Result(
            figure="reading to acknowledgement while media of 64 MiB come in",
            value=", ".join(f"{n} {ms:.0f} ms" for n, ms in zip(names, found.meanwhile_ms, strict=True)),
            reach=f"p99 ≤ {REACH_MEDIA_P99_MS} ms",
            reference=", ".join(f"{n} {ms:.0f} ms" for n, ms in zip(names, found.quiet_ms, strict=True))
            + " without",
            met=found.meanwhile_ms[1] <= REACH_MEDIA_P99_MS,
        )
    )


async def measure_media(
    folder: Path, data_dir: Path, kits: list[Kit], *, content_bytes: int, rounds: int, quiet_seconds: float
) -> MediaCost:
    """Upload media of this size; the three latencies are median, 99th percentile and maximum."""
    # Built in advance: copying 64 MiB in this process would delay the measurement.
    packets = [
        await asyncio.to_thread(_medium, kits[0], content_bytes, number) for number in range(1, rounds + 1)
    ]
    async with one_box(folder, data_dir) as box, _connection(box.mqtt_port, kits[1]) as readings:
        for number in range(_WARM_UP_READINGS):
            await readings.reading(kits[1], number)
        quiet = await _readings_until(readings, kits[1], asyncio.ensure_future(asyncio.sleep(quiet_seconds)))
        before = resident_bytes(box.process_id)
        uploading = asyncio.ensure_future(asyncio.to_thread(_upload, box.mqtt_port, kits[0], packets))
        meanwhile = await _readings_until(readings, kits[1], uploading)
        return MediaCost(
            payload_bytes=len(packets[0]),
            growth_bytes=peak_resident_bytes(box.process_id) - before,
            upload_seconds=uploading.result(),
            quiet_ms=_summary(quiet),
            meanwhile_ms=_summary(meanwhile),
        )


def _medium(kit: Kit, content_bytes: int, number: int) -> bytes:
    # Like a compressed picture: hardly any zeros. The message itself has a few hundred bytes more.
    payload = encode_media(
        Media(
            id=uuid.uuid4().bytes,
            datetime_ms=int(time.time() * 1000),
            peripheral=kit.series[0][0],
            name="regular.png",
            type="image/png",
            data=os.urandom(content_bytes),
            metadata="null",
        )
    )
    return encode(Publish(f"kit/{kit.serial}/media", payload, 1, number), MQTT_3_1_1)


def _upload(port: int, kit: Kit, packets: list[bytes]) -> list[float]:
    """Publish media one after the other (runs in a thread); return the seconds until each acknowledgement."""
    seconds = []
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(_connect(kit))
        _expect(connection, _ACCEPTED)
        for number, packet in enumerate(packets, 1):
            began = time.perf_counter()
            connection.sendall(packet)
            _expect(connection, b"\x40\x02" + number.to_bytes(2, "big"))
            seconds.append(time.perf_counter() - began)
    return seconds


def _expect(connection: socket.socket, answer: bytes) -> None:
    if connection.recv(len(answer), socket.MSG_WAITALL) != answer:
        raise BenchError("The endpoint did not take a medium.")


def _connect(kit: Kit) -> bytes:
    return encode(
        Connect(client_id=kit.serial, username=kit.serial, password=kit.password.encode()), MQTT_3_1_1
    )


class _Readings:
    """A connection that publishes one reading at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def reading(self, kit: Kit, number: int) -> float:
        """Publish a reading and return the milliseconds until its acknowledgement."""
        peripheral, quantity_type = kit.series[number % len(kit.series)]
        payload = encode_raw_measurement(
            RawMeasurement(
                id=uuid.uuid4().bytes,
                datetime_ms=int(time.time() * 1000),
                peripheral=peripheral,
                quantity_type=quantity_type,
                value=21.5,
            )
        )
        packet = Publish(f"kit/{kit.serial}/measurement/raw", payload, 1, number % 60_000 + 1)
        began = time.perf_counter()
        self._writer.write(encode(packet, MQTT_3_1_1))
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._reader.readexactly(4)
        return (time.perf_counter() - began) * 1000


@asynccontextmanager
async def _connection(port: int, kit: Kit) -> AsyncIterator[_Readings]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_connect(kit))
        if await reader.readexactly(4) != _ACCEPTED:
            raise BenchError("The endpoint did not let a kit in.")
        yield _Readings(reader, writer)
    finally:
        writer.close()


async def _readings_until(readings: _Readings, kit: Kit, end: asyncio.Future[object]) -> list[float]:
    milliseconds: list[float] = []
    while not end.done():
        milliseconds.append(await readings.reading(kit, len(milliseconds)))
        await asyncio.sleep(_PAUSE_SECONDS)
    return milliseconds


def _summary(milliseconds: list[float]) -> tuple[float, float, float]:
    if len(milliseconds) < 2:
        raise BenchError("Too few readings were acknowledged to tell how long they wait.")
    cuts = quantiles(milliseconds, n=100)
    return cuts[49], cuts[98], max(milliseconds)
