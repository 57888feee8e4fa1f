"""`hortus ingest --to kafka` behind a broker that keeps kits out until it has subscribed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka_processes import Process, hortus
from kafka_world import Topics

from mosquitto_process import Mosquitto
from waiting import until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path, waits_for="readings media")
    mosquitto.seed([("k-one", "one")])
    with mosquitto.start():
        yield mosquitto


@pytest.fixture
def ingester(broker: Mosquitto, topics: Topics, tmp_path: Path) -> Iterator[Process]:
    address = broker.address()
    environment = topics.environment | {
        "MQTT_HOST": address.host,
        "MQTT_PORT": str(address.port),
        "MQTT_USERNAME": str(address.username),
        "MQTT_PASSWORD": str(address.password),
    }
    process = hortus("ingest", "--to", "kafka", environment=environment, log=tmp_path / "ingest.log")
    yield process
    process.stop()


async def test_kits_are_let_in_once_it_takes_readings_and_media(broker: Mosquitto, ingester: Process) -> None:
    await until(lambda: "The broker lets kits in." in ingester.log(), "the gate to open")
    sent = [b"%d" % number for number in range(10)]
    assert await broker.publish("k-one", "one", "kit/k-one/measurement/raw", sent) == 0


async def test_it_opens_the_gate_of_a_broker_that_was_started_again(
    broker: Mosquitto, ingester: Process
) -> None:
    await until(lambda: "The broker lets kits in." in ingester.log(), "the gate to open")
    broker.stop()
    broker.start()
    await until(lambda: broker.log().count("kits are let in") == 2, "the gate to open again")
