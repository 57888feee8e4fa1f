"""An error of ours in handling one connection, will or message harms nothing else (P4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from endpoint_harness import KIT, OTHER_KIT, RAW, SERVER, FakeIntake, PacketClient, Setup, running

from hortus.protocol.mqtt.endpoint import Identity, IdentityKind
from hortus.protocol.mqtt.endpoint.connection import EndpointConnection
from hortus.protocol.mqtt.endpoint.sessions import Session
from hortus.protocol.mqtt.packets import (
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

CLOSED_BY_ERROR = Disconnect(reason_code=ReasonCode.UNSPECIFIED_ERROR)


def fail(*_arguments: Any, **_more: Any) -> None:
    raise ZeroDivisionError("a mistake of ours")


class FailingIntake(FakeIntake):
    """Fails on one payload."""

    def offer(self, source: Any, handle: int, topic: str, payload: bytes) -> None:
        if payload == b"poison":
            fail()
        super().offer(source, handle, topic, payload)


def session_of(setup: Setup, name: str, client_id: str) -> Session:
    kind = IdentityKind.SERVER if name == SERVER else IdentityKind.KIT
    session = setup.endpoint._broker._sessions.get(Identity(kind=kind, name=name), client_id)
    assert session is not None
    return session


def connection_of(setup: Setup, name: str, client_id: str) -> EndpointConnection:
    connection = session_of(setup, name, client_id).connection
    assert isinstance(connection, EndpointConnection)
    return connection


async def is_alive(client: PacketClient) -> bool:
    await client.send(Pingreq())
    return await client.next() == Pingresp()


async def test_a_subscriber_that_cannot_be_written_to_is_closed_and_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as setup:
        broken = await PacketClient.connected(setup, SERVER, level=MQTT_5, client_id="broken")
        good = await PacketClient.connected(setup, SERVER, level=MQTT_5, client_id="good")
        for each in (broken, good):
            await each.subscribe("kit/#", qos=1)
        monkeypatch.setattr(session_of(setup, SERVER, "broken").outbound, "offer", fail)
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"1", 1, 1), Publish(RAW, b"2", 1, 2))
        assert [await kit.next(), await kit.next()] == [Puback(packet_id=1), Puback(packet_id=2)]
        assert [(await good.next_message()).payload for _ in range(2)] == [b"1", b"2"]
        assert await broken.next() == CLOSED_BY_ERROR
        assert setup.counters.internal_errors >= 1
        assert "a mistake of ours" in caplog.text


async def test_a_message_that_cannot_be_kept_for_an_absent_subscriber_reaches_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as setup:
        absent = await PacketClient.connected(setup, SERVER, client_id="absent", clean_start=False)
        await absent.subscribe("kit/#", qos=1)
        await absent.close()
        await until(lambda: setup.counters.connections == 0)
        monkeypatch.setattr(session_of(setup, SERVER, "absent").outbound, "offer", fail)
        good = await PacketClient.connected(setup, SERVER)
        await good.subscribe("kit/#", qos=0)
        kit = await PacketClient.connected(setup)
        await kit.send(Publish(RAW, b"x", 1, 1))
        assert await kit.next() == Puback(packet_id=1)
        assert (await good.next_message()).payload == b"x"
        assert setup.counters.internal_errors == 1


async def test_a_message_that_mqtt_cannot_express_is_left_out_and_counted() -> None:
    async with running() as setup:
        subscriber = await PacketClient.connected(setup, SERVER, level=MQTT_5, client_id="s")
        await subscriber.subscribe("a", qos=1)
        impossible = Publish("a", b"x", 1, properties=Properties(server_reference="elsewhere"))
        setup.endpoint._broker.route(impossible)
        setup.endpoint.publish("a", b"good")
        assert (await subscriber.next_message()).payload == b"good"
        assert (setup.counters.messages_dropped, setup.counters.internal_errors) == (1, 1)
        assert session_of(setup, SERVER, "s").outbound.waiting_messages == 1


async def test_an_acknowledgement_that_fails_ends_its_own_connection_and_no_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intake = FakeIntake(settles_at_once=False)
    async with running(intake=intake) as setup:
        broken = await PacketClient.connected(setup, level=MQTT_5, client_id="broken")
        good = await PacketClient.connected(setup, OTHER_KIT)
        await broken.send(Publish(RAW, b"1", 1, 1))
        await until(lambda: len(intake.open) == 1)
        await good.send(Publish(f"kit/{OTHER_KIT}/measurement/raw", b"2", 1, 7))
        await until(lambda: len(intake.open) == 2)
        monkeypatch.setattr(connection_of(setup, KIT, "broken"), "_acknowledge", fail)
        intake.settle_all()
        assert await good.next() == Puback(packet_id=7)
        assert await broken.next() == CLOSED_BY_ERROR
        assert setup.endpoint.unsettled_messages == 0
        assert setup.counters.internal_errors == 1


async def test_a_packet_that_is_handled_wrongly_ends_its_own_connection() -> None:
    async with running(intake=FailingIntake()) as setup:
        broken = await PacketClient.connected(setup, level=MQTT_5)
        good = await PacketClient.connected(setup, OTHER_KIT)
        await broken.send(Publish(RAW, b"poison", 1, 1))
        assert await broken.next() == CLOSED_BY_ERROR
        assert await is_alive(good)
        assert setup.counters.internal_errors == 1
        assert (setup.endpoint.unsettled_messages, setup.endpoint.unsettled_bytes) == (0, 0)


@pytest.mark.parametrize("delay_seconds", [0, 1])
async def test_a_will_that_cannot_be_published_keeps_no_other_from_it(
    delay_seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    properties = Properties(session_expiry_interval_seconds=60)
    async with running(intake=FailingIntake()) as setup:
        for payload in (b"poison", b"good"):
            will = Will(
                topic=RAW,
                payload=payload,
                properties=Properties(will_delay_interval_seconds=delay_seconds),
            )
            kit = await PacketClient.connected(setup, level=MQTT_5, will=will, properties=properties)
            await kit.close()
        await until(lambda: setup.intake.messages == [(RAW, b"good")])
        assert setup.counters.internal_errors == 1
        assert f"The will of {KIT} on topic {RAW!r} was not published." in caplog.text
        silent = await PacketClient.connected(setup, level=MQTT_5, keep_alive_seconds=1)
        assert await silent.next() == Disconnect(reason_code=ReasonCode.KEEP_ALIVE_TIMEOUT)


async def test_a_connection_that_cannot_be_swept_is_closed_and_the_others_are_swept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as setup:
        broken = await PacketClient.connected(setup, level=MQTT_5, client_id="broken")
        monkeypatch.setattr(connection_of(setup, KIT, "broken"), "_is_silent", fail)
        assert await broken.next() == CLOSED_BY_ERROR
        silent = await PacketClient.connected(setup, level=MQTT_5, keep_alive_seconds=1)
        assert await silent.next() == Disconnect(reason_code=ReasonCode.KEEP_ALIVE_TIMEOUT)


async def test_an_expired_session_that_cannot_be_ended_keeps_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = Properties(session_expiry_interval_seconds=1)
    async with running() as setup:
        for client_id in ("broken", "good"):
            client = await PacketClient.connected(
                setup, SERVER, level=MQTT_5, client_id=client_id, properties=kept
            )
            await client.subscribe(f"news/{client_id}")
            await client.close()
        await until(lambda: setup.counters.connections == 0)
        monkeypatch.setattr(session_of(setup, SERVER, "broken").outbound, "clear", fail)
        await until(lambda: setup.endpoint.publish("news/good", b"x") == 0)
        await until(lambda: setup.endpoint.publish("news/broken", b"x") == 0)
        assert setup.counters.internal_errors == 1


async def test_a_log_in_that_fails_after_the_password_was_checked_is_ended_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as setup:
        kept = await PacketClient.connected(setup, client_id="s", clean_start=False)
        await kept.close()
        await until(lambda: setup.counters.connections == 0)
        with monkeypatch.context() as patched:
            patched.setattr(session_of(setup, KIT, "s").outbound, "attach", fail)
            client = await PacketClient.open(setup)
            assert (await client.connect(client_id="s", clean_start=False)).reason_code == 0
            assert await client.is_closed()
        await until(lambda: setup.counters.connections == 0)
        assert setup.counters.internal_errors == 1
        again = await PacketClient.connected(setup, client_id="s", clean_start=False)
        assert await is_alive(again)


async def test_queued_messages_that_cannot_be_sent_end_the_connection_of_their_subscriber(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(max_unsent_bytes=4096) as setup:
        slow = await PacketClient.connected(setup, SERVER, level=MQTT_5, client_id="slow")
        await slow.subscribe("a", qos=1)
        slow.pause_reading()
        while session_of(setup, SERVER, "slow").outbound.waiting_messages < 200:
            setup.endpoint.publish("a", b"x" * 50_000)
            await asyncio.sleep(0)
        monkeypatch.setattr(session_of(setup, SERVER, "slow").outbound, "drain", fail)
        slow.resume_reading()
        assert await slow.is_closed()
        await until(lambda: setup.counters.connections == 0)
        assert setup.counters.internal_errors == 1


async def test_publishers_are_resumed_although_one_of_them_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as setup:
        kits = {}
        for client_id in ("a", "b", "c"):
            kits[client_id] = await PacketClient.connected(setup, client_id=client_id)
            await kits[client_id].send(Publish(RAW, b"1", 1, 1))
            assert await kits[client_id].next() == Puback(packet_id=1)
        monkeypatch.setattr(connection_of(setup, KIT, "b"), "go_on", fail)
        setup.intake.saturated = True
        await kits["a"].send(Publish(RAW, b"2", 1, 2))
        assert await kits["a"].next() == Puback(packet_id=2)
        setup.intake.relieve()
        for client_id in ("a", "c"):
            assert await is_alive(kits[client_id])
        assert setup.counters.internal_errors == 1


async def test_a_sweep_that_was_cancelled_is_started_again() -> None:
    kept = Properties(session_expiry_interval_seconds=1)
    async with running() as setup:
        silent = await PacketClient.connected(setup, level=MQTT_5, keep_alive_seconds=1)
        absent = await PacketClient.connected(setup, SERVER, level=MQTT_5, properties=kept)
        await absent.subscribe("news")
        await absent.close()
        [sweep] = [task for task in asyncio.all_tasks() if "_sweep_for_ever" in repr(task.get_coro())]
        sweep.cancel()  # its supervisor starts it again
        assert await silent.next() == Disconnect(reason_code=ReasonCode.KEEP_ALIVE_TIMEOUT)
        await until(lambda: setup.endpoint.publish("news", b"x") == 0)


async def test_stopping_closes_the_other_connections_although_one_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as setup:
        clients = {}
        for client_id in ("a", "b", "c"):
            clients[client_id] = await PacketClient.connected(setup, level=MQTT_5, client_id=client_id)
        for method in ("pause", "close"):
            monkeypatch.setattr(connection_of(setup, KIT, "b"), method, fail)
        await setup.endpoint.stop()
        for client_id in ("a", "c"):
            assert await clients[client_id].next() == Disconnect(reason_code=ReasonCode.SERVER_SHUTTING_DOWN)
        assert await clients["b"].is_closed()
        assert setup.counters.internal_errors == 2
