"""Rebuilding the database's readings from Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from kafka_world import Topics, sinking, until_committed
from test_kafka_sink import write_readings
from typer.testing import CliRunner

from hortus.app.kafka_sink import parse_moment, run_replay
from hortus.base.errors import UsageError
from hortus.base.quotas import LATE_MONTHS_PER_HOUR
from hortus.base.settings import read_settings
from hortus.flow.kafka.records import record_of
from hortus.flow.kafka.replay import Replay, TopicChanged
from hortus.flow.kafka.topics import StreamChoice
from hortus.protocol.reasons import Reason
from ingest_world import World, now_ms
from waiting import PATIENCE_SECONDS

HOUR_MS = 3_600_000


def write(topics: Topics, world: World, count: int, arrival_ms: int) -> None:
    for number in range(count):
        payload = world.raw(datetime_ms=arrival_ms, value=float(number))
        record = record_of(topics.names, world.topic(), payload, arrival_ms)
        # Spread over the partitions, as many kits are.
        topics.produce(
            record.topic, [record.value], key=b"%d" % number, headers=record.headers, timestamp=arrival_ms
        )


async def replayed(topics: Topics, world: World, since_ms: int) -> tuple[int, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    since = datetime.fromtimestamp(since_ms / 1000, UTC)
    replay = Replay(topics.connection, topics.names, topics.names.all, world.pipeline, since=since)
    count = await replay.run(lambda done, total: told.append((done, total)))
    return count, told


async def rows(world: World) -> list[tuple[object, ...]]:
    found = await world.connection.fetch("SELECT * FROM raw_measurements ORDER BY id")
    return [tuple(row) for row in found]


async def test_an_empty_database_is_rebuilt_to_the_same_rows(topics: Topics, world: World) -> None:
    write(topics, world, 40, now_ms() - 2 * HOUR_MS)
    topics.produce(topics.names.raw, [b"rubbish"], key=world.kit.serial)
    async with sinking(topics, world.url):
        await until_committed(topics, 41)
    before = await rows(world)
    ledger = "SELECT kit_id, hour, stream, received, stored, quarantined FROM ingest_ledger ORDER BY 1, 2, 3"
    counts = await world.connection.fetch(ledger)
    await world.connection.execute(
        "TRUNCATE raw_measurements, ingest_ledger, ingest_ledger_reasons, quarantine"
    )
    count, told = await replayed(topics, world, now_ms() - 24 * HOUR_MS)
    assert count == 41
    assert await rows(world) == before
    assert await world.connection.fetch(ledger) == counts
    assert told[-1] == (41, 41)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


async def test_a_partly_filled_database_gets_what_it_lacks(topics: Topics, world: World) -> None:
    write(topics, world, 30, now_ms() - HOUR_MS)
    await replayed(topics, world, now_ms() - 2 * HOUR_MS)
    before = await rows(world)
    await world.connection.execute("DELETE FROM raw_measurements WHERE value < 12")
    await replayed(topics, world, now_ms() - 2 * HOUR_MS)
    assert await rows(world) == before
    total = await world.ledger(world.kit.id)
    assert (total.received, total.stored, total.duplicate) == (60, 42, 18)


async def test_only_what_arrived_from_the_moment_on_is_read(topics: Topics, world: World) -> None:
    write(topics, world, 10, now_ms() - 5 * HOUR_MS)
    write(topics, world, 7, now_ms() - HOUR_MS)
    count, _ = await replayed(topics, world, now_ms() - 2 * HOUR_MS)
    assert count == await world.count() == 7


async def test_the_past_before_all_records_is_everything_and_the_future_nothing(
    topics: Topics, world: World
) -> None:
    write(topics, world, 5, now_ms() - HOUR_MS)
    assert (await replayed(topics, world, 0))[0] == 5
    assert (await replayed(topics, world, now_ms() + HOUR_MS))[0] == 0


async def test_a_replay_leaves_the_offsets_of_the_sinks_alone(topics: Topics, world: World) -> None:
    write(topics, world, 5, now_ms())
    await replayed(topics, world, 0)
    assert topics.committed() == 0


async def test_an_operators_replay_stores_the_months_that_sinks_may_not_open(
    topics: Topics, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    months = [datetime(2015 + number // 12, number % 12 + 1, 15, tzinfo=UTC) for number in range(14)]
    for month in months:
        payload = world.raw(datetime_ms=round(month.timestamp() * 1000))
        record = record_of(topics.names, world.topic(), payload, now_ms())
        topics.produce(record.topic, [record.value], key=record.key, headers=record.headers)
    async with sinking(topics, world.url):
        await until_committed(topics, 14)
    assert await world.reasons() == {Reason.TOO_MANY_MONTHS: 14 - LATE_MONTHS_PER_HOUR}
    for name, value in {**topics.environment, "DATABASE_URL": world.url}.items():
        monkeypatch.setenv(name, value)
    assert await run_replay(read_settings(), StreamChoice.ALL, months[0], lambda _done, _total: None) == 14
    stored = await world.connection.fetch("SELECT datetime FROM raw_measurements ORDER BY datetime")
    assert [row["datetime"] for row in stored] == months


class SmallSteps(Replay):
    """A replay that does not fetch far ahead, and during which something happens once."""

    happens: Callable[[], object] | None = None

    def _configuration(self) -> dict[str, Any]:
        return {**super()._configuration(), "queued.min.messages": 1, "fetch.message.max.bytes": 1000}

    def progress(self, _done: int, _total: int) -> None:
        if self.happens is not None:
            happens, self.happens = self.happens, None
            happens()


async def fails_when(topics: Topics, world: World, happens: Callable[[], object]) -> None:
    """Replay the readings; expect that it ends with an error, as something happens to their topic meanwhile."""
    since = datetime.fromtimestamp(0, UTC)
    replay = SmallSteps(topics.connection, topics.names, [topics.names.raw], world.pipeline, since=since)
    replay.happens = happens
    with pytest.raises(TopicChanged, match="run the replay again"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await replay.run(replay.progress)


# Of many kits: a batch of the readings of each, and no more than one is fetched at once.
KITS = 60


async def test_a_replay_ends_when_its_topic_is_deleted(topics: Topics, world: World) -> None:
    write_readings(topics, world, 3000, KITS)
    admin = AdminClient({"bootstrap.servers": topics.connection.bootstrap})
    raw = topics.names.raw
    await fails_when(topics, world, lambda: admin.delete_topics([raw])[raw].result())


@pytest.mark.parametrize(
    ("partitions", "records"), [(1, 0), (4, 0), (4, 6000)], ids=["fewer partitions", "fewer", "more"]
)
async def test_a_replay_ends_when_its_topic_is_made_again(
    topics: Topics, world: World, partitions: int, records: int
) -> None:
    write_readings(topics, world, 3000, KITS)

    def make_again() -> None:
        topics.make_again(topics.names.raw, partitions)
        write_readings(topics, world, records, KITS)

    await fails_when(topics, world, make_again)


def test_a_moment_needs_a_time_zone() -> None:
    assert parse_moment("2026-11-22T15:00+01:00") - parse_moment("2026-11-22T14:00:00Z") == timedelta()
    for text in ("2026-11-22T15:00", "yesterday", ""):
        with pytest.raises(UsageError, match="with its time zone"):
            parse_moment(text)


def test_the_command_replays_and_ends(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    from hortus.app.command_line.main import app

    for name, value in topics.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(app, ["sink", "--from", "2026-11-22T14:00:00Z"])
    assert isinstance(result.exception, UsageError)
    assert "DATABASE_URL" in str(result.exception)
