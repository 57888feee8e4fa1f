"""The broker's gate: kits come in only once Hortus has subscribed, after each start of the broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from bare_kit import Kit

from hortus.app.observation import observation
from hortus.base.supervision import Supervisor
from hortus.flow.broker.accounts import BrokerAccounts
from hortus.flow.broker.control import ControlClient
from hortus.flow.broker.gate import GatePart, GateState, GateTimes, KitGate
from hortus.flow.broker.roles import GATE_TOPIC
from hortus.protocol.mqtt.client import ClientLimits, MqttClient
from hortus.protocol.mqtt.packets import MQTT_3_1_1, MQTT_5
from mosquitto_process import Mosquitto
from waiting import until

QUICK = ClientLimits(reconnect_first_seconds=0.05, reconnect_most_seconds=0.2)
TIMES = GateTimes(answer_seconds=2.0, closed_seconds=0.05, absent_seconds=0.05)
RAW = "$share/hortus/kit/+/measurement/raw"
NOT_AUTHORIZED = {MQTT_3_1_1: 5, MQTT_5: 0x87}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker that waits for two parts."""
    mosquitto = Mosquitto(tmp_path, waits_for="readings questions")
    mosquitto.seed([("k-one", "one")])
    with mosquitto.start():
        yield mosquitto


@contextlib.asynccontextmanager
async def announcing(
    broker: Mosquitto, *parts: GatePart, topic_filter: str = RAW, username: str = "hortus"
) -> AsyncIterator[KitGate]:
    """Subscribe as a process of Hortus does, and tell the gate."""
    password = {"hortus": "server-secret", "k-one": "one"}[username]
    name = "-".join(part.value for part in parts)
    client = MqttClient(broker.address(username, password), client_id=f"test-{name}", limits=QUICK)
    client.subscribe(topic_filter, lambda _topic, _payload: None)
    gate = KitGate(client, parts, TIMES)
    tasks = [asyncio.create_task(client.run()), asyncio.create_task(gate.run())]
    try:
        yield gate
    finally:
        tasks[1].cancel()
        await client.stop()
        await tasks[0]


async def login(broker: Mosquitto, level: int = MQTT_3_1_1) -> int:
    """Return what the broker answers a kit that connects."""
    kit = Kit(broker, level)
    code = await kit.connect("k-one", "one")
    await kit.close()
    return code


@pytest.mark.parametrize("level", [MQTT_3_1_1, MQTT_5])
async def test_kits_are_refused_until_every_part_has_subscribed(broker: Mosquitto, level: int) -> None:
    assert await login(broker, level) == NOT_AUTHORIZED[level]
    async with announcing(broker, GatePart.READINGS) as readings:
        await until(lambda: readings.state is GateState.CLOSED)
        assert await login(broker, level) == NOT_AUTHORIZED[level]
        assert readings.keeps_kits_out
        assert readings.sentence == (
            "The broker keeps kits out until these parts of Hortus have subscribed: questions (hortus rpc)."
        )
        async with announcing(broker, GatePart.QUESTIONS) as questions:
            await until(lambda: readings.state is questions.state is GateState.OPEN)
            assert await login(broker, level) == 0
    assert "kits are let in" in broker.log()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_broker_that_starts_again_keeps_kits_out_again(broker: Mosquitto, end: signal.Signals) -> None:
    async with announcing(broker, GatePart.READINGS, GatePart.QUESTIONS) as gate:
        await until(lambda: gate.state is GateState.OPEN)
    broker.stop(end)
    broker.start()
    assert await login(broker) == 5
    async with announcing(broker, GatePart.READINGS, GatePart.QUESTIONS) as gate:
        await until(lambda: gate.state is GateState.OPEN)
        assert await login(broker) == 0


async def test_processes_that_reconnect_open_the_gate_of_a_new_broker(broker: Mosquitto) -> None:
    async with announcing(broker, GatePart.READINGS, GatePart.QUESTIONS) as gate:
        await until(lambda: gate.state is GateState.OPEN)
        broker.stop(signal.SIGKILL)
        await until(lambda: gate.state is GateState.UNKNOWN)
        broker.start()
        await until(lambda: gate.state is GateState.OPEN)
        assert await login(broker) == 0


async def test_kits_go_on_when_those_who_opened_are_gone_and_after_a_reload(broker: Mosquitto) -> None:
    async with announcing(broker, GatePart.READINGS, GatePart.QUESTIONS) as gate:
        await until(lambda: gate.state is GateState.OPEN)
        kit = Kit(broker)
        assert await kit.connect("k-one", "one") == 0
    broker.send_signal(signal.SIGHUP)
    assert await kit.publish("kit/k-one/measurement/raw") in {0, 0x10}
    assert await login(broker) == 0  # the signal has been handled by now, before the second round of the broker
    assert await login(broker) == 0
    await kit.close()


async def test_health_and_metrics_say_that_kits_are_kept_out_and_why(broker: Mosquitto) -> None:
    async with announcing(broker, GatePart.READINGS) as gate:
        await until(lambda: gate.state is GateState.CLOSED)
        app = observation(Supervisor(), None, None, lambda: datetime.now(UTC), gate)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            health = await client.get("/healthz")
            assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
            kits = health.json()["parts"]["kits"]
            assert (kits["gate"], kits["waitsFor"]) == ("closed", ["questions"])
            assert "questions (hortus rpc)" in kits["state"]
            assert 'hortus_broker_gate{state="closed"} 1.0' in (await client.get("/metrics")).text
            async with announcing(broker, GatePart.QUESTIONS):
                await until(lambda: gate.state is GateState.OPEN)
            health = await client.get("/healthz")
            assert (health.status_code, health.json()["parts"]["kits"]["gate"]) == (200, "open")
            assert 'hortus_broker_gate{state="open"} 1.0' in (await client.get("/metrics")).text


async def test_a_kit_cannot_open_the_gate(broker: Mosquitto) -> None:
    async with announcing(broker, GatePart.READINGS, GatePart.QUESTIONS) as gate:
        await until(lambda: gate.state is GateState.OPEN)
        kit = Kit(broker)
        assert await kit.connect("k-one", "one") == 0
        assert await kit.publish(GATE_TOPIC, b"readings") == 0x87
        await kit.close()


async def test_a_part_is_not_announced_before_its_subscription_is_granted(broker: Mosquitto) -> None:
    async with announcing(broker, GatePart.READINGS, topic_filter="not/for/us") as gate:
        await until(
            lambda: gate._client.last_failure and "refused the subscription" in gate._client.last_failure
        )
        async with announcing(broker, GatePart.QUESTIONS) as other:
            await until(lambda: other.state is GateState.CLOSED)
            assert other.waits_for == ("readings",)


async def test_a_broker_without_the_gate_is_said_to_have_none(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with announcing(mosquitto, GatePart.READINGS) as gate:
        await until(lambda: gate.state is GateState.ABSENT)
        assert not gate.keeps_kits_out
        await until(lambda: "acknowledged and lost" in caplog.text)


async def test_a_gate_behind_the_plugin_with_the_accounts_is_said_to_be_bypassed(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, waits_for="readings")
    lines = broker.configuration.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.endswith("/hortus_gate.so"))
    gate_lines = [line for line in lines[first:] if line.startswith("plugin")][:5]
    rest = [line for line in lines if line not in gate_lines]
    broker.configuration.write_text("\n".join([*rest, *gate_lines]) + "\n")
    with broker.start():
        async with announcing(broker, GatePart.READINGS) as gate:
            await until(lambda: gate.state is GateState.BYPASSED)
            assert "before those of the dynamic-security plugin" in gate.sentence


async def test_rights_of_an_older_installation_are_corrected_and_then_kits_come_in(broker: Mosquitto) -> None:
    broker.stop()
    broker.security_file.write_text(broker.security_file.read_text().replace(GATE_TOPIC, "$CONTROL/other/v1"))
    broker.start()
    async with announcing(broker, GatePart.READINGS, GatePart.QUESTIONS) as gate:
        await until(lambda: gate.state is GateState.FORBIDDEN)
        assert gate.keeps_kits_out
        async with ControlClient(broker.control_address, QUICK) as control:
            await control.wait_until_ready(10)
            accounts = BrokerAccounts(control)
            await accounts.reconcile(await accounts.list_accounts(), {"k-one": False})
        await until(lambda: gate.state is GateState.OPEN)


async def test_it_is_said_that_the_broker_was_killed_and_not_that_it_was_stopped(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    broker.stop(signal.SIGTERM)
    broker.start()
    async with announcing(broker, GatePart.READINGS) as gate:
        await until(lambda: gate.state is GateState.CLOSED)
        assert "was killed" not in broker.log() + caplog.text
        broker.stop(signal.SIGKILL)
        broker.start()
        await until(lambda: "is in its journal" in caplog.text)
        assert gate.as_json()["brokerWasKilled"]
    assert "was killed or lost power" in broker.log()
