"""Each recent reading is sent once, and only after its commit, whatever the order of commits (P7, P8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hortus.http.live import hub as hub_module
from live_world import Client, LiveKit, LiveWorld, insert_reading, live_world
from waiting import PATIENCE_SECONDS

WRITERS = 3
_AGES = st.floats(-3, 240)
_WRITER = st.integers(0, WRITERS - 1)
_STEPS = st.one_of(
    st.tuples(st.just("insert"), _WRITER, st.integers(0, 1), _AGES),
    st.tuples(st.just("insert in savepoint"), _WRITER, st.integers(0, 1), _AGES),
    st.tuples(st.just("undo savepoint"), _WRITER, st.integers(0, 1), _AGES),
    st.tuples(st.just("commit"), _WRITER),
    st.tuples(st.just("roll back"), _WRITER),
    st.tuples(st.just("subscribe"), st.sampled_from(["raw_measurements", None])),
    st.tuples(st.just("lose the connection")),
    st.tuples(st.just("breathe")),
)


@dataclass
class Writer:
    """One ingester: a connection, possibly with an open transaction."""

    connection: asyncpg.Connection
    transaction: Any = None
    inserted: list[UUID] = field(default_factory=list)


@dataclass
class Listening:
    """A subscription, and what had been committed when the reply to it arrived."""

    number: int
    topic: str | None
    before: set[str]


@dataclass
class Course:
    """What has happened so far."""

    live: LiveWorld
    kit: LiveKit
    writers: list[Writer]
    client: Client
    committed: set[str] = field(default_factory=set)
    listening: list[Listening] = field(default_factory=list)

    async def step(self, what: str, *arguments: Any) -> None:
        if what == "subscribe":
            if len(self.listening) < 8:
                before = set(self.committed)
                number = await self.client.subscribe(self.kit, arguments[0])
                self.listening.append(Listening(number, arguments[0], before))
        elif what == "lose the connection":
            await self.live.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'test live' AND datname = current_database()"
            )
        elif what == "breathe":
            await self.client.nothing_more()
        else:
            await self._write(what, self.writers[arguments[0]], *arguments[1:])

    async def _write(self, what: str, writer: Writer, *arguments: Any) -> None:
        if what == "commit" or what == "roll back":
            await self.end(writer, keep=what == "commit")
            return
        if writer.transaction is None:
            writer.transaction = writer.connection.transaction()
            await writer.transaction.start()
        series, age = arguments
        at = datetime.now(UTC) - timedelta(seconds=age)
        if what == "insert":
            writer.inserted.append(await insert_reading(writer.connection, self.kit, age, at=at, series=series))
            return
        inner = writer.connection.transaction()  # a savepoint
        await inner.start()
        reading_id = await insert_reading(writer.connection, self.kit, age, at=at, series=series)
        if what == "undo savepoint":
            await inner.rollback()
        else:
            await inner.commit()
            writer.inserted.append(reading_id)

    async def end(self, writer: Writer, *, keep: bool) -> None:
        if writer.transaction is None:
            return
        transaction, writer.transaction = writer.transaction, None
        inserted, writer.inserted = writer.inserted, []
        if keep:
            await transaction.commit()
            self.committed.update(map(str, inserted))
        else:
            await transaction.rollback()

    def told(self, listening: Listening) -> list[str]:
        return [result["id"] for result in self.client.results(listening.number)]

    def skipped(self, listening: Listening) -> int:
        return sum(
            notice["count"]
            for notice in self.client.told("skipped")
            if notice["subscription"] == listening.number
        )

    def is_complete(self, listening: Listening) -> bool:
        expected = self.committed - listening.before
        told = set(self.told(listening))
        # What was committed while the reply was on its way is among the last values, or sent, or late.
        return len(told - listening.before) + self.skipped(listening) >= len(expected)

    def check(self, listening: Listening) -> None:
        told = self.told(listening)
        assert len(told) == len(set(told)), "a reading was told twice"
        assert set(told) <= self.committed, "a reading was told that was not committed"
        new = set(told) - listening.before
        if listening.topic is not None:
            assert self.skipped(listening) == 0
            assert new == self.committed - listening.before
            return
        assert len(new) + self.skipped(listening) == len(self.committed - listening.before)
        for series in {result["peripheral"] for result in self.client.results(listening.number)}:
            times = [r["datetime"] for r in self.client.results(listening.number) if r["peripheral"] == series]
            assert list(map(moment, times)) == sorted(map(moment, times)), "an older value replaced a newer"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@asynccontextmanager
async def course(live: LiveWorld) -> AsyncIterator[Course]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(live.client())
        writers = []
        for _ in range(WRITERS):
            connection = await asyncpg.connect(**live.url.asyncpg_arguments())
            stack.push_async_callback(connection.close)
            writers.append(Writer(connection))
        yield Course(live, await live.kit(), writers, client)


@pytest.fixture
async def quick_live(module_database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LiveWorld]:
    monkeypatch.setattr(hub_module, "_RETRY_SECONDS", 0.01)
    async with live_world(module_database_url) as world:
        yield world


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_STEPS, min_size=5, max_size=40))
# The transaction that began first commits last, after others were sent.
@example(
    steps=[
        ("insert", 0, 0, 20.0),
        ("subscribe", "raw_measurements"),
        ("subscribe", None),
        ("insert", 1, 0, 10.0),
        ("commit", 1),
        ("breathe",),
        ("insert", 1, 1, 5.0),
        ("commit", 1),
        ("breathe",),
        ("commit", 0),
    ]
)
# Committed while nobody was subscribed.
@example(
    steps=[
        ("subscribe", "raw_measurements"),
        ("insert in savepoint", 0, 0, 1.0),
        ("lose the connection",),
        ("commit", 0),
        ("insert", 1, 0, 0.0),
        ("lose the connection",),
        ("commit", 1),
    ]
)
async def test_each_recent_reading_is_told_exactly_once_whatever_the_order_of_commits(
    quick_live: LiveWorld, steps: list[tuple[Any, ...]]
) -> None:
    async with course(quick_live) as happening:
        for what, *arguments in steps:
            await happening.step(what, *arguments)
        for writer in happening.writers:
            await happening.end(writer, keep=True)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(happening.is_complete(each) for each in happening.listening):
                await happening.client.receive()
        await happening.client.nothing_more()
        for listening in happening.listening:
            happening.check(listening)


async def test_old_backfill_is_not_told(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC)
    async with live.client() as client:
        subscription = await client.subscribe(kit, "raw_measurements")
        await live.store(kit, 1.0, at=now)
        await client.until(lambda: client.values(subscription) == [1.0])
        await live.store(kit, 2.0, at=now - timedelta(minutes=40))
        await live.store(kit, 3.0, at=now - timedelta(minutes=6))  # too much older than the kit's newest
        await live.store(kit, 4.0, at=now - timedelta(minutes=4))
        await live.store(kit, 5.0)
        await client.until(lambda: 5.0 in client.values(subscription))
    assert client.values(subscription) == [1.0, 4.0, 5.0]


async def test_what_a_kit_kept_while_it_was_cut_off_is_told_up_to_half_an_hour(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC)
    async with live.client() as client:
        await client.subscribe(kit)
        for minutes in (29, 20, 10, 0):
            await live.store(kit, float(minutes), at=now - timedelta(minutes=minutes))
        await client.until(lambda: client.values() == [29.0, 20.0, 10.0, 0.0])


async def test_a_late_value_does_not_replace_a_newer_one(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC)
    async with live.client() as client, live.client() as later:
        shown = await client.subscribe(kit)
        charted = await client.subscribe(kit, "raw_measurements")
        await live.store(kit, 1.0, at=now)
        await client.until(lambda: client.values(charted) == client.values(shown) == [1.0])
        await live.store(kit, 2.0, at=now - timedelta(seconds=30))
        await live.store(kit, 3.0, at=now - timedelta(seconds=30), series=1)  # another series is not late
        await client.until(lambda: len(client.values(charted)) == 3 and client.told("skipped"))
        assert client.values(shown) == [1.0, 3.0]
        assert client.told("skipped") == [{"subscription": shown, "count": 1, "reason": "late"}]
        last = await later.subscribe(kit)
        await later.until(lambda: len(later.values(last)) == 2)
        assert sorted(later.values(last)) == [1.0, 3.0]


async def test_a_value_from_the_future_is_told_when_its_time_has_come(live: LiveWorld) -> None:
    kit = await live.kit()
    now = datetime.now(UTC)
    await live.store(kit, 1.0, at=now + timedelta(minutes=10))
    async with live.client() as client, live.client() as later:
        subscription = await client.subscribe(kit)
        await live.store(kit, 2.0, at=now + timedelta(minutes=20))
        await live.store(kit, 3.0, at=now)
        await client.until(lambda: client.values(subscription) == [3.0])
        last = await later.subscribe(kit)
        await later.until(lambda: later.values(last) == [3.0])
        live.clock.ahead = timedelta(minutes=15)
        await live.store(kit, 4.0, at=now + timedelta(minutes=14))
        await client.until(lambda: client.values(subscription) == [3.0, 1.0, 4.0])
        live.clock.ahead = timedelta(minutes=25)
        await live.store(kit, 5.0, at=now + timedelta(minutes=24))
        await client.until(lambda: client.values(subscription) == [3.0, 1.0, 4.0, 2.0, 5.0])
