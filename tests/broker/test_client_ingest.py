"""The ingest client against a real Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hortus.base.intake import MessageSource
from hortus.protocol.mqtt.client import ClientLimits, IngestClient
from hortus.protocol.mqtt.packets import Subscription
from mosquitto_process import Mosquitto
from waiting import until

RAW = "kit/k-one/measurement/raw"
SHARED = "$share/hortus/kit/+/measurement/raw"
QUICK = ClientLimits(
    receive_maximum=50, reconnect_first_seconds=0.05, reconnect_most_seconds=0.2, drain_seconds=0.5
)


class HoldingIntake:
    """Holds offered messages until the test settles them, or settles them immediately."""

    def __init__(self, settle_at_once: bool = False) -> None:
        self.saturated = False
        self.settle_at_once = settle_at_once
        self.payloads: list[bytes] = []
        self.topics: set[str] = set()
        self.open: list[tuple[MessageSource, int]] = []
        self.relief: list[Callable[[], None]] = []

    def when_relieved(self, callback: Callable[[], None]) -> None:
        self.relief.append(callback)

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        self.payloads.append(payload)
        self.topics.add(topic)
        if self.settle_at_once:
            source.settle([handle])
        else:
            self.open.append((source, handle))

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        raise AssertionError(f"{topic}: {payload_bytes} bytes")

    def settle_all(self) -> None:
        taken, self.open = self.open, []
        if taken:
            taken[0][0].settle([handle for _, handle in taken])

    def relieve(self) -> None:
        self.saturated = False
        callbacks, self.relief = self.relief, []
        for callback in callbacks:
            callback()


@contextlib.asynccontextmanager
async def ingesting(
    broker: Mosquitto, intake: HoldingIntake, topic_filter: str = SHARED, qos: int = 1, **options: Any
) -> AsyncIterator[IngestClient]:
    options = {"client_id": "ingest-1", "limits": QUICK, **options}
    client = IngestClient(
        broker.address(),
        subscriptions=[Subscription(topic_filter=topic_filter, qos=qos)],
        intake=intake,
        **options,
    )
    running = asyncio.create_task(client.run())
    try:
        await until(lambda: client.connected, "the connection")
        yield client
    finally:
        await client.stop()
        await running


async def crash(client: IngestClient) -> None:
    """Abort the connection without a DISCONNECT, like a killed process."""
    connection = client._connection
    assert connection is not None
    connection.fail("killed by the test")


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"reading %d" % number for number in range(start, start + count)]


async def test_it_acknowledges_only_what_is_settled(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake()
    async with ingesting(mosquitto, intake) as client:
        await mosquitto.publish("k-one", "one", RAW, numbered(120), qos=0)
        await until(lambda: len(intake.payloads) == 50, "a full window")
        assert client.open_messages == 50
        while len(intake.payloads) < 120 or intake.open:
            await until(lambda: intake.open, "the next messages")
            intake.settle_all()
    assert sorted(intake.payloads) == sorted(numbered(120))
    again = HoldingIntake()
    async with ingesting(mosquitto, again):
        await mosquitto.publish("k-one", "one", RAW, [b"last"])
        await until(lambda: again.payloads, "the new message")
    assert again.payloads == [b"last"]


async def test_open_messages_are_bounded_although_the_broker_sends_more_than_it_may(
    mosquitto: Mosquitto,
) -> None:
    """While messages are queued, Mosquitto 2.0.11 sends another full window for each acknowledgement."""
    size = 2_000
    intake = HoldingIntake(settle_at_once=True)
    async with ingesting(mosquitto, intake):
        pass
    await mosquitto.publish("k-one", "one", RAW, [b"%0*d" % (size, n) for n in range(3000)])
    intake = HoldingIntake()
    most = 0
    async with ingesting(mosquitto, intake) as client:
        while len(intake.payloads) < 3000 or intake.open:
            await until(lambda: intake.open)
            most = max(most, client.open_messages)
            handles = [handle for _, handle in intake.open[:10]]
            del intake.open[:10]
            client.settle(handles)
    # Twice the window, and what one read from the network (256 KiB) brought on top.
    assert most <= 2 * 50 + 262_144 // size + 1
    assert sorted(intake.payloads) == [b"%0*d" % (size, n) for n in range(3000)]


async def test_what_was_not_settled_is_delivered_again_to_the_next_start(mosquitto: Mosquitto) -> None:
    first = HoldingIntake()
    async with ingesting(mosquitto, first) as client:
        await mosquitto.publish("k-one", "one", RAW, numbered(30))
        await until(lambda: len(first.payloads) == 30)
        first.open[0][0].settle([handle for _, handle in first.open[:10]])
    second = HoldingIntake(settle_at_once=True)
    async with ingesting(mosquitto, second):
        await until(lambda: len(second.payloads) == 20)
    assert sorted(second.payloads) == sorted(numbered(20, start=10))
    assert client.open_messages == 0


async def test_handles_of_a_lost_connection_are_ignored_and_their_messages_come_again(
    mosquitto: Mosquitto,
) -> None:
    intake = HoldingIntake()
    async with ingesting(mosquitto, intake) as client:
        await mosquitto.publish("k-one", "one", RAW, numbered(20))
        await until(lambda: len(intake.payloads) == 20)
        old, intake.open = intake.open, []
        await crash(client)
        await until(lambda: len(intake.payloads) == 40, "redelivery")
        old[0][0].settle([handle for _, handle in old])
        assert client.stale_settlements == 20
        assert client.open_messages == 20
        intake.settle_all()
        # Waiting messages come in one piece with the broker's welcome, before the client counts it.
        await until(lambda: client.reconnects == 1)
    assert sorted(intake.payloads) == sorted(2 * numbered(20))


async def test_readings_of_qos_0_wait_at_the_broker_while_the_ingester_is_away(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake(settle_at_once=True)
    async with ingesting(mosquitto, intake):
        pass
    await mosquitto.publish("k-one", "one", RAW, numbered(500), qos=0)
    async with ingesting(mosquitto, intake):
        await until(lambda: len(intake.payloads) == 500)
    assert intake.payloads == numbered(500)


async def test_a_proper_restart_of_the_broker_loses_nothing(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake()
    async with ingesting(mosquitto, intake) as client:
        await mosquitto.publish("k-one", "one", RAW, numbered(200), qos=0)
        await until(lambda: len(intake.payloads) == 50)
        intake.open.clear()
        mosquitto.stop()
        await until(lambda: not client.connected)
        intake.settle_at_once = True
        mosquitto.start()
        await until(lambda: set(intake.payloads) == set(numbered(200)), "everything")
        assert client.last_failure is None or not client.connected


async def test_the_ingester_goes_on_by_itself_after_the_broker_was_killed(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake(settle_at_once=True)
    async with ingesting(mosquitto, intake) as client:
        mosquitto.stop(signal.SIGKILL)
        await until(lambda: client.last_failure is not None)
        mosquitto.start()
        await until(lambda: client.connected)
        await mosquitto.publish("k-one", "one", RAW, numbered(10))
        await until(lambda: len(intake.payloads) == 10)


async def test_what_was_saved_survives_a_kill_of_the_broker(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake(settle_at_once=True)
    async with ingesting(mosquitto, intake):
        pass
    await mosquitto.publish("k-one", "one", RAW, numbered(300), qos=0)
    before = (mosquitto.folder / "mosquitto.db").stat().st_mtime_ns if _saved(mosquitto) else 0
    mosquitto.send_signal(signal.SIGUSR1)
    await until(lambda: _saved(mosquitto) and (mosquitto.folder / "mosquitto.db").stat().st_mtime_ns > before)
    mosquitto.stop(signal.SIGKILL)
    mosquitto.start()
    async with ingesting(mosquitto, intake):
        await until(lambda: len(intake.payloads) == 300)


def _saved(mosquitto: Mosquitto) -> bool:
    return (mosquitto.folder / "mosquitto.db").exists()


async def test_a_saturated_intake_stops_reading_and_relief_resumes_it(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake()
    async with ingesting(mosquitto, intake) as client:
        intake.saturated = True
        await mosquitto.publish("k-one", "one", RAW, [b"the one that shows it"])
        await until(lambda: intake.relief, "the request to be told of relief")
        await mosquitto.publish("k-one", "one", RAW, numbered(20))
        assert client._connection is not None
        assert not client._connection._reading
        taken = len(intake.payloads)
        intake.settle_all()
        assert len(intake.payloads) == taken
        intake.relieve()
        await until(lambda: len(intake.payloads) == 21)
        intake.settle_all()


async def test_open_bytes_are_bounded_by_not_reading(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake()
    limits = ClientLimits(receive_maximum=50, max_open_bytes=200_000, drain_seconds=0.1)
    async with ingesting(mosquitto, intake, "kit/+/media", limits=limits) as client:
        await mosquitto.publish("k-one", "one", "kit/k-one/media", [b"x" * 150_000] * 40)
        for settled in range(40):
            await until(lambda: intake.open, "a picture")
            # One network read (256 KiB) and one packet may come on top of the limit.
            assert client.open_bytes <= 200_000 + 262_144 + 150_000
            source, handle = intake.open.pop(0)
            source.settle([handle])
            assert settled < 40
        assert client.open_bytes == 0


async def test_a_client_that_is_paused_for_long_is_not_taken_for_dead(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake()
    # The broker gives up on who says nothing for half as long again: long enough for a starved machine.
    limits = ClientLimits(receive_maximum=50, keep_alive_seconds=3, drain_seconds=0.1)
    async with ingesting(mosquitto, intake, limits=limits) as client:
        connection = client._connection
        assert connection is not None
        intake.saturated = True
        await mosquitto.publish("k-one", "one", RAW, [b"x"])
        await until(lambda: intake.relief)
        pings: list[bytes] = []
        original = connection.write
        connection.write = lambda data: (pings.append(data), original(data))[1]  # type: ignore[method-assign]
        await until(lambda: pings.count(b"\xc0\x00") >= 5, "five pings without an answer being read")
        assert client.connected
        intake.relieve()
        intake.settle_all()
        await mosquitto.publish("k-one", "one", RAW, [b"y"])
        await until(lambda: b"y" in intake.payloads)
        intake.settle_all()
        assert client.reconnects == 0


async def test_aggregates_of_qos_2_pass_the_whole_handshake(mosquitto: Mosquitto) -> None:
    topic = "kit/k-one/measurement/aggregate"
    intake = HoldingIntake()
    async with ingesting(mosquitto, intake, "$share/hortus/kit/+/measurement/aggregate", qos=2) as client:
        await mosquitto.publish("k-one", "one", topic, numbered(40), qos=2)
        await until(lambda: len(intake.payloads) == 40)
        intake.settle_all()
        # Only finished handshakes free the broker's window for twice its size.
        for done in (80, 120):
            await mosquitto.publish("k-one", "one", topic, numbered(40, start=done - 40), qos=2)
            await until(lambda done=done: len(intake.payloads) == done)
            intake.settle_all()
        assert client.open_messages == 0
    again = HoldingIntake()
    async with ingesting(mosquitto, again, "$share/hortus/kit/+/measurement/aggregate", qos=2):
        await mosquitto.publish("k-one", "one", topic, [b"last"], qos=2)
        await until(lambda: again.payloads)
        again.settle_all()
    assert again.payloads == [b"last"]


async def test_stopping_waits_for_what_is_open(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake()
    limits = ClientLimits(receive_maximum=50, drain_seconds=20)
    async with ingesting(mosquitto, intake, limits=limits) as client:
        await mosquitto.publish("k-one", "one", RAW, numbered(10))
        await until(lambda: len(intake.open) == 10)
        stopping = asyncio.create_task(client.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        intake.settle_all()
        await stopping
    again = HoldingIntake(settle_at_once=True)
    async with ingesting(mosquitto, again):
        await mosquitto.publish("k-one", "one", RAW, [b"last"])
        await until(lambda: again.payloads)
    assert again.payloads == [b"last"]


async def test_stopping_does_not_hang_on_a_saturated_intake(mosquitto: Mosquitto) -> None:
    intake = HoldingIntake()
    limits = ClientLimits(receive_maximum=50, drain_seconds=0.1)
    async with ingesting(mosquitto, intake, limits=limits) as client:
        intake.saturated = True
        await mosquitto.publish("k-one", "one", RAW, numbered(50))
        await until(lambda: intake.relief)
        await client.stop()
    assert client.open_messages == 0


async def test_two_ingesters_share_the_readings_and_a_dead_one_gets_its_part_when_it_is_back(
    mosquitto: Mosquitto,
) -> None:
    one, two = HoldingIntake(settle_at_once=True), HoldingIntake(settle_at_once=True)
    async with ingesting(mosquitto, two, client_id="ingest-2"):
        async with ingesting(mosquitto, one) as client:
            await mosquitto.publish("k-one", "one", RAW, numbered(100))
            await until(lambda: len(one.payloads) + len(two.payloads) == 100)
            assert one.payloads
            assert two.payloads
            await crash(client)
            await client.stop()
        await mosquitto.publish("k-one", "one", RAW, numbered(100, start=100))
        async with ingesting(mosquitto, one):
            await until(lambda: len(one.payloads) + len(two.payloads) == 200)
    assert sorted(one.payloads + two.payloads) == sorted(numbered(200))


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_wrong_credentials_are_said_in_one_line_and_tried_again(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture, password: str
) -> None:
    client = IngestClient(
        mosquitto.address(password=password),
        client_id="ingest-1",
        subscriptions=[],
        intake=HoldingIntake(),
        limits=QUICK,
    )
    running = asyncio.create_task(client.run())
    await until(lambda: mosquitto.log().count("disconnected, not authorised") >= 3, "three trials")
    await client.stop()
    await running
    lines = [record.message for record in caplog.records if record.name.startswith("hortus")]
    assert len(lines) == 1
    assert "rejected the account 'hortus'" in lines[0]
    assert "MQTT_PASSWORD" in lines[0]


async def test_a_refused_subscription_is_said_and_not_taken_for_a_connection(mosquitto: Mosquitto) -> None:
    client = IngestClient(
        mosquitto.address("k-one", "one"),
        client_id="ingest-1",
        subscriptions=[Subscription(topic_filter=SHARED, qos=1)],
        intake=HoldingIntake(),
        limits=QUICK,
    )
    running = asyncio.create_task(client.run())
    await until(lambda: client.last_failure)
    assert not client.connected
    assert client.last_failure is not None
    assert f"refused the subscription {SHARED}: not authorized" in client.last_failure
    await client.stop()
    await running
