"""A connection to the database on which nothing more happens is given up, wherever in a batch it dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fault_proxy import AtCommit, DatabaseProxy

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl, Host
from hortus.domain.kits.registry import KitRegistry
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from ingest_world import RecordingSource, World
from waiting import until

ATTEMPT_SECONDS = 0.5


class Rig:
    """A pipeline of one worker whose connections go through a proxy."""

    def __init__(self, world: World, proxy: DatabaseProxy) -> None:
        url = DatabaseUrl.parse(world.url)
        through_proxy = DatabaseUrl(
            hosts=(Host(name="127.0.0.1", port=proxy.port),),
            database=url.database,
            user=url.user,
            password=url.password,
        )
        self.proxy = proxy
        self.source = RecordingSource()
        self.pipeline = IngestPipeline(
            connector(through_proxy, "hortus ingest"),
            KitRegistry(),
            limits=IngestLimits(workers=1, attempt_seconds=ATTEMPT_SECONDS, longest_pause_seconds=0.1),
        )
        self._world = world
        self._offered = 0

    def offer(self) -> None:
        """Hand over one reading."""
        self._offered += 1
        self.pipeline.offer(self.source, self._offered, self._world.topic(), self._world.raw())

    async def all_settled(self) -> None:
        """Wait until every reading is stored."""
        await until(lambda: len(self.source.settled) == self._offered, "the readings to be stored")


@pytest.fixture
async def rig(world: World) -> AsyncIterator[Rig]:
    proxy = DatabaseProxy(lambda: DatabaseUrl.parse(world.url).hosts[0].port)
    await proxy.start()
    rig = Rig(world, proxy)
    running = asyncio.create_task(rig.pipeline.run())
    try:
        yield rig
    finally:
        await rig.pipeline.stop(5)
        await running
        await proxy.stop()


@pytest.mark.parametrize("statement", [b"FROM kits", b"CREATE TABLE", b"ingest_batches", b"raw_measurements"])
async def test_a_connection_that_hangs_within_a_batch_is_given_up(
    rig: Rig, world: World, statement: bytes
) -> None:
    rig.proxy.strike_at_next(statement, AtCommit.HANG_BEFORE)
    rig.offer()
    # The server has not heard of the end either, and keeps the locks of the old session until it is told.
    await until(lambda: rig.pipeline.metrics.failed_attempts, "the connection to be given up")
    rig.proxy.cut()
    await rig.all_settled()
    assert await world.count() == 1


async def test_a_session_that_ended_while_its_connection_stays_open_is_given_up(rig: Rig, world: World) -> None:
    rig.offer()
    await rig.all_settled()
    rig.proxy.say_goodbye()
    await until(lambda: rig.proxy.goodbyes_delivered, "the server's goodbye on its way")
    rig.offer()
    await rig.all_settled()
    assert await world.count() == 2


async def test_stopping_does_not_wait_for_a_connection_that_hangs(world: World) -> None:
    proxy = DatabaseProxy(lambda: DatabaseUrl.parse(world.url).hosts[0].port)
    await proxy.start()
    rig = Rig(world, proxy)
    running = asyncio.create_task(rig.pipeline.run())
    proxy.strike_at_next(b"raw_measurements", AtCommit.HANG_BEFORE)
    rig.offer()
    await until(lambda: proxy.strikes, "the connection to hang")
    assert not await rig.pipeline.stop(0)
    await running
    await proxy.stop()
