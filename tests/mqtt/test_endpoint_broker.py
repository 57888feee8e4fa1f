"""For all clients except kits the endpoint is an ordinary broker."""

from __future__ import annotations

import asyncio

import pytest
from endpoint_harness import SERVER, PacketClient, Setup, running

from hortus.protocol.mqtt.packets import (
    MQTT_3_1,
    MQTT_3_1_1,
    MQTT_5,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)
from waiting import until

LEVELS = [MQTT_3_1, MQTT_3_1_1, MQTT_5]


async def server(setup: Setup, level: int = MQTT_3_1_1, client_id: str = "", **fields: object) -> PacketClient:
    if level == MQTT_3_1 and not client_id:
        client_id = f"client-{len(setup.clients)}"
    return await PacketClient.connected(setup, SERVER, level=level, client_id=client_id, **fields)


async def nothing_more(client: PacketClient) -> bool:
    """Everything the endpoint had for this client arrived before the answer to a ping."""
    await client.send(Pingreq())
    return await client.next() == Pingresp()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_messages_are_delivered_at_the_lower_qos_of_both_sides(level: int, qos: int) -> None:
    async with running() as setup:
        subscriber = await server(setup, level)
        assert await subscriber.subscribe("a/+", qos=qos) == (qos,)
        for published_qos in (0, 1, 2):
            setup.endpoint.publish("a/b", b"x", published_qos)
            message = await subscriber.next_message()
            assert (message.topic, message.payload, message.qos) == ("a/b", b"x", min(qos, published_qos))
            if message.qos == 1:
                await subscriber.send(Puback(packet_id=message.packet_id))
            elif message.qos == 2:
                await subscriber.send(Pubrec(packet_id=message.packet_id))
                assert await subscriber.next() == Pubrel(packet_id=message.packet_id)
                await subscriber.send(Pubcomp(packet_id=message.packet_id))
        assert await nothing_more(subscriber)
        assert setup.endpoint._broker._allowance.used_bytes == 0


async def test_overlapping_subscriptions_deliver_once_at_the_highest_qos() -> None:
    async with running() as setup:
        subscriber = await server(setup, MQTT_5)
        for identifier, (topic_filter, qos) in enumerate([("a/b", 0), ("a/#", 1), ("#", 0)], start=1):
            subscription = Subscription(topic_filter=topic_filter, qos=qos)
            properties = Properties(subscription_identifiers=(identifier,))
            await subscriber.send(Subscribe(packet_id=1, subscriptions=(subscription,), properties=properties))
            await subscriber.next()
        setup.endpoint.publish("a/b", b"x", 2)
        message = await subscriber.next_message()
        assert message.qos == 1
        assert sorted(message.properties.subscription_identifiers) == [1, 2, 3]
        assert await nothing_more(subscriber)


async def test_unsubscribing_ends_delivery() -> None:
    async with running() as setup:
        for level, codes in ((MQTT_3_1_1, ()), (MQTT_5, (0, 0x11))):
            subscriber = await server(setup, level)
            await subscriber.subscribe("a/#", "b")
            await subscriber.send(Unsubscribe(packet_id=9, topic_filters=("a/#", "never")))
            assert await subscriber.next() == Unsuback(packet_id=9, reason_codes=codes)
            setup.endpoint.publish("a/b", b"x")
            setup.endpoint.publish("b", b"y")
            assert (await subscriber.next_message()).payload == b"y"


async def test_own_messages_are_not_delivered_with_no_local() -> None:
    async with running() as setup:
        client = await server(setup, MQTT_5)
        other = await server(setup, MQTT_5)
        for each in (client, other):
            await each.subscribe("a", no_local=True)
        await client.send(Publish("a", b"x"))
        assert (await other.next_message()).payload == b"x"
        assert await nothing_more(client)


async def test_retained_messages_greet_new_subscribers() -> None:
    async with running() as setup:
        publisher = await server(setup)
        await publisher.send(Publish("note/1", b"one", 1, 1, True), Publish("note/2", b"two", 2, 2, True))
        assert [await publisher.next(), await publisher.next()] == [Puback(packet_id=1), Pubrec(packet_id=2)]
        for level in LEVELS:
            reader = await server(setup, level)
            await reader.subscribe("note/+", qos=1)
            messages = [await reader.next_message() for _ in range(2)]
            assert {(each.topic, each.payload, each.qos, each.retain) for each in messages} == {
                ("note/1", b"one", 1, True),
                ("note/2", b"two", 1, True),
            }
        # Existing subscribers are not told that a message was retained.
        await publisher.send(Publish("note/1", b"new", 0, 0, True))
        assert not (await reader.next_message()).retain
        await publisher.send(Publish("note/1", b"", 1, 3, True))
        late = await server(setup)
        await late.subscribe("note/1")
        assert await nothing_more(late)


async def test_retained_messages_follow_the_options_of_mqtt_5() -> None:
    async with running() as setup:
        publisher = await server(setup)
        await publisher.send(Publish("note", b"x", 1, 1, True))
        await publisher.next()
        reader = await server(setup, MQTT_5)
        await reader.subscribe("note", qos=0, retain_handling=2)
        await reader.subscribe("note", qos=0, retain_handling=1)
        await reader.subscribe("$share/g/note", qos=0)
        assert await nothing_more(reader)
        await reader.subscribe("note", qos=0, retain_as_published=True)
        assert await reader.next_message() == Publish("note", b"x", 0, 0, True)
        await publisher.send(Publish("note", b"y", 0, 0, True))
        assert {(await reader.next_message()).retain for _ in range(2)} == {True, False}


async def test_a_shared_subscription_gives_each_message_to_one_member() -> None:
    async with running() as setup:
        members = [await server(setup, MQTT_5) for _ in range(2)]
        for member in members:
            await member.subscribe("$share/group/a/#", qos=0)
        other_group = await server(setup, MQTT_5)
        await other_group.subscribe("$share/others/a/#", qos=0)
        for number in range(10):
            setup.endpoint.publish("a/b", bytes([number]))
        received = [[(await member.next_message()).payload for _ in range(5)] for member in members]
        assert sorted(received[0] + received[1]) == [bytes([number]) for number in range(10)]
        assert [(await other_group.next_message()).payload for _ in range(10)]
        await members[0].close()
        await until(lambda: setup.counters.connections == 2)
        for number in range(4):
            setup.endpoint.publish("a/b", bytes([number]))
        assert [(await members[1].next_message()).payload for _ in range(4)] == [bytes([n]) for n in range(4)]


@pytest.mark.parametrize("level", LEVELS)
async def test_a_session_that_is_kept_gets_what_it_missed_at_qos_1_and_2(level: int) -> None:
    kept = Properties(session_expiry_interval_seconds=60)
    async with running() as setup:
        subscriber = await server(setup, level, "s", clean_start=False, properties=kept)
        await subscriber.subscribe("a")
        await subscriber.close()
        await until(lambda: setup.counters.connections == 0)
        for qos in (0, 1, 2):
            setup.endpoint.publish("a", bytes([qos]), qos)
        subscriber = await PacketClient.open(setup, level)
        answer = await subscriber.connect(SERVER, client_id="s", clean_start=False, properties=kept)
        assert answer.session_present is (level != MQTT_3_1)
        assert [(await subscriber.next_message()).payload for _ in range(2)] == [b"\x01", b"\x02"]
        # A clean start discards it.
        subscriber = await PacketClient.open(setup, level)
        answer = await subscriber.connect(SERVER, client_id="s", clean_start=True)
        assert not answer.session_present
        setup.endpoint.publish("a", b"x")
        assert await nothing_more(subscriber)


async def test_what_was_not_acknowledged_is_sent_again_in_order_after_a_reconnect() -> None:
    async with running() as setup:
        subscriber = await server(setup, client_id="s", clean_start=False)
        await subscriber.subscribe("a")
        for number, qos in enumerate((1, 2, 2, 1), start=1):
            setup.endpoint.publish("a", bytes([number]), qos)
        first = [await subscriber.next_message() for _ in range(4)]
        await subscriber.send(Pubrec(packet_id=first[2].packet_id), Puback(packet_id=first[3].packet_id))
        assert await subscriber.next() == Pubrel(packet_id=first[2].packet_id)
        subscriber = await server(setup, client_id="s", clean_start=False)
        again = [await subscriber.next() for _ in range(3)]
        assert again == [
            first[0]._replace(duplicate=True),
            first[1]._replace(duplicate=True),
            Pubrel(packet_id=first[2].packet_id),
        ]


async def test_the_receive_maximum_of_a_subscriber_is_kept() -> None:
    async with running() as setup:
        subscriber = await server(setup, MQTT_5, properties=Properties(receive_maximum=2))
        await subscriber.subscribe("a", qos=1)
        for number in range(5):
            setup.endpoint.publish("a", bytes([number]))
        first, second = await subscriber.next_message(), await subscriber.next_message()
        assert await nothing_more(subscriber)
        await subscriber.send(Puback(packet_id=second.packet_id))
        third = await subscriber.next_message()
        assert [first.payload, second.payload, third.payload] == [b"\x00", b"\x01", b"\x02"]
        assert await nothing_more(subscriber)
        # A rejected message (QoS 2, failed) frees its slot as well.
        await subscriber.send(Puback(packet_id=first.packet_id, reason_code=ReasonCode.UNSPECIFIED_ERROR))
        assert (await subscriber.next_message()).payload == b"\x03"


async def test_a_message_larger_than_a_subscriber_accepts_is_left_out() -> None:
    async with running() as setup:
        subscriber = await server(setup, MQTT_5, properties=Properties(maximum_packet_size_bytes=100))
        await subscriber.subscribe("a", qos=1)
        setup.endpoint.publish("a", b"x" * 100)
        setup.endpoint.publish("a", b"small")
        assert (await subscriber.next_message()).payload == b"small"
        assert setup.counters.messages_dropped == 1


async def test_properties_of_a_message_travel_to_mqtt_5_subscribers() -> None:
    async with running() as setup:
        new, old = await server(setup, MQTT_5), await server(setup)
        for subscriber in (new, old):
            await subscriber.subscribe("a", qos=0)
        properties = Properties(
            content_type="text/plain", correlation_data=b"1", response_topic="b", user_properties=(("k", "v"),)
        )
        publisher = await server(setup, MQTT_5)
        await publisher.send(Publish("a", b"x", properties=properties))
        assert await new.next_message() == Publish("a", b"x", properties=properties)
        assert await old.next_message() == Publish("a", b"x")


async def test_an_expired_message_is_not_delivered() -> None:
    async with running() as setup:
        subscriber = await server(setup, client_id="s", clean_start=False)
        await subscriber.subscribe("a")
        await subscriber.close()
        await until(lambda: setup.counters.connections == 0)
        publisher = await server(setup, MQTT_5)
        for seconds, packet_id in ((0, 1), (600, 2)):
            properties = Properties(message_expiry_interval_seconds=seconds)
            await publisher.send(Publish("a", bytes([packet_id]), 1, packet_id, properties=properties))
            await publisher.next()
        subscriber = await server(setup, MQTT_5, "s", clean_start=False)
        message = await subscriber.next_message()
        assert message.payload == b"\x02"
        assert 590 <= (message.properties.message_expiry_interval_seconds or 0) <= 600


async def test_a_will_is_published_when_the_client_vanishes_and_not_when_it_says_goodbye() -> None:
    async with running() as setup:
        watcher = await server(setup)
        await watcher.subscribe("wills/#", qos=0)
        for level in LEVELS:
            polite = await server(setup, level, will=Will(topic="wills/polite", payload=b"x"))
            await polite.send(Disconnect())
            assert await polite.is_closed()
            gone = await server(setup, level, will=Will(topic=f"wills/{level}", payload=b"x", qos=1))
            await gone.close()
            assert (await watcher.next_message()).topic == f"wills/{level}"
        unsure = await server(setup, MQTT_5, will=Will(topic="wills/asked", payload=b"x"))
        await unsure.send(Disconnect(reason_code=ReasonCode.DISCONNECT_WITH_WILL))
        assert (await watcher.next_message()).topic == "wills/asked"


async def test_a_delayed_will_waits_for_the_client_or_the_end_of_its_session() -> None:
    properties = Properties(session_expiry_interval_seconds=60)

    def will(name: str, seconds: int) -> Will:
        delay = Properties(will_delay_interval_seconds=seconds)
        return Will(topic=f"wills/{name}", payload=b"x", properties=delay)

    async with running() as setup:
        watcher = await server(setup)
        await watcher.subscribe("wills/#", qos=0)
        for name, seconds in (("returns", 30), ("forgotten", 30), ("due", 1)):
            client = await server(
                setup, MQTT_5, name, clean_start=False, will=will(name, seconds), properties=properties
            )
            await client.close()
        await until(lambda: setup.counters.connections == 1)
        await server(setup, MQTT_5, "returns", clean_start=False)
        await server(setup, MQTT_5, "forgotten", clean_start=True)
        assert (await watcher.next_message()).topic == "wills/forgotten"
        assert (await watcher.next_message()).topic == "wills/due"
        assert await nothing_more(watcher)


async def test_the_newer_connection_of_a_client_takes_the_session_over() -> None:
    async with running() as setup:
        first = await server(setup, MQTT_5, "s", properties=Properties(session_expiry_interval_seconds=9))
        await first.subscribe("a", qos=1)
        second = await server(setup, MQTT_5, "s", clean_start=False)
        assert await first.next() == Disconnect(reason_code=ReasonCode.SESSION_TAKEN_OVER)
        assert await first.is_closed()
        setup.endpoint.publish("a", b"x")
        assert (await second.next_message()).payload == b"x"


async def test_a_session_ends_when_its_client_stays_away_too_long() -> None:
    async with running() as setup:
        kept = Properties(session_expiry_interval_seconds=1)
        client = await server(setup, MQTT_5, "s", properties=kept)
        await client.subscribe("a")
        await client.close()
        await until(lambda: setup.endpoint.publish("a", b"x") == 0)
        client = await PacketClient.open(setup, MQTT_5)
        assert not (await client.connect(SERVER, client_id="s", clean_start=False)).session_present


async def test_a_client_may_change_how_long_its_session_is_kept_when_it_leaves() -> None:
    async with running() as setup:
        kept = Properties(session_expiry_interval_seconds=60)
        client = await server(setup, MQTT_5, "s", properties=kept)
        await client.subscribe("a")
        await client.send(Disconnect(properties=Properties(session_expiry_interval_seconds=0)))
        assert await client.is_closed()
        await until(lambda: setup.counters.connections == 0)
        assert setup.endpoint.publish("a", b"x") == 0
        client = await server(setup, MQTT_5, "t")
        await client.send(Disconnect(properties=kept))
        assert await client.next() == Disconnect(reason_code=ReasonCode.PROTOCOL_ERROR)


async def test_many_subscribers_come_and_go_while_messages_flow() -> None:
    async with running() as setup:
        steady = await server(setup)
        await steady.subscribe("a/#", qos=0)
        for number in range(30):
            guest = await server(setup)
            await guest.subscribe("a/+", f"a/{number}", qos=1)
            setup.endpoint.publish(f"a/{number}", bytes([number]))
            assert (await guest.next_message()).payload == bytes([number])
            assert (await steady.next_message()).payload == bytes([number])
            await guest.close()
        await until(lambda: setup.counters.connections == 1)
        await asyncio.sleep(0)
        assert setup.endpoint._broker._allowance.used_bytes == 0
