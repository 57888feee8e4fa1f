"""The journal beside Mosquitto: what it has acknowledged is handed on again after a kill."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from bare_kit import Kit

from hortus.flow.broker.gate import GatePart, GateState, GateTimes, KitGate
from hortus.protocol.mqtt.client import ClientLimits, MqttClient
from hortus.protocol.mqtt.packets import MQTT_3_1_1
from mosquitto_process import Mosquitto
from waiting import until

QUICK = ClientLimits(reconnect_first_seconds=0.05, reconnect_most_seconds=0.2)
TIMES = GateTimes(answer_seconds=2.0, closed_seconds=0.05, absent_seconds=0.05)
RAW = "kit/k-one/measurement/raw"
NO_SAVE = {"autosave_interval": "1000"}


def made(folder: Path, *gate_options: str) -> Mosquitto:
    broker = Mosquitto(folder, NO_SAVE, waits_for="readings", gate_options=gate_options)
    broker.seed([("k-one", "one")])
    return broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker that never saves its queues."""
    with made(tmp_path).start() as mosquitto:
        yield mosquitto


@contextlib.asynccontextmanager
async def receiving(broker: Mosquitto) -> AsyncIterator[list[bytes]]:
    """Subscribe and let kits in; yield what arrives. Nothing is queued afterwards: the session is clean."""
    payloads: list[bytes] = []
    client = MqttClient(broker.address(), client_id="test", limits=QUICK)
    client.subscribe("$share/hortus/kit/+/measurement/raw", lambda _topic, payload: payloads.append(payload))
    client.subscribe("kit/+/media", lambda _topic, payload: payloads.append(payload))
    client.subscribe("kit/+/server-rpc/request", lambda _topic, payload: payloads.append(payload))
    gate = KitGate(client, [GatePart.READINGS], TIMES)
    tasks = [asyncio.create_task(client.run()), asyncio.create_task(gate.run())]
    try:
        await until(lambda: gate.state is GateState.OPEN, "the gate to open")
        yield payloads
    finally:
        tasks[1].cancel()
        await client.stop()
        await tasks[0]


@contextlib.asynccontextmanager
async def kit_of(broker: Mosquitto) -> AsyncIterator[Kit]:
    kit = Kit(broker, MQTT_3_1_1)
    assert await kit.connect("k-one", "one") == 0
    try:
        yield kit
    finally:
        await kit.close()


async def publish_to_nobody(broker: Mosquitto, payloads: list[bytes], topic: str = RAW) -> None:
    """Have the broker acknowledge messages that it would then discard, as nobody has subscribed."""
    async with receiving(broker):
        pass
    async with kit_of(broker) as kit:
        for payload in payloads:
            assert await kit.publish(topic, payload) == 0


def journal_files(broker: Mosquitto) -> list[str]:
    return sorted(path.name for path in broker.folder.glob("hortus-journal*"))


async def test_what_was_acknowledged_before_a_kill_is_handed_on_after_it(broker: Mosquitto) -> None:
    sent = [b"reading %d" % number for number in range(20)] + [b"", bytes(range(256)) * 100]
    await publish_to_nobody(broker, sent)
    await publish_to_nobody(broker, [b"picture"], "kit/k-one/media")
    broker.stop(signal.SIGKILL)
    broker.start()
    async with receiving(broker) as received:
        await until(lambda: len(received) == len(sent) + 1)
    assert received == [*sent, b"picture"]
    assert f"handed on {len(sent) + 1} messages of the journal again" in broker.log()


async def test_of_two_kills_in_a_row_the_second_loses_nothing_either(broker: Mosquitto) -> None:
    await publish_to_nobody(broker, [b"first"])
    for _ in range(2):
        broker.stop(signal.SIGKILL)
        broker.start()
    await publish_to_nobody(broker, [b"second"])
    broker.stop(signal.SIGKILL)
    broker.start()
    async with receiving(broker) as received:
        await until(lambda: {b"first", b"second"} <= set(received))


async def test_a_broker_that_is_stopped_leaves_no_journal_and_repeats_nothing(broker: Mosquitto) -> None:
    await publish_to_nobody(broker, [b"old"])
    assert journal_files(broker) == ["hortus-journal"]
    assert (broker.folder / "hortus-journal").stat().st_mode & 0o777 == 0o600
    broker.stop(signal.SIGTERM)
    assert journal_files(broker) == []
    broker.start()
    async with receiving(broker) as received, kit_of(broker) as kit:
        assert await kit.publish(RAW, b"new") == 0
        await until(lambda: received)
    assert received == [b"new"]


async def test_what_waits_to_be_handed_on_outlives_a_proper_stop(broker: Mosquitto) -> None:
    await publish_to_nobody(broker, [b"reading"])
    broker.stop(signal.SIGKILL)
    broker.start()
    broker.stop(signal.SIGTERM)
    broker.start()
    async with receiving(broker) as received:
        await until(lambda: received == [b"reading"])


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda journal: journal[:-3], id="half-a-record"),
        pytest.param(lambda journal: journal[:-3] + b"xyz", id="wrong-content"),
        pytest.param(lambda journal: journal + b"\xff" * 100, id="rubbish-behind"),
        pytest.param(lambda journal: journal + journal[:10], id="half-a-head"),
    ],
)
async def test_a_journal_that_was_cut_off_is_read_up_to_there(
    broker: Mosquitto, spoil: Callable[[bytes], bytes]
) -> None:
    await publish_to_nobody(broker, [b"one", b"two", b"three"])
    broker.stop(signal.SIGKILL)
    journal = broker.folder / "hortus-journal"
    journal.write_bytes(spoil(journal.read_bytes()))
    broker.start()
    async with receiving(broker) as received:
        await until(lambda: received[:2] == [b"one", b"two"])


async def test_a_question_is_handed_on_too_and_the_answer_to_a_command_is_not(broker: Mosquitto) -> None:
    await publish_to_nobody(broker, [b"answer"], "kit/k-one/kit-rpc/response")
    await publish_to_nobody(broker, [b"question"], "kit/k-one/server-rpc/request")
    broker.stop(signal.SIGKILL)
    broker.start()
    async with receiving(broker) as received:
        await until(lambda: received)
    assert received == [b"question"]
    assert "handed on 1 messages of the journal again" in broker.log()


async def test_while_the_journal_cannot_be_written_nothing_is_acknowledged(broker: Mosquitto) -> None:
    large = b"x" * 20_000
    await publish_to_nobody(broker, [large])
    limits = resource.prlimit(broker.process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(broker.process_id, resource.RLIMIT_FSIZE, (30_000, limits[1]))
    async with kit_of(broker) as kit:
        assert await kit.publish(RAW, large) is None  # the connection is closed
    async with kit_of(broker) as kit:
        assert await kit.publish(RAW, b"small") == 0
    resource.prlimit(broker.process_id, resource.RLIMIT_FSIZE, limits)
    async with kit_of(broker) as kit:
        assert await kit.publish(RAW, large + b"again") == 0
    broker.stop(signal.SIGKILL)
    broker.start()
    async with receiving(broker) as received:
        await until(lambda: len(received) == 3)
    assert received == [large, b"small", large + b"again"]


async def test_the_journal_forgets_what_the_broker_has_saved_since(tmp_path: Path) -> None:
    with made(tmp_path, "-DSECONDS_PER_FILE=1").start() as broker:
        await publish_to_nobody(broker, [b"old reading"])
        broker.stop(signal.SIGKILL)
        broker.start()

        def kept() -> bytes:
            return b"".join((tmp_path / name).read_bytes() for name in journal_files(broker))

        async with receiving(broker) as received, kit_of(broker) as kit:
            await until(lambda: received == [b"old reading"])
            assert b"old reading" in kept()

            async def forgotten() -> bool:
                await kit.publish(RAW, b"new reading")
                return b"old reading" not in kept()

            await until(forgotten, "the old reading to be forgotten")
        assert journal_files(broker) == ["hortus-journal", "hortus-journal.previous"]
