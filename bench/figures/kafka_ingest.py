"""From MQTT to Kafka: the readings that `hortus ingest --to kafka` gets acknowledged per second."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from confluent_kafka import Consumer

from rig.installation import Installation
from rig.load import load
from rig.machine import MachineUse, Moment
from rig.mosquitto import keep_session, mosquitto
from rig.processes import MEBIBYTE, BenchError, cpu_seconds, peak_resident_bytes
from rig.stream import Stream
from rig.worker import connected_worker

_TIMEOUT_SECONDS = 900.0


async def measure_ingest(
    folder: Path, stand: Installation, stream: Stream, readings: int
) -> tuple[float, float]:
    """Return readings acknowledged by Kafka per second, and the ingester's CPU per reading in µs."""
    stream.new_topics()
    consumer = stream.consumer(reads=False)
    async with mosquitto(folder / "broker", stand.kits) as broker:
        environment = broker.environment | stream.environment | {"HORTUS_MQTT_CLIENT_ID": "bench"}
        await keep_session(broker.subscriber("bench"))
        async with (
            connected_worker(folder, ["ingest", "--to", "kafka"], environment) as ours,
            load(folder, broker.port, stand.kits, readings) as ready,
        ):
            used, kafka_used, start = cpu_seconds(ours.pid), cpu_seconds(stream.process_id), Moment.now()
            await ready.begin()
            ended_at = await _until_in_kafka(stream, consumer, readings)
            outcome = await ready.finished()
            used, kafka_used = cpu_seconds(ours.pid) - used, cpu_seconds(stream.process_id) - kafka_used
            own = used + kafka_used + outcome.cpu_seconds
            rate = readings / (ended_at - outcome.started_at)
            print(
                f"  hortus ingest --to kafka: {rate:,.0f}/s; µs of CPU per reading: ingester "
                f"{used / readings * 1e6:.1f}, Kafka {kafka_used / readings * 1e6:.1f}; memory "
                f"{peak_resident_bytes(ours.pid) / MEBIBYTE:.0f} MB; "
                f"{MachineUse.between(start, Moment.now(), own)} (Mosquitto among the others)",
                flush=True,
            )
    consumer.close()
    return rate, used / readings * 1e6


async def _until_in_kafka(stream: Stream, consumer: Consumer, readings: int) -> float:
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while (found := await asyncio.to_thread(stream.records, consumer)) < readings:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    if found != readings:
        raise BenchError(f"Sent {readings} readings and Kafka has {found}.")
    return time.time()
