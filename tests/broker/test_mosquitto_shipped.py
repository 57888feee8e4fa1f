"""The shipped configuration in a real Mosquitto: no access without an account, or to others' topics."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bare_kit import Kit

from hortus.flow.broker.roles import BROKER_FIGURES
from hortus.protocol.mqtt.client import BrokerAddress, ClientLimits, MqttClient
from hortus.protocol.mqtt.packets import MQTT_3_1_1, MQTT_5, Publish
from hortus.protocol.mqtt.topics import TopicChannel
from mosquitto_process import Mosquitto
from waiting import until

QUICK = ClientLimits(reconnect_first_seconds=0.05, reconnect_most_seconds=0.2)


@contextlib.asynccontextmanager
async def running(client: MqttClient) -> AsyncIterator[MqttClient]:
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        await client.stop()
        await task


@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
@pytest.mark.parametrize(
    ("username", "password"), [(None, None), ("k-one", "wrong"), ("k-one", None), ("k-two", "one"), ("", "")]
)
async def test_nobody_comes_in_without_an_account(
    mosquitto: Mosquitto, username: str | None, password: str | None, level: int
) -> None:
    kit = Kit(mosquitto, level)
    assert await kit.connect(username, password) in {4, 5, 0x86, 0x87}
    await kit.close()


async def test_a_kit_publishes_on_its_topics_and_on_no_others(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    mosquitto.seed([("k-one", "one"), ("k-two", "two")])
    mosquitto.start()
    kit = Kit(mosquitto)
    assert await kit.connect("k-one", "one") == 0
    may = {TopicChannel.MEASUREMENT_RAW, TopicChannel.MEASUREMENT_AGGREGATE, TopicChannel.MEDIA}
    may |= {TopicChannel.SERVER_RPC_REQUEST, TopicChannel.KIT_RPC_RESPONSE}
    accepted = {0x00, 0x10}  # 0x10: nobody subscribed
    for channel in TopicChannel:
        answer = await kit.publish(f"kit/k-one/{channel.value}")
        assert (answer in accepted) == (channel in may), channel
        assert await kit.publish(f"kit/k-two/{channel.value}") == 0x87
    for topic in ("kit/k-one/other", "kit/k-one", "other", "$CONTROL/dynamic-security/v1"):
        assert await kit.publish(topic) == 0x87
    await kit.close()


async def test_a_kit_reads_its_two_topics_and_no_others(mosquitto: Mosquitto) -> None:
    kit = Kit(mosquitto)
    assert await kit.connect("k-one", "one") == 0
    for channel in TopicChannel:
        may = channel in {TopicChannel.SERVER_RPC_RESPONSE, TopicChannel.KIT_RPC_REQUEST}
        assert (await kit.subscribe(f"kit/k-one/{channel.value}") == 1) == may
        assert await kit.subscribe(f"kit/k-two/{channel.value}") == 0x87
        assert await kit.subscribe(f"kit/+/{channel.value}") == 0x87
        assert await kit.subscribe(f"$share/hortus/kit/+/{channel.value}") == 0x87
    for topic_filter in ("kit/k-one/#", "kit/#", "#", "+/+/+/+", "$SYS/#", "$CONTROL/#"):
        assert await kit.subscribe(topic_filter) == 0x87
    await kit.close()


async def test_the_server_asks_a_kit_and_nobody_else_hears_it(mosquitto: Mosquitto) -> None:
    kit = Kit(mosquitto, MQTT_3_1_1)
    assert await kit.connect("k-one", "one") == 0
    assert await kit.subscribe("kit/k-one/kit-rpc/request") == 1
    server = Kit(mosquitto)
    assert await server.connect("hortus", "server-secret") == 0
    assert await server.publish("kit/k-one/kit-rpc/request", b"question") == 0
    assert await server.publish("kit/k-one/measurement/raw") == 0x87
    question = await kit.next_packet()
    assert isinstance(question, Publish)
    assert question.payload == b"question"
    await kit.close()
    await server.close()


async def test_nothing_is_retained(mosquitto: Mosquitto) -> None:
    kit = Kit(mosquitto, MQTT_3_1_1)
    assert await kit.connect("k-one", "one") == 0
    assert await kit.publish("kit/k-one/measurement/raw", retain=True) is None
    await kit.close()


async def test_tls_is_offered_and_the_certificate_is_checked(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(tmp_path / "server.key"), "-out", str(tmp_path / "server.crt"), "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    with Mosquitto(tmp_path, tls=True).start() as broker:
        for certificates, trusted in ((str(tmp_path / "server.crt"), True), (None, False)):
            tls = ssl.create_default_context(cafile=certificates)
            address = BrokerAddress(
                host="127.0.0.1", port=broker.tls_port, username="hortus", password="server-secret", tls=tls
            )
            async with running(MqttClient(address, client_id="over-tls", limits=QUICK)) as client:
                await until(lambda client=client: client.connected or client.last_failure)
                assert client.connected == trusted
                assert trusted or "No TLS connection" in str(client.last_failure)


async def test_a_full_queue_drops_the_newest_says_so_and_counts_them(tmp_path: Path) -> None:
    """No setting prevents this; docs/mosquitto.md explains how to monitor it."""
    broker = Mosquitto(tmp_path, {"max_queued_messages": "100", "sys_interval": "1"})
    broker.seed([("k-one", "one")])
    figures: dict[str, bytes] = {}
    payloads: list[bytes] = []

    def ingester() -> MqttClient:
        client = MqttClient(broker.address(), client_id="away", clean_start=False)
        client.subscribe("kit/+/measurement/raw", lambda _topic, payload: payloads.append(payload))
        return client

    watcher = MqttClient(broker.address(), client_id="watcher")
    for topic in BROKER_FIGURES:
        watcher.subscribe(topic, figures.__setitem__)
    with broker.start():
        async with running(watcher):
            await watcher.wait_until_ready()
            async with running(ingester()) as client:
                await client.wait_until_ready()
            sent = [b"%d" % number for number in range(150)]
            assert await broker.publish("k-one", "one", "kit/k-one/measurement/raw", sent) == 0
            await until(lambda: figures.get("$SYS/broker/publish/messages/dropped") == b"50")
            await until(lambda: int(figures.get("$SYS/broker/store/messages/count", b"0")) >= 100)
            async with running(ingester()):
                await until(lambda: len(payloads) == 100)
    assert payloads == sent[:100]
    assert broker.log().count("Outgoing messages are being dropped for client away") == 1
