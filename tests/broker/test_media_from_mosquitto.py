"""Media and readings from Mosquitto, ingested by the real `hortus ingest`, each over its own connection."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hortus.protocol.wire.codec import encode_media
from hortus.protocol.wire.limits import MEBIBYTE
from hortus.protocol.wire.messages import Media
from ingest_world import World, now_ms
from mosquitto_process import Mosquitto
from programs import environment
from waiting import PATIENCE_SECONDS, until


@contextmanager
def ingesting(world: World, broker: Mosquitto, log: Path, media_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `hortus ingest` with this media storage while the context is open."""
    settings = {
        "DATABASE_URL": world.url,
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(broker.port),
        "MQTT_USERNAME": "hortus",
        "MQTT_PASSWORD": "server-secret",
        "HORTUS_MQTT_CLIENT_ID": "hortus-ingest-test",
        "HORTUS_MEDIA_URL": media_url,
    }
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "hortus", "ingest"],
            env=environment(**settings),
            stdout=written,
            stderr=written,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def seeded(broker: Mosquitto, world: World) -> None:
    broker.stop()
    broker.seed([(world.kit.serial, "one")])
    broker.start()


async def publish(broker: Mosquitto, world: World, channel: str, payload: bytes) -> int:
    """Publish one binary message and wait for the broker's acknowledgement."""
    process = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-u", world.kit.serial, "-P", "one"),
        *("-q", "1", "-t", world.topic(channel), "-s"),
        stdin=asyncio.subprocess.PIPE,
    )
    await process.communicate(payload)
    assert process.returncode is not None
    return process.returncode


def highest_memory_bytes(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def picture(world: World, content: bytes) -> bytes:
    return encode_media(
        Media(
            id=uuid.uuid4().bytes,
            datetime_ms=now_ms(),
            peripheral=world.peripheral,
            name="regular.png",
            type="image/png",
            data=content,
            metadata="null",
        )
    )


async def test_pictures_and_readings_are_stored(mosquitto: Mosquitto, world: World, tmp_path: Path) -> None:
    seeded(mosquitto, world)
    folder, log = tmp_path / "media", tmp_path / "ingest.log"
    content = os.urandom(3_000_000)

    async def connected() -> bool:
        return mosquitto.log().count("as hortus-ingest-test") == 2

    async def stored() -> bool:
        return await world.count("media") == 2 and await world.count() == 1

    with ingesting(world, mosquitto, log, str(folder)):
        await until(connected)
        for payload in (picture(world, content), picture(world, b"small")):
            assert await publish(mosquitto, world, "media", payload) == 0
        assert await publish(mosquitto, world, "measurement/raw", world.raw()) == 0
        await until(stored)
    contents = {path.read_bytes() for path in (folder / world.kit.serial).iterdir()}
    assert contents == {content, b"small"}


async def test_a_message_that_is_too_large_ends_in_quarantine_and_blocks_nobody(
    mosquitto: Mosquitto, world: World, tmp_path: Path
) -> None:
    seeded(mosquitto, world)
    log = tmp_path / "ingest.log"
    size = 70 * MEBIBYTE

    async def connected() -> bool:
        return mosquitto.log().count("as hortus-ingest-test") == 2

    async def done() -> bool:
        return await world.count("quarantine") == 2 and await world.count() == 1

    with ingesting(world, mosquitto, log, str(tmp_path / "media")) as process:
        await until(connected)
        before = highest_memory_bytes(process)
        for channel in ("media", "measurement/raw"):
            assert await publish(mosquitto, world, channel, bytes(size)) == 0
        assert await publish(mosquitto, world, "measurement/raw", world.raw()) == 0
        await until(done)
        assert highest_memory_bytes(process) < before + size // 2
    rows = await world.connection.fetch("SELECT * FROM quarantine ORDER BY stream")
    assert [(row["kit_id"], row["stream"], row["reason"]) for row in rows] == [
        (world.kit.id, "media", "payload-too-large"),
        (world.kit.id, "raw", "payload-too-large"),
    ]
    assert {(row["payload"], row["payload_bytes"]) for row in rows} == {(bytes(4096), size)}
    ledger = await world.ledger(world.kit.id)
    assert (ledger.received, ledger.stored, ledger.quarantined) == (3, 1, 2)


async def test_while_the_bucket_is_away_pictures_wait_at_the_broker_and_readings_flow(
    mosquitto: Mosquitto, world: World, tmp_path: Path
) -> None:
    seeded(mosquitto, world)
    log = tmp_path / "ingest.log"
    # A folder that is a file: every attempt to store fails, as it does when a disk was not mounted.
    place = tmp_path / "media"
    place.mkdir()
    (place / world.kit.serial).write_text("in the way")

    async def connected() -> bool:
        return mosquitto.log().count("as hortus-ingest-test") == 2

    async def tried() -> bool:
        return "does not take media now" in log.read_text()

    async def readings_stored() -> bool:
        return await world.count() == 5

    async def media_stored() -> bool:
        return await world.count("media") == 12

    with ingesting(world, mosquitto, log, str(place)):
        await until(connected)
        for _ in range(12):
            assert await publish(mosquitto, world, "media", picture(world, os.urandom(1000))) == 0
        await until(tried)
        for _ in range(5):
            assert await publish(mosquitto, world, "measurement/raw", world.raw()) == 0
        await until(readings_stored)
        assert await world.count("media") == 0
        (place / world.kit.serial).unlink()
        await until(media_stored)
    assert len(list((place / world.kit.serial).iterdir())) == 12
    assert json.dumps(await world.reasons()) == "{}"
