"""Kits publish continuously while parts are killed: nothing acknowledged is lost, and nothing is duplicated."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import asyncpg
import pytest
import pytest_asyncio
from kafka_cluster import KafkaCluster
from kafka_processes import OpenMosquitto, Process, hortus
from kafka_world import Topics, make_topics

from hortus.base.database.engine import open_engine
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.domain.definitions.store import load_definitions
from hortus.domain.kits.store import KitStore, NewKit, add_standard_configuration
from hortus.flow.kafka.connection import KafkaConnection
from hortus.flow.migrations.migrate import upgrade
from hortus.protocol.mqtt.client import BrokerAddress, ConnectionLostError, MqttClient
from hortus.protocol.wire.codec import encode_raw_measurement
from hortus.protocol.wire.messages import RawMeasurement
from waiting import PATIENCE_SECONDS, until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

KITS = 8
_ROWS = "SELECT count(*) AS readings, count(DISTINCT id) AS ids FROM raw_measurements"
_LEDGER = """
SELECT sum(received) AS received, sum(stored) AS stored, sum(duplicate) AS duplicate,
       sum(quarantined + refused) AS other
FROM ingest_ledger
"""


@pytest.fixture(scope="module")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(tmp_path_factory.mktemp("three-brokers"), nodes=3)
    yield cluster
    cluster.stop(signal.SIGKILL)


@dataclass
class Installation:
    """The complete path: Mosquitto, one ingester, Kafka with three brokers, two sinks, PostgreSQL."""

    cluster: KafkaCluster
    topics: Topics
    postgres: EmbeddedPostgres
    mosquitto: OpenMosquitto
    ingester: Process
    sinks: list[Process]
    series: list[tuple[str, int]]
    acknowledged: set[uuid.UUID] = field(default_factory=set)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self) -> None:
        """Publish readings like kits do, until stopped; record the acknowledged ones."""
        address = BrokerAddress(host="127.0.0.1", port=self.mosquitto.port)
        client = MqttClient(address, client_id="load")
        running = asyncio.create_task(client.run())
        await client.wait_until_ready()
        for serial, peripheral in itertools.cycle(self.series):
            if self._stop.is_set():
                break
            await asyncio.gather(*(self._publish_one(client, serial, peripheral) for _ in range(5)))
            await asyncio.sleep(0.01)
        await client.stop()
        await running

    async def _publish_one(self, client: MqttClient, serial: str, peripheral: int) -> None:
        identifier = uuid.uuid4()
        reading = RawMeasurement(
            id=identifier.bytes,
            datetime_ms=int(time.time() * 1000),
            peripheral=peripheral,
            quantity_type=1,
            value=1.0,
        )
        topic = f"kit/{serial}/measurement/raw"
        with contextlib.suppress(ConnectionLostError):
            await client.publish(topic, encode_raw_measurement(reading))
            self.acknowledged.add(identifier)

    async def more_acknowledged(self, count: int) -> None:
        target = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= target, "the kits' acknowledgements")

    async def more_stored(self, count: int) -> None:
        """Wait until the database has this many more readings than now."""
        before = await self._fetch_count()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self._fetch_count() < before + count:
            assert time.monotonic() < deadline, self.logs()
            await asyncio.sleep(0.05)

    async def _fetch_count(self) -> int:
        connection = await asyncpg.connect(self.postgres.url.libpq())
        try:
            return await connection.fetchval("SELECT count(*) FROM raw_measurements")
        finally:
            await connection.close()

    async def all_stored(self) -> None:
        """Compare the database with the readings acknowledged so far; the load continues."""
        acknowledged = set(self.acknowledged)
        connection = await asyncpg.connect(self.postgres.url.libpq())
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while missing := acknowledged - await _stored_ids(connection):
                assert time.monotonic() < deadline, f"{len(missing)} missing\n{self.logs()}"
                await asyncio.sleep(0.1)
            # Rows and counts are committed together, so one look at both must show them in agreement.
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                rows = await connection.fetchrow(_ROWS)
                ledger = await connection.fetchrow(_LEDGER)
        finally:
            await connection.close()
        assert rows["readings"] == rows["ids"] == ledger["stored"]
        assert ledger["received"] == ledger["stored"] + ledger["duplicate"]
        assert ledger["other"] == 0

    def logs(self) -> str:
        return "\n".join(process.log()[-3000:] for process in [self.ingester, *self.sinks])


async def _stored_ids(connection: asyncpg.Connection) -> set[uuid.UUID]:
    rows = await connection.fetch("SELECT id FROM raw_measurements")
    return {uuid.UUID(bytes=row["id"].bytes) for row in rows}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    three_brokers: KafkaCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One for all faults, under load from the first to the last of them."""
    tmp_path = tmp_path_factory.mktemp("installation")
    connection = KafkaConnection(bootstrap=three_brokers.bootstrap)
    topics = await asyncio.to_thread(make_topics, connection, "faults", partitions=4, replication=3)
    postgres = EmbeddedPostgres(tmp_path / "postgres", owner_password="owner", superuser_password="super")
    await postgres.start()
    series = []
    async with open_engine(postgres.url) as engine:
        await upgrade(engine)
        async with engine.begin() as transaction:
            await load_definitions(transaction)
            for number in range(KITS):
                kit = await KitStore().create(transaction, NewKit(name=f"kit {number}"))
                peripherals = await add_standard_configuration(transaction, kit.id)
                series.append((kit.serial, peripherals[0].id))
    mosquitto = OpenMosquitto(tmp_path / "mosquitto")
    environment = topics.environment | {
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(mosquitto.port),
        "DATABASE_URL": postgres.url.libpq(),
    }
    without_database = {name: value for name, value in environment.items() if name != "DATABASE_URL"}
    ingester = hortus("ingest", "--to", "kafka", environment=without_database, log=tmp_path / "ingest.log")
    sinks = [hortus("sink", environment=environment, log=tmp_path / f"sink-{n}.log") for n in (1, 2)]
    stage = Installation(three_brokers, topics, postgres, mosquitto, ingester, sinks, series)
    # The session at the broker exists from here on: what is acknowledged afterwards waits for the ingester.
    await until(lambda: "connected to the broker" in ingester.log(), "the ingester")
    load = asyncio.create_task(stage.publish())
    try:
        await stage.more_stored(100)
        yield stage
    finally:
        stage._stop.set()
        await load
        exit_codes = [process.stop() for process in [ingester, *sinks]]
        mosquitto.stop()
        await postgres.stop(patience_seconds=2)
    assert exit_codes == [0, 0, 0]


async def test_the_ingester_is_killed(installation: Installation) -> None:
    installation.ingester.kill()
    await installation.more_acknowledged(300)
    installation.ingester.start()
    await installation.more_stored(300)
    await installation.all_stored()


async def test_a_sink_is_killed_and_the_other_takes_over(installation: Installation) -> None:
    installation.sinks[0].kill()
    await installation.more_stored(300)
    installation.sinks[0].start()
    await installation.more_stored(300)
    await installation.all_stored()


async def test_one_of_three_kafka_brokers_is_killed(installation: Installation) -> None:
    victim = installation.cluster.nodes[1]
    victim.stop(signal.SIGKILL)
    try:
        await installation.more_stored(500)
    finally:
        await asyncio.to_thread(installation.cluster.start, [victim])
    await installation.more_stored(300)
    await installation.all_stored()


async def test_postgresql_is_killed(installation: Installation) -> None:
    process_id = installation.postgres.process_id
    assert process_id is not None
    os.kill(process_id, signal.SIGKILL)
    await installation.more_acknowledged(300)
    await installation.postgres.restart()
    await installation.more_stored(300)
    await installation.all_stored()


async def test_all_of_kafka_is_killed_and_comes_back(installation: Installation) -> None:
    installation.cluster.stop(signal.SIGKILL)
    await installation.more_acknowledged(300)
    await asyncio.to_thread(installation.cluster.start)
    await installation.more_stored(300)
    await installation.all_stored()
