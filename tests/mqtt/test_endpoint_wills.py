"""Wills of MQTT 5 clients: when they are published, with what, and when they are not."""

from __future__ import annotations

import pytest
from endpoint_harness import KIT, RAW, SERVER, PacketClient, Setup, running

from hortus.protocol.mqtt.packets import (
    MQTT_3_1_1,
    MQTT_5,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    ReasonCode,
    Will,
)
from waiting import until

REQUEST = f"kit/{KIT}/server-rpc/request"


def will(topic: str = "wills/one", *, delay_seconds: int | None = None, **fields: object) -> Will:
    properties = Properties(will_delay_interval_seconds=delay_seconds)
    return Will(**({"topic": topic, "payload": b"gone", "properties": properties} | fields))  # type: ignore[arg-type]


def kept_for(seconds: int) -> Properties:
    return Properties(session_expiry_interval_seconds=seconds)


async def watcher_of(setup: Setup, topic_filter: str = "wills/#") -> PacketClient:
    watcher = await PacketClient.connected(setup, SERVER, level=MQTT_5)
    await watcher.subscribe(topic_filter, qos=0, retain_as_published=True)
    return watcher


async def vanish(setup: Setup, client: PacketClient) -> None:
    remaining = setup.counters.connections - 1
    await client.close()
    await until(lambda: setup.counters.connections == remaining)


async def nothing_more(client: PacketClient) -> bool:
    await client.send(Pingreq())
    return await client.next() == Pingresp()


@pytest.mark.parametrize("delay_seconds", [None, 0, 1])
@pytest.mark.parametrize("topic", [RAW, REQUEST])
async def test_the_will_of_a_kit_is_delivered_without_its_delay_and_stored_like_a_message(
    topic: str, delay_seconds: int | None
) -> None:
    async with running() as setup:
        watcher = await watcher_of(setup, "kit/#")
        kit = await PacketClient.connected(
            setup, level=MQTT_5, will=will(topic, delay_seconds=delay_seconds), properties=kept_for(60)
        )
        await kit.close()
        assert await watcher.next_message() == Publish(topic, b"gone")
        assert setup.intake.messages == ([(RAW, b"gone")] if topic == RAW else [])
        assert (setup.counters.internal_errors, setup.counters.messages_dropped) == (0, 0)


async def test_after_a_delayed_will_silent_connections_are_still_closed() -> None:
    async with running(connect_timeout_seconds=1) as setup:
        watcher = await watcher_of(setup, "kit/#")
        kit = await PacketClient.connected(
            setup, level=MQTT_5, will=will(REQUEST, delay_seconds=1), properties=kept_for(60)
        )
        await kit.close()
        assert (await watcher.next_message()).topic == REQUEST
        stranger = await PacketClient.open(setup)
        silent = await PacketClient.connected(setup, level=MQTT_5, keep_alive_seconds=1)
        assert await stranger.is_closed()
        assert await silent.next() == Disconnect(reason_code=ReasonCode.KEEP_ALIVE_TIMEOUT)
        assert await silent.is_closed()


async def test_a_client_that_stays_silent_has_its_will_published() -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        await PacketClient.connected(setup, SERVER, level=MQTT_5, keep_alive_seconds=1, will=will())
        assert (await watcher.next_message()).topic == "wills/one"


async def test_a_delayed_will_comes_before_its_session_ends() -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        client = await PacketClient.connected(
            setup, SERVER, level=MQTT_5, client_id="s", will=will(delay_seconds=1), properties=kept_for(600)
        )
        await client.close()
        assert (await watcher.next_message()).topic == "wills/one"
        again = await PacketClient.open(setup, MQTT_5)
        assert (await again.connect(SERVER, client_id="s", clean_start=False)).session_present


async def test_a_session_that_ends_before_the_delay_is_over_publishes_the_will() -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        client = await PacketClient.connected(
            setup, SERVER, level=MQTT_5, client_id="s", will=will(delay_seconds=600), properties=kept_for(1)
        )
        await client.close()
        assert (await watcher.next_message()).topic == "wills/one"
        again = await PacketClient.open(setup, MQTT_5)
        assert not (await again.connect(SERVER, client_id="s", clean_start=False)).session_present
        assert await nothing_more(watcher)


@pytest.mark.parametrize("expiry_seconds", [0, 60])
@pytest.mark.parametrize("clean_start", [True, False])
@pytest.mark.parametrize("delay_seconds", [0, 60])
async def test_a_delayed_will_is_dropped_if_its_session_is_taken_over_and_goes_on(
    delay_seconds: int, clean_start: bool, expiry_seconds: int
) -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        options = {"level": MQTT_5, "client_id": "s", "properties": kept_for(expiry_seconds)}
        first = await PacketClient.connected(setup, SERVER, will=will(delay_seconds=delay_seconds), **options)
        await PacketClient.connected(setup, SERVER, clean_start=clean_start, **options)
        assert await first.next() == Disconnect(reason_code=ReasonCode.SESSION_TAKEN_OVER)
        assert await first.is_closed()
        await until(lambda: setup.counters.connections == 2)
        goes_on = expiry_seconds and not clean_start
        if delay_seconds and goes_on:
            assert await nothing_more(watcher)
        else:
            assert (await watcher.next_message()).topic == "wills/one"
        assert await nothing_more(watcher)


async def test_before_mqtt_5_the_will_of_a_connection_that_is_taken_over_is_published() -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        options = {"level": MQTT_3_1_1, "client_id": "s", "clean_start": False}
        first = await PacketClient.connected(setup, SERVER, will=will(), **options)
        await PacketClient.connected(setup, SERVER, **options)
        assert await first.is_closed()
        assert (await watcher.next_message()).topic == "wills/one"


async def test_a_client_that_returns_in_time_has_no_will_published_then_or_later() -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        options = {"level": MQTT_5, "client_id": "s", "properties": kept_for(60)}
        client = await PacketClient.connected(setup, SERVER, will=will(delay_seconds=30), **options)
        await vanish(setup, client)
        client = await PacketClient.connected(setup, SERVER, clean_start=False, **options)
        await vanish(setup, client)
        assert await nothing_more(watcher)
        await PacketClient.connected(setup, SERVER, clean_start=True, **options)
        assert await nothing_more(watcher)


@pytest.mark.parametrize(
    "reason", [ReasonCode.DISCONNECT_WITH_WILL, ReasonCode.UNSPECIFIED_ERROR, ReasonCode.ADMINISTRATIVE_ACTION]
)
async def test_only_a_normal_disconnection_takes_the_will_back(reason: ReasonCode) -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        normal = await PacketClient.connected(setup, SERVER, level=MQTT_5, will=will("wills/normal"))
        await normal.send(Disconnect())
        assert await normal.is_closed()
        other = await PacketClient.connected(setup, SERVER, level=MQTT_5, will=will("wills/other"))
        await other.send(Disconnect(reason_code=reason))
        assert (await watcher.next_message()).topic == "wills/other"
        assert await nothing_more(watcher)


async def test_a_disconnection_with_will_keeps_to_the_delay_unless_it_ends_the_session() -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        for client_id, leaving in (("waits", Properties()), ("ends", kept_for(0))):
            client = await PacketClient.connected(
                setup,
                SERVER,
                level=MQTT_5,
                client_id=client_id,
                will=will(f"wills/{client_id}", delay_seconds=30),
                properties=kept_for(60),
            )
            await client.send(Disconnect(reason_code=ReasonCode.DISCONNECT_WITH_WILL, properties=leaving))
            assert await client.is_closed()
        assert (await watcher.next_message()).topic == "wills/ends"
        assert await nothing_more(watcher)


@pytest.mark.parametrize("delay_seconds", [None, 0, 1])
async def test_the_other_properties_of_a_will_travel_with_it(delay_seconds: int | None) -> None:
    carried = {
        "payload_format_indicator": 1,
        "content_type": "text/plain",
        "response_topic": "answers",
        "correlation_data": b"7",
        "user_properties": (("plant", "basil"), ("plant", "cress")),
    }
    async with running() as setup:
        watcher = await watcher_of(setup)
        last_words = will(
            properties=Properties(
                will_delay_interval_seconds=delay_seconds,
                message_expiry_interval_seconds=600,
                **carried,  # type: ignore[arg-type]
            )
        )
        client = await PacketClient.connected(
            setup, SERVER, level=MQTT_5, will=last_words, properties=kept_for(60)
        )
        await client.close()
        message = await watcher.next_message()
        left_seconds = message.properties.message_expiry_interval_seconds
        assert left_seconds is not None
        assert 0 < left_seconds <= 600
        expected = Properties(message_expiry_interval_seconds=left_seconds, **carried)  # type: ignore[arg-type]
        assert message == Publish("wills/one", b"gone", properties=expected)


@pytest.mark.parametrize("delay_seconds", [None, 1])
async def test_a_will_can_be_retained(delay_seconds: int | None) -> None:
    async with running() as setup:
        watcher = await watcher_of(setup)
        last_words = will(delay_seconds=delay_seconds, retain=True, qos=1)
        client = await PacketClient.connected(
            setup, SERVER, level=MQTT_5, will=last_words, properties=kept_for(60)
        )
        await client.close()
        assert await watcher.next_message() == Publish("wills/one", b"gone", 0, 0, True)
        late = await PacketClient.connected(setup, SERVER, level=MQTT_5)
        await late.subscribe("wills/#", qos=1)
        message = await late.next_message()
        assert (message.payload, message.qos, message.retain) == (b"gone", 1, True)
        await late.send(Puback(packet_id=message.packet_id))


@pytest.mark.parametrize("delay_seconds", [0, 600])
async def test_a_kit_that_is_cut_off_has_its_will_published_at_once(delay_seconds: int) -> None:
    async with running() as setup:
        watcher = await watcher_of(setup, "kit/#")
        kit = await PacketClient.connected(
            setup, level=MQTT_5, will=will(REQUEST, delay_seconds=delay_seconds), properties=kept_for(900)
        )
        setup.endpoint.disconnect_kit(KIT)
        assert await kit.is_closed()
        assert (await watcher.next_message()).topic == REQUEST
