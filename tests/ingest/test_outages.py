"""The pipeline during outages of its environment: it waits, stays within its bounds, and counts exactly."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.registry import KitRegistry, KnownKit
from hortus.flow.ingest.batch import Knowledge, read_messages, resolve
from hortus.flow.ingest.messages import InboundMessage
from hortus.flow.ingest.outcome import StoredBatch
from hortus.flow.ingest.peripherals import PeripheralsChanged
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from hortus.flow.ingest.store import store_batch
from ingest_world import RecordingSource, World
from waiting import PATIENCE_SECONDS, until


class FailingConnections:
    """Connects to the real database, or fails the configured number of times."""

    def __init__(self, url: str, failures: list[Exception]) -> None:
        self._connect = connector(DatabaseUrl.parse(url), "test")
        self.failures = failures
        self.attempts = 0

    async def __call__(self) -> asyncpg.Connection:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        return await self._connect()


def message_of(world: World, payload: bytes | None = None) -> InboundMessage:
    return InboundMessage(world.source, 1, world.topic(), payload or world.raw(), 1_800_000_000_000)


def knowledge_of(world: World) -> Knowledge:
    known = KnownKit(kit_id=world.kit.id, configuration_by_peripheral={world.peripheral: 1})
    return Knowledge({world.kit.serial: known}, frozenset({1}))


async def test_nothing_is_acknowledged_while_the_database_is_away_and_all_of_it_afterwards(
    world: World,
) -> None:
    failures: list[Exception] = [
        ConnectionRefusedError("no server"),
        asyncpg.CannotConnectNowError("starting up"),
        TimeoutError(),
        asyncpg.TooManyConnectionsError("full"),
    ]
    connections = FailingConnections(world.url, failures)
    limits = IngestLimits(workers=1, longest_pause_seconds=0.05)
    pipeline = IngestPipeline(connections, KitRegistry(), limits=limits)
    source = RecordingSource()
    for handle in range(10):
        pipeline.offer(source, handle, world.topic(), world.raw())
    running = asyncio.create_task(pipeline.run())
    while failures:
        assert source.settled == []
        await asyncio.sleep(0.005)
    assert await pipeline.stop(PATIENCE_SECONDS)
    await running
    assert sorted(source.settled) == list(range(10))
    assert await world.count() == 10
    assert connections.attempts >= 5


async def test_a_pipeline_that_was_cancelled_within_a_batch_stores_it_when_it_runs_again(world: World) -> None:
    """As its supervisor does: neither what is under way nor what waits may be forgotten."""
    pipeline = IngestPipeline(
        connector(DatabaseUrl.parse(world.url), "test"), KitRegistry(), limits=IngestLimits(batch_messages=4)
    )
    source = RecordingSource()
    other = await asyncpg.connect(world.url)
    async with other.transaction():
        await other.execute("LOCK TABLE ingest_ledger IN ACCESS EXCLUSIVE MODE")
        for handle in range(10):
            pipeline.offer(source, handle, world.topic(), world.raw())
        running = asyncio.create_task(pipeline.run())
        await until(lambda: _waits_for_a_lock(other), "a batch is being written")
        running.cancel()
        await asyncio.wait({running})
        assert source.settled == []
        assert pipeline.open_messages == 10
    await other.close()
    running = asyncio.create_task(pipeline.run())
    assert await pipeline.stop(PATIENCE_SECONDS)
    await running
    assert sorted(source.settled) == list(range(10))
    assert await world.count() == 10


async def _waits_for_a_lock(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_a_database_that_fills_up_is_waited_for(world: World) -> None:
    """SQLSTATE 53100 is raised by a rule here; a real full disk gives the same error."""
    await world.connection.execute(
        """
        CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER disk_full BEFORE INSERT ON ingest_ledger EXECUTE FUNCTION disk_full();
        """
    )
    world.offer(world.raw())
    while world.pipeline.metrics.failed_attempts < 2:
        await asyncio.sleep(0.01)
    assert world.source.settled == []
    assert await world.count() == 0
    await world.connection.execute("DROP TRIGGER disk_full ON ingest_ledger")
    await world.settled()
    assert await world.count() == 1
    assert (await world.ledger()).received == 1


async def test_a_message_that_a_worker_holds_counts_as_waiting(world: World) -> None:
    other = await asyncpg.connect(world.url)
    lock = other.transaction()
    await lock.start()
    await other.execute("LOCK TABLE ingest_ledger IN ACCESS EXCLUSIVE MODE")
    assert world.pipeline.oldest_wait_seconds == 0
    world.offer(world.raw())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while world.pipeline.oldest_wait_seconds < 0.2:
            await asyncio.sleep(0.01)
    await lock.rollback()
    await other.close()
    await world.settled()
    assert world.pipeline.oldest_wait_seconds == 0


async def test_a_statement_that_hangs_is_given_up_and_tried_again(world: World) -> None:
    await world.send(world.raw())
    other = await asyncpg.connect(world.url)
    lock = other.transaction()
    await lock.start()
    await other.execute("LOCK TABLE ingest_ledger IN ACCESS EXCLUSIVE MODE")
    world.offer(world.raw())
    while not world.pipeline.metrics.failed_attempts:
        await asyncio.sleep(0.02)
    await lock.rollback()
    await other.close()
    await world.settled()
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.duplicate) == (2, 2, 0)


async def test_a_batch_whose_commit_was_not_answered_is_not_counted_again(world: World) -> None:
    await world.send(world.raw())  # makes the partition
    batch_id = uuid4()
    resolved = resolve(read_messages([message_of(world)], 0), knowledge_of(world))
    first = await store_batch(world.connection, batch_id, resolved)
    assert isinstance(first, StoredBatch)
    assert first.stored.total() == 1
    assert await store_batch(world.connection, batch_id, resolved) is None
    assert await world.connection.fetchval("SELECT sum(received) FROM ingest_ledger") == 2


async def test_asking_again_waits_for_the_first_attempt_if_it_is_still_open(world: World) -> None:
    batch_id = uuid4()
    resolved = resolve(read_messages([message_of(world)], 0), knowledge_of(world))
    other = await asyncpg.connect(world.url)
    first = other.transaction()
    await first.start()
    await other.execute("INSERT INTO ingest_batches (id) VALUES ($1)", batch_id)
    again = asyncio.create_task(store_batch(world.connection, batch_id, resolved))
    await other.execute("SELECT pg_sleep(0.05)")
    assert not again.done()
    await first.commit()
    await other.close()
    assert await again is None


async def test_a_peripheral_deleted_between_looking_and_storing_is_noticed(world: World) -> None:
    resolved = resolve(read_messages([message_of(world)], 0), knowledge_of(world))
    await world.connection.execute("DELETE FROM peripherals WHERE id = $1", world.peripheral)
    with pytest.raises(PeripheralsChanged) as gone:
        await store_batch(world.connection, uuid4(), resolved)
    assert gone.value.peripheral_ids == {world.peripheral}
    assert await world.connection.fetchval("SELECT count(*) FROM ingest_batches") == 0


async def test_the_intake_asks_for_a_pause_and_calls_when_there_is_room(world: World) -> None:
    """The bound of this pipeline is 500 messages."""
    lock = await asyncpg.connect(world.url)
    transaction = lock.transaction()
    await transaction.start()
    await lock.execute("LOCK TABLE ingest_ledger IN ACCESS EXCLUSIVE MODE")
    for _ in range(499):
        world.offer(world.raw())
    assert not world.pipeline.saturated
    world.offer(world.raw())
    assert world.pipeline.saturated
    relieved = asyncio.Event()
    world.pipeline.when_relieved(relieved.set)
    assert not relieved.is_set()
    await transaction.rollback()
    await lock.close()
    await relieved.wait()
    await world.settled()
    assert await world.count() == 500


async def test_large_payloads_saturate_by_their_size(world: World) -> None:
    limits = IngestLimits(waiting_bytes=1000)
    pipeline = IngestPipeline(FailingConnections(world.url, []), KitRegistry(), limits=limits)
    pipeline.offer(world.source, 1, world.topic("media"), bytes(999))
    assert not pipeline.saturated
    pipeline.offer(world.source, 2, world.topic("media"), b"x")
    assert pipeline.saturated


async def test_stopping_without_a_database_gives_up_in_time_and_acknowledges_nothing(world: World) -> None:
    connections = FailingConnections(world.url, [OSError("away")] * 10_000)
    pipeline = IngestPipeline(connections, KitRegistry())
    running = asyncio.create_task(pipeline.run())
    source = RecordingSource()
    pipeline.offer(source, 1, world.topic(), world.raw())
    assert not await pipeline.stop(0.2)
    await running
    assert source.settled == []


async def test_two_writers_with_the_same_redelivered_readings_do_not_lock_each_other_out(
    world: World,
) -> None:
    """Two ingesters can hold the same readings after a reconnect; each sees every reading through."""
    payloads = [world.raw() for _ in range(400)]
    sources = [RecordingSource(), RecordingSource()]
    pipelines = [
        IngestPipeline(FailingConnections(world.url, []), KitRegistry(), limits=IngestLimits(batch_messages=50))
        for _ in sources
    ]
    running = [asyncio.create_task(pipeline.run()) for pipeline in pipelines]
    for pipeline, source, order in zip(pipelines, sources, (payloads, payloads[::-1]), strict=True):
        for handle, payload in enumerate(order):
            pipeline.offer(source, handle, world.topic(), payload)
    for pipeline in pipelines:
        assert await pipeline.stop(PATIENCE_SECONDS)
    await asyncio.gather(*running)
    assert [len(source.settled) for source in sources] == [400, 400]
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.duplicate) == (800, 400, 400)
