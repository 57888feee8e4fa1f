"""The client against a broker that follows the test's script, correct or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from hortus.base.intake import MessageSource
from hortus.protocol.mqtt.client import (
    BrokerAddress,
    BrokerUnreachableError,
    ClientLimits,
    ConnectionLostError,
    IngestClient,
    MqttClient,
    PublishRefusedError,
)
from hortus.protocol.mqtt.packets import (
    MQTT_5,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    encode,
)
from programs import free_port
from waiting import until

TOPIC = "kit/k-one/measurement/raw"
QUICK = ClientLimits(reconnect_first_seconds=0.01, reconnect_most_seconds=0.05, drain_seconds=0.1)
P = TypeVar("P")


class ScriptedBroker:
    """Accepts one connection at a time and collects its packets; the test answers."""

    def __init__(self) -> None:
        self.received: list[Packet] = []
        self.connections = 0
        self.chunks: list[bytes] = []
        self.connack = Connack()
        self.silent = False
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def send(self, *packets: Packet) -> None:
        assert self._writer
        self._writer.write(b"".join(encode(packet, MQTT_5) for packet in packets))

    def of_type(self, kind: type[P]) -> list[P]:
        return [packet for packet in self.received if isinstance(packet, kind)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.connections += 1
        packets = PacketReader(1_000_000, MQTT_5)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.chunks.append(data)
                found = packets.feed(data)
                while found:
                    for packet in found:
                        self._take(packet)
                    found = packets.feed(b"")
        writer.close()

    def _take(self, packet: Packet) -> None:
        self.received.append(packet)
        if self.silent:
            return
        if isinstance(packet, Disconnect):
            self.hang_up()
        elif isinstance(packet, Connect):
            self.send(self.connack)
        elif isinstance(packet, Subscribe):
            self.send(Suback(packet_id=packet.packet_id, reason_codes=(1,) * len(packet.subscriptions)))


class Intake:
    saturated = False

    def __init__(self) -> None:
        self.open: list[tuple[MessageSource, int, bytes]] = []
        self.sizes: list[int] = []

    def when_relieved(self, callback: Callable[[], None]) -> None:
        raise AssertionError("this intake is never saturated")

    def offer(self, source: MessageSource, handle: int, topic: str, payload: bytes) -> None:
        self.open.append((source, handle, payload))

    def offer_head(
        self, source: MessageSource, handle: int, topic: str, head: bytes, payload_bytes: int
    ) -> None:
        self.sizes.append(payload_bytes)
        self.open.append((source, handle, head))


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    broker = ScriptedBroker()
    yield broker
    await broker.stop()


@contextlib.asynccontextmanager
async def ingesting(
    broker: ScriptedBroker, intake: Intake, limits: ClientLimits = QUICK
) -> AsyncIterator[IngestClient]:
    port = await broker.start()
    client = IngestClient(
        BrokerAddress(host="127.0.0.1", port=port, username="hortus", password="secret"),
        client_id="ingest-1",
        subscriptions=[Subscription(topic_filter="$share/hortus/kit/+/measurement/raw", qos=1)],
        intake=intake,
        limits=limits,
    )
    async with running(client):
        await until(lambda: client.connected)
        yield client


@contextlib.asynccontextmanager
async def running(client: MqttClient) -> AsyncIterator[None]:
    task = asyncio.create_task(client.run())
    try:
        yield
    finally:
        await client.stop()
        await task


async def test_it_requests_a_persistent_session_and_announces_its_limits(broker: ScriptedBroker) -> None:
    limits = ClientLimits(receive_maximum=77, session_expiry_seconds=1000, max_packet_bytes=5000)
    async with ingesting(broker, Intake(), limits):
        pass
    connect = broker.of_type(Connect)[0]
    assert connect == Connect(
        client_id="ingest-1",
        protocol_level=MQTT_5,
        clean_start=False,
        keep_alive_seconds=30,
        username="hortus",
        password=b"secret",
        properties=Properties(
            session_expiry_interval_seconds=1000,
            receive_maximum=77,
            # An ingester accepts any size: a broker would drop packets above an announced limit.
            maximum_packet_size_bytes=None,
        ),
    )
    assert broker.received[-1] == Disconnect()


async def test_an_ordinary_client_announces_its_maximum_packet_size(broker: ScriptedBroker) -> None:
    client = MqttClient(
        BrokerAddress(host="127.0.0.1", port=await broker.start()),
        client_id="rpc-1",
        limits=ClientLimits(max_packet_bytes=5000),
    )
    async with running(client):
        await until(lambda: client.connected)
    assert broker.of_type(Connect)[0].properties.maximum_packet_size_bytes == 5000


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_the_beginning_of_an_oversized_message_is_offered_and_reading_continues(
    broker: ScriptedBroker, qos: int
) -> None:
    intake = Intake()
    limits = ClientLimits(max_packet_bytes=10_000, drain_seconds=0.1)
    large = bytes(range(256)) * 10_000
    async with ingesting(broker, intake, limits) as client:
        broker.send(Publish(TOPIC, large, qos, 5 if qos else 0), Publish(TOPIC, b"behind", 1, 6))
        await until(lambda: len(intake.open) == 2)
        assert [payload for _, _, payload in intake.open] == [large[:4096], b"behind"]
        assert intake.sizes == [len(large)]
        assert client.open_bytes == 4096 + len(b"behind")
        client.settle([handle for _, handle, _ in intake.open])
        await until(lambda: Puback(packet_id=6) in broker.received)
        assert broker.connections == 1
        assert client.open_messages == client.open_bytes == 0
    answers = [Puback(packet_id=5)] if qos == 1 else [Pubrec(packet_id=5)] if qos == 2 else []
    assert [each for each in broker.received if getattr(each, "packet_id", 0) == 5] == answers


async def test_all_acknowledgements_of_a_batch_are_one_write(broker: ScriptedBroker) -> None:
    intake = Intake()
    async with ingesting(broker, intake) as client:
        broker.send(*(Publish(TOPIC, b"x", 1, packet_id) for packet_id in range(1, 1001)))
        await until(lambda: len(intake.open) == 1000)
        assert not broker.of_type(Puback)
        broker.chunks.clear()
        client.settle([handle for _, handle, _ in intake.open])
        await until(lambda: len(broker.of_type(Puback)) == 1000)
        assert broker.chunks == [b"".join(encode(Puback(packet_id=n), MQTT_5) for n in range(1, 1001))]


async def test_qos_2_is_received_when_settled_and_completed_when_released(broker: ScriptedBroker) -> None:
    intake = Intake()
    async with ingesting(broker, intake) as client:
        broker.send(Publish(TOPIC, b"x", 2, 9))
        await until(lambda: intake.open)
        assert not broker.of_type(Pubrec)
        client.settle([intake.open[0][1]])
        await until(lambda: broker.of_type(Pubrec))
        broker.send(Pubrel(packet_id=9))
        await until(lambda: broker.of_type(Pubcomp))
    assert [broker.of_type(Pubrec), broker.of_type(Pubcomp)] == [[Pubrec(packet_id=9)], [Pubcomp(packet_id=9)]]


async def test_a_release_that_is_left_from_an_older_connection_is_completed(broker: ScriptedBroker) -> None:
    async with ingesting(broker, Intake()):
        broker.send(Pubrel(packet_id=4711))
        await until(lambda: broker.of_type(Pubcomp))
    assert broker.of_type(Pubcomp) == [Pubcomp(packet_id=4711)]


async def test_a_packet_identifier_that_is_still_open_ends_the_connection_before_harm_is_done(
    broker: ScriptedBroker,
) -> None:
    intake = Intake()
    async with ingesting(broker, intake) as client:
        broker.send(Publish(TOPIC, b"older", 1, 5), Publish(TOPIC, b"newer", 1, 5))
        await until(lambda: broker.connections == 2 and client.connected)
        assert [payload for _, _, payload in intake.open] == [b"older"]
        client.settle([intake.open[0][1]])
        broker.send(Publish(TOPIC, b"older", 1, 5))
        await until(lambda: len(intake.open) == 2)
        client.settle([intake.open[1][1]])
        await until(lambda: broker.of_type(Puback))
        assert client.stale_settlements == 1
    assert broker.of_type(Puback) == [Puback(packet_id=5)]


async def test_a_message_of_qos_0_is_offered_and_counted_until_it_is_settled(broker: ScriptedBroker) -> None:
    intake = Intake()
    async with ingesting(broker, intake) as client:
        broker.send(Publish(TOPIC, b"abc"), Publish(TOPIC, b"de"))
        await until(lambda: len(intake.open) == 2)
        assert (client.open_messages, client.open_bytes) == (2, 5)
        client.settle([handle for _, handle, _ in intake.open])
        assert (client.open_messages, client.open_bytes) == (0, 0)
    assert not broker.of_type(Puback)


async def test_messages_before_malformed_bytes_are_offered(broker: ScriptedBroker) -> None:
    intake = Intake()
    async with ingesting(broker, intake) as client:
        assert broker._writer
        broker._writer.write(encode(Publish(TOPIC, b"good", 1, 1), MQTT_5) + b"\x36\x07\x00\x01a\x00\x01\x00x")
        await until(lambda: broker.connections == 2)
        assert [payload for _, _, payload in intake.open] == [b"good"]
        await until(lambda: client.connected)


async def test_a_broker_that_does_not_answer_pings_is_disconnected(broker: ScriptedBroker) -> None:
    limits = ClientLimits(keep_alive_seconds=1, reconnect_first_seconds=0.01, drain_seconds=0.1)
    async with ingesting(broker, Intake(), limits):
        await until(lambda: broker.connections == 2)


async def test_the_reason_of_a_disconnect_is_explained(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingesting(broker, Intake()):
        broker.send(Disconnect(reason_code=0x8E))
        await until(lambda: broker.connections == 2)
    assert "Another client connected with the same client id" in caplog.text


async def test_publishing_returns_when_the_broker_has_the_message(broker: ScriptedBroker) -> None:
    async with ingesting(broker, Intake()) as client:
        once = asyncio.create_task(client.publish("kit/k-one/kit-rpc/request", b"do", 1))
        await until(lambda: broker.of_type(Publish))
        assert not once.done()
        broker.send(Puback(packet_id=broker.of_type(Publish)[0].packet_id))
        await once
        twice = asyncio.create_task(client.publish("kit/k-one/kit-rpc/request", b"do", 2))
        await until(lambda: len(broker.of_type(Publish)) == 2)
        packet_id = broker.of_type(Publish)[1].packet_id
        broker.send(Pubrec(packet_id=packet_id))
        await until(lambda: broker.of_type(Pubrel))
        assert not twice.done()
        broker.send(Pubcomp(packet_id=packet_id))
        await twice


async def test_a_failed_publish_reports_the_reason(broker: ScriptedBroker) -> None:
    broker.connack = Connack(properties=Properties(maximum_packet_size_bytes=100))
    async with ingesting(broker, Intake()) as client:
        with pytest.raises(PublishRefusedError, match="larger than the broker accepts"):
            await client.publish("kit/k-one/kit-rpc/request", b"x" * 100)
        refused = asyncio.create_task(client.publish("kit/k-one/media", b"x"))
        await until(lambda: broker.of_type(Publish))
        broker.send(Puback(packet_id=broker.of_type(Publish)[0].packet_id, reason_code=0x87))
        with pytest.raises(PublishRefusedError, match=r"not authorized \(0x87\)"):
            await refused
        lost = asyncio.create_task(client.publish("kit/k-one/media", b"x"))
        await until(lambda: len(broker.of_type(Publish)) == 2)
        broker.hang_up()
        with pytest.raises(ConnectionLostError):
            await lost


async def test_publishing_without_a_connection_fails_at_once() -> None:
    client = MqttClient(BrokerAddress(host="127.0.0.1", port=1), client_id="nobody")
    with pytest.raises(BrokerUnreachableError):
        await client.publish("a", b"")


async def test_a_callback_gets_its_topics_and_an_error_in_it_affects_no_others(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, bytes]] = []

    def callback(topic: str, payload: bytes) -> None:
        heard.append((topic, payload))
        if payload == b"bad":
            raise ValueError("cannot")

    intake = Intake()
    async with ingesting(broker, intake) as client:
        client.subscribe("kit/+/kit-rpc/response", callback)
        await until(lambda: len(broker.of_type(Subscribe)) == 2)
        answer = "kit/k-one/kit-rpc/response"
        broker.send(Publish(answer, b"bad", 1, 1), Publish(answer, b"good", 1, 2), Publish(TOPIC, b"x", 1, 3))
        await until(lambda: intake.open)
        await until(lambda: len(broker.of_type(Puback)) == 2)
        broker.hang_up()
        await until(lambda: broker.connections == 2 and client.connected)
        assert {subscription.topic_filter for subscription in broker.of_type(Subscribe)[-1].subscriptions} == {
            "$share/hortus/kit/+/measurement/raw",
            "kit/+/kit-rpc/response",
        }
    assert heard == [(answer, b"bad"), (answer, b"good")]
    assert "could not be handled" in caplog.text


async def test_an_unreachable_broker_and_its_return_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hortus")
    port = free_port()
    client = MqttClient(BrokerAddress(host="127.0.0.1", port=port), client_id="patient", limits=QUICK)
    async with running(client):
        await until(lambda: client.last_failure)
        broker = ScriptedBroker()
        await broker.start(port)
        await until(lambda: client.connected)
    await broker.stop()
    first, last = [record.message for record in caplog.records if record.name.startswith("hortus")]
    assert f"no connection to the broker 127.0.0.1:{port}" in first
    assert "MQTT_HOST and MQTT_PORT" in first
    assert last == f"connected to the broker 127.0.0.1:{port} as patient"


async def test_an_unresolvable_broker_name_is_reported() -> None:
    client = MqttClient(BrokerAddress(host="no-such-host.invalid", port=1883), client_id="lost", limits=QUICK)
    async with running(client):
        await until(lambda: client.last_failure)
    assert client.last_failure == (
        "The broker's name no-such-host.invalid cannot be resolved; check MQTT_HOST."
    )


async def test_stopping_does_not_wait_for_a_broker_that_never_answers(broker: ScriptedBroker) -> None:
    broker.silent = True
    port = await broker.start()
    limits = ClientLimits(connect_timeout_seconds=1000)
    client = MqttClient(BrokerAddress(host="127.0.0.1", port=port), client_id="c", limits=limits)
    async with running(client):
        await until(lambda: broker.received)
