"""A virtual kit whose server is silent, hangs up, refuses it or sends nonsense."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from virtual_kit_helpers import PASSWORD, SERIAL, STANDARD, FakeBroker, configuration, running

from hortus.protocol.mqtt.packets import (
    Connect,
    Disconnect,
    Pingreq,
    Publish,
    Pubrel,
    Subscribe,
    Subscription,
)
from hortus.protocol.wire.codec import decode_aggregate_measurement
from hortus.simulator.kit import VirtualKit
from hortus.simulator.kit_connection import LinkSettings
from hortus.simulator.options import BootTimes, KitCredentials, SimulatorOptions
from waiting import until

AGGREGATE = "measurement/aggregate"
QUICK = LinkSettings(
    retry_seconds=0.2,
    first_reconnect_seconds=0.02,
    longest_reconnect_seconds=0.08,
    connect_timeout_seconds=0.3,
)


@asynccontextmanager
async def kit_at(
    broker: FakeBroker,
    link: LinkSettings = QUICK,
    *,
    boot: BootTimes | None = None,
    raw_qos: int = 0,
    speed: float = 120,
) -> AsyncIterator[VirtualKit]:
    async with broker.serving():
        options = SimulatorOptions(
            port=broker.port, speed=speed, link=link, boot=boot or BootTimes(), raw_qos=raw_qos
        )
        kit = VirtualKit(KitCredentials(serial=SERIAL, password=PASSWORD), options)
        async with running(kit.run()):
            yield kit


async def test_it_connects_and_subscribes_as_the_contract_observed() -> None:
    broker = FakeBroker()
    async with kit_at(broker) as kit:
        await until(lambda: kit.measuring, "the kit runs")
    connect, first, second, question = broker.packets[0][:4]
    assert connect == Connect(
        client_id="",
        protocol_level=4,
        clean_start=True,
        keep_alive_seconds=60,
        username=SERIAL,
        password=PASSWORD.encode(),
    )
    assert isinstance(first, Subscribe)
    assert isinstance(second, Subscribe)
    assert first.subscriptions == (Subscription(topic_filter=f"kit/{SERIAL}/server-rpc/response", qos=1),)
    assert second.subscriptions == (Subscription(topic_filter=f"kit/{SERIAL}/kit-rpc/request", qos=1),)
    assert isinstance(question, Publish)
    assert (question.topic, question.qos, question.retain) == (f"kit/{SERIAL}/server-rpc/request", 1, False)


async def test_raw_readings_go_at_qos_0_and_aggregates_at_qos_2() -> None:
    broker = FakeBroker()
    async with kit_at(broker):
        await until(lambda: broker.packets and broker.published(AGGREGATE), "a window closes")
    assert {packet.qos for packet in broker.published("measurement/raw")} == {0}
    assert {packet.qos for packet in broker.published(AGGREGATE)} == {2}


async def test_an_unacknowledged_message_is_sent_again_with_dup_on_the_same_connection() -> None:
    broker = FakeBroker(acknowledge_aggregates=False)
    async with kit_at(broker) as kit:
        await until(
            lambda: broker.packets and sum(packet.duplicate for packet in broker.published(AGGREGATE)) >= 6,
            "two rounds of copies",
        )
        assert kit.counts.connections == 1
        assert kit.counts.aggregates_acknowledged == 0
    first = broker.published(AGGREGATE)[0]
    copies = [packet for packet in broker.published(AGGREGATE) if packet.packet_id == first.packet_id]
    assert not first.duplicate
    assert len(copies) >= 3
    assert set(copies[1:]) == {first._replace(duplicate=True)}


async def test_a_release_without_completion_is_sent_again() -> None:
    broker = FakeBroker(complete=False)
    async with kit_at(broker) as kit:
        await until(
            lambda: (
                broker.packets
                and [type(packet) for packet in broker.packets[0]].count(Pubrel) > 3 * len(broker.packets)
            ),
            "releases are repeated",
        )
        assert kit.counts.aggregates_acknowledged >= 3
    assert not any(packet.duplicate for packet in broker.published(AGGREGATE))


async def test_after_a_reconnect_everything_unfinished_is_sent_again_in_full_and_in_order() -> None:
    broker = FakeBroker(acknowledge_aggregates=False)
    async with kit_at(broker, replace(QUICK, retry_seconds=20.0)) as kit:
        await until(lambda: broker.packets and len(broker.published(AGGREGATE)) >= 6, "two windows close")
        kit.stop_measuring()
        before = broker.published(AGGREGATE, 0)
        broker.acknowledge_aggregates = True
        broker.hang_up()
        await until(lambda: kit.unfinished_messages == 0, "the server has it all")
        await until(lambda: kit.counts.connections == 2, "the kit is back")
    again = broker.published(AGGREGATE, 1)
    assert [packet.payload for packet in again] == [packet.payload for packet in before]
    assert all(packet.duplicate for packet in again)
    assert kit.counts.aggregates_acknowledged == len(before)


async def test_a_message_that_lacks_only_its_completion_is_sent_in_full_after_a_reconnect() -> None:
    broker = FakeBroker(complete=False)
    async with kit_at(broker, replace(QUICK, retry_seconds=20.0)) as kit:
        await until(lambda: kit.counts.aggregates_acknowledged >= 3, "a window is taken over")
        kit.stop_measuring()
        before = broker.published(AGGREGATE, 0)
        broker.complete = True
        broker.hang_up()
        await until(lambda: kit.unfinished_messages == 0, "all is completed")
    assert [p.payload for p in broker.published(AGGREGATE, 1)] == [p.payload for p in before]
    # Accepted once each, however often they were sent.
    assert kit.counts.aggregates_acknowledged == len(before)


async def test_at_most_twenty_messages_are_in_flight_and_the_rest_follows_in_order() -> None:
    broker = FakeBroker(acknowledge_aggregates=False)
    async with kit_at(broker, replace(QUICK, retry_seconds=30.0), speed=600) as kit:
        await until(lambda: kit.unfinished_messages >= 30, "more waits than may be in flight")
        assert len(broker.published(AGGREGATE)) <= 20
        await until(lambda: len(broker.published(AGGREGATE)) == 20, "the window is full")
        kit.stop_measuring()
        broker.acknowledge_aggregates = True
        broker.hang_up()
        await until(lambda: kit.unfinished_messages == 0, "all is acknowledged")
    sent = [decode_aggregate_measurement(packet.payload) for packet in broker.published(AGGREGATE, 1)]
    assert len(sent) >= 30
    assert [m.datetime_end_ms for m in sent] == sorted(m.datetime_end_ms for m in sent)
    assert len({message.id for message in sent}) == len(sent)


async def test_a_full_queue_discards_and_counts_instead_of_growing() -> None:
    broker = FakeBroker(acknowledge_aggregates=False)
    async with kit_at(broker, replace(QUICK, queue_messages=4), speed=600) as kit:
        await until(lambda: kit.counts.discarded >= 5, "the queue is full")
        assert kit.unfinished_messages <= 24


async def test_raw_readings_at_qos_1_are_counted_when_acknowledged() -> None:
    broker = FakeBroker()
    async with kit_at(broker, raw_qos=1) as kit:
        await until(lambda: kit.counts.raw_acknowledged >= 9, "readings are acknowledged")
        kit.stop_measuring()
        await until(lambda: kit.unfinished_messages == 0, "all is acknowledged")
        assert kit.counts.raw_acknowledged == kit.counts.raw_sent


async def test_raw_readings_at_qos_0_are_lost_without_a_connection() -> None:
    broker = FakeBroker()
    async with kit_at(broker) as kit:
        await until(lambda: kit.measuring, "the kit runs")
        broker.answer_connect = False
        broker.hang_up()
        await until(lambda: kit.counts.raw_lost >= 3, "readings are lost")


async def test_it_connects_again_when_connect_stays_unanswered() -> None:
    broker = FakeBroker(answer_connect=False)
    async with kit_at(broker) as kit:
        await until(lambda: len(broker.packets) >= 2, "a second attempt")
        broker.answer_connect = True
        await until(lambda: kit.measuring, "the kit runs")


async def test_it_tries_for_ever_with_wrong_credentials_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    broker = FakeBroker(return_code=5)
    async with kit_at(broker) as kit:
        await until(lambda: len(broker.packets) >= 4, "more attempts")
        assert not kit.connected
    assert f"kit {SERIAL}: the server refused serial or password" in caplog.messages


async def test_it_pings_when_idle_and_hangs_up_without_an_answer() -> None:
    broker = FakeBroker(answer_pings=False, configurations=[configuration()])
    async with kit_at(broker, replace(QUICK, keep_alive_seconds=1)) as kit:
        await until(lambda: kit.counts.connections == 2, "the kit connects anew")
    assert Pingreq() in broker.packets[0]


async def test_it_uses_the_configuration_it_knows_when_a_reboot_finds_the_server_silent() -> None:
    broker = FakeBroker()
    async with kit_at(broker, boot=BootTimes(answer_timeout_seconds=0.1)) as kit:
        await until(lambda: kit.measuring, "the kit runs")
        broker.answer_questions = False
        kit.reboot()
        await until(lambda: not kit.measuring, "the kit boots")
        await until(lambda: kit.measuring, "the kit runs again")


async def test_without_any_answer_it_says_so_and_asks_again(caplog: pytest.LogCaptureFixture) -> None:
    broker = FakeBroker(answer_questions=False)
    boot = BootTimes(answer_timeout_seconds=0.05, ask_again_seconds=0.05)
    async with kit_at(broker, boot=boot) as kit:
        await until(lambda: broker.packets and len(broker.published("server-rpc/request")) >= 2, "it asks")
        broker.answer_questions = True
        await until(lambda: kit.measuring, "the kit runs")
    assert f"kit {SERIAL} got no configuration from the server; asking again later" in caplog.messages


async def test_a_configuration_that_cannot_be_read_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    broker = FakeBroker(configurations=["[]", "nonsense", STANDARD])
    async with kit_at(broker, boot=BootTimes(ask_again_seconds=0.02)) as kit:
        await until(lambda: kit.measuring, "the kit runs")
    assert sum("cannot be read" in message for message in caplog.messages) == 2


async def test_bytes_that_are_not_mqtt_end_the_connection_and_it_reconnects() -> None:
    broker = FakeBroker()
    async with kit_at(broker) as kit:
        await until(lambda: kit.measuring, "the kit runs")
        broker.send(b"\xff\xff\xff\xff\xff\xff")
        await until(lambda: kit.counts.connections == 2, "the kit is back")


async def test_cancelling_sends_disconnect() -> None:
    broker = FakeBroker()
    async with broker.serving():
        options = SimulatorOptions(port=broker.port, link=QUICK)
        kit = VirtualKit(KitCredentials(serial=SERIAL, password=PASSWORD), options)
        async with running(kit.run()):
            await until(lambda: kit.measuring, "the kit runs")
        await until(lambda: broker.packets[0][-1] == Disconnect(), "the kit says goodbye")
