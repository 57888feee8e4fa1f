"""How many months of the database late readings of one kit may open, and what becomes of the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hortus.base.database.engine import connector
from hortus.base.database.partitions import PARTITIONED_TABLES, Month, ensure_partitions, months_ahead
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.measurements.late_months import open_late_months
from hortus.flow.ingest import outcome
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from hortus.flow.quarantine.replay import ReplayResult, replay
from hortus.flow.quarantine.store import QuarantineFilter, quarantine_ids
from hortus.protocol.reasons import Reason
from ingest_world import World
from waiting import PATIENCE_SECONDS

MOST = 3
YEAR_2015 = [Month(2015, month) for month in range(1, 13)]
TOLERANCE_MS = 300_000
AN_HOUR_LATER = "UPDATE opened_months SET opened_at = opened_at - interval '1 hour'"


def within(month: Month) -> int:
    """Return a moment of the month, in milliseconds since the epoch."""
    return round(datetime(month.year, month.month, 15, tzinfo=UTC).timestamp() * 1000)


def reading_of(world: World, month: Month, kit: int = 0) -> bytes:
    return world.raw(datetime_ms=within(month), peripheral=world.kits[kit][1][0].id)


async def send_all(world: World, months: Iterable[Month], kit: int = 0) -> None:
    """Have the kit send one reading of each month, all of them at once; each is acknowledged."""
    serial = world.kits[kit][0].serial
    handles = {world.offer(reading_of(world, month, kit), serial=serial) for month in months}
    await world.settled()
    assert handles <= set(world.source.settled)


async def opened(world: World) -> set[Month]:
    """Return the months with partitions that do not exist in any installation from its start."""
    rows = await world.connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = ANY($1::regclass[])",
        PARTITIONED_TABLES,
    )
    found = Counter(row["name"].rpartition("_")[2] for row in rows)
    assert set(found.values()) <= {len(PARTITIONED_TABLES)}, "each month is in each table"
    return {Month(int(name[1:5]), int(name[6:])) for name in found} - set(months_ahead(datetime.now(UTC)))


async def stored_months(world: World) -> list[Month]:
    rows = await world.connection.fetch("SELECT datetime FROM raw_measurements ORDER BY datetime")
    return [Month.of(row["datetime"]) for row in rows]


async def replay_all(world: World, most: int | None) -> ReplayResult:
    async with world.engine.connect() as connection:
        ids = await quarantine_ids(connection, QuarantineFilter())
    return await replay(world.connection, ids, clock_tolerance_ms=TOLERANCE_MS, late_months_per_hour=most)


@asynccontextmanager
async def bounded(world: World, most: int | None = MOST) -> AsyncIterator[World]:
    """Have another process take what is offered, which lets each kit open so many months."""
    limits = IngestLimits(late_months_per_hour=most)
    pipeline = IngestPipeline(connector(DatabaseUrl.parse(world.url), "test"), KitRegistry(), limits=limits)
    running = asyncio.create_task(pipeline.run())
    before, world.pipeline = world.pipeline, pipeline
    try:
        yield world
    finally:
        world.pipeline = before
        await pipeline.stop(PATIENCE_SECONDS)
        await running


async def test_a_clock_that_jumps_opens_some_months_and_the_rest_waits_in_quarantine(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015)
        assert await opened(world) == set(YEAR_2015[-MOST:])
        assert await stored_months(world) == YEAR_2015[-MOST:]
        ledger = await world.ledger(world.kit.id)
        assert (ledger.received, ledger.stored, ledger.quarantined) == (12, MOST, 12 - MOST)
        assert await world.reasons() == {Reason.TOO_MANY_MONTHS: 12 - MOST}
        detail = await world.connection.fetchval("SELECT detail FROM quarantine ORDER BY id LIMIT 1")
        assert detail.startswith("This is of 2015-01, ")
        assert "Check the kit's clock; if it is right, replay the message an hour later." in detail


async def test_the_bound_holds_over_all_processes_and_each_kit_has_its_own(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015[:MOST])
    async with bounded(world):
        await send_all(world, YEAR_2015[:5])
        assert await opened(world) == set(YEAR_2015[:MOST])
        await send_all(world, YEAR_2015[3:5], kit=1)
        assert await opened(world) == set(YEAR_2015[:5])
        # Open to all now, no matter which kit opened them.
        await send_all(world, YEAR_2015[:5])
    assert await world.reasons() == {Reason.TOO_MANY_MONTHS: 2}


async def test_processes_at_once_open_no_more_than_one(world: World) -> None:
    connections = [await asyncpg.connect(world.url) for _ in range(4)]
    wanted = {month: [world.kit.id] for month in YEAR_2015}
    closed = await asyncio.gather(*(open_late_months(each, wanted, MOST) for each in connections))
    for each in connections:
        await each.close()
    assert closed == [set(YEAR_2015[:-MOST])] * 4
    assert await opened(world) == set(YEAR_2015[-MOST:])


async def test_an_hour_later_the_kit_may_open_more(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015)
        await world.connection.execute(AN_HOUR_LATER)
        await send_all(world, YEAR_2015[:2])
    assert await opened(world) == {*YEAR_2015[:2], *YEAR_2015[-MOST:]}


async def test_a_backlog_of_months_that_exist_is_never_held_up(world: World) -> None:
    await ensure_partitions(world.connection, YEAR_2015)
    async with bounded(world):
        await send_all(world, YEAR_2015)
        assert await stored_months(world) == YEAR_2015
        assert (await world.ledger()).quarantined == 0


async def test_a_kit_that_was_offline_for_a_year_is_not_held_up(world: World) -> None:
    now = Month.of(datetime.now(UTC))
    year = [now.later(offset) for offset in range(-12, 0)]
    await send_all(world, year)
    assert await stored_months(world) == year


async def test_aggregates_count_with_readings(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015[:2])
        for month in YEAR_2015[2:4]:
            start = within(month)
            await world.send(
                world.aggregate(datetime_start_ms=start, datetime_end_ms=start + 1), "measurement/aggregate"
            )
        assert await opened(world) == set(YEAR_2015[:3])
        assert await world.count("aggregate_measurements") == 1
        assert await world.reasons() == {Reason.TOO_MANY_MONTHS: 1}


async def test_other_faults_of_a_message_keep_their_own_reason(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015)
        world.offer(world.raw(datetime_ms=within(YEAR_2015[0]), peripheral=999_999))
        world.offer(reading_of(world, YEAR_2015[0]), serial="k-of-nobody")
        world.offer(reading_of(world, YEAR_2015[0]))
        await world.settled()
    assert await world.reasons() == {
        Reason.TOO_MANY_MONTHS: 12 - MOST + 1,
        Reason.UNKNOWN_PERIPHERAL: 1,
        Reason.UNKNOWN_KIT: 1,
    }


async def test_readings_that_wait_are_not_thrown_away_to_make_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "QUARANTINE_MESSAGES_PER_KIT", 2)
    async with bounded(world):
        await send_all(world, YEAR_2015)
        for _ in range(4):
            world.offer(b"rubbish")
        await world.settled()
    kept = await world.connection.fetch("SELECT reason, count(*) FROM quarantine GROUP BY reason")
    assert dict(kept) == {Reason.TOO_MANY_MONTHS: 12 - MOST, Reason.UNDECODABLE: 2}


async def test_an_operators_replay_opens_what_it_needs_on_nobodys_account(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015)
        assert await replay_all(world, None) == ReplayResult(stored=12 - MOST)
        assert await stored_months(world) == YEAR_2015
        ledger = await world.ledger(world.kit.id)
        assert (ledger.received, ledger.stored, ledger.quarantined) == (12, 12, 0)
        assert await world.connection.fetchval("SELECT count(*) FROM opened_months") == MOST


async def test_a_members_replay_opens_as_much_as_the_kit_may_and_can_be_repeated(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015)
    assert await replay_all(world, MOST) == ReplayResult(still_quarantined=12 - MOST)
    await world.connection.execute(AN_HOUR_LATER)
    assert await replay_all(world, MOST) == ReplayResult(stored=MOST, still_quarantined=12 - 2 * MOST)
    assert await world.reasons() == {Reason.TOO_MANY_MONTHS: 12 - 2 * MOST}
    ledger = await world.ledger(world.kit.id)
    assert (ledger.received, ledger.stored, ledger.quarantined) == (12, 2 * MOST, 12 - 2 * MOST)


async def test_a_month_that_was_dropped_counts_when_it_is_opened_again(world: World) -> None:
    async with bounded(world):
        await send_all(world, YEAR_2015[:MOST])
        for table in PARTITIONED_TABLES:
            await world.connection.execute(f"DROP TABLE {YEAR_2015[0].partition_of(table)}")
        await send_all(world, YEAR_2015[:1])
        assert await world.reasons() == {Reason.TOO_MANY_MONTHS: 1}
        await world.connection.execute(AN_HOUR_LATER)
        await send_all(world, YEAR_2015[:1])
    assert await opened(world) == set(YEAR_2015[:MOST])


steps = st.lists(
    st.one_of(
        st.just("an hour later"),
        st.tuples(st.integers(0, 1), st.lists(st.sampled_from(YEAR_2015[:8]), min_size=1, max_size=6)),
    ),
    min_size=1,
    max_size=6,
)


@given(steps=steps)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_whatever_arrives_is_stored_or_waits_and_no_kit_opens_more_than_it_may(
    world: World, steps: list[str | tuple[int, list[Month]]]
) -> None:
    await world.connection.execute(
        "TRUNCATE raw_measurements, quarantine, ingest_ledger, opened_months CASCADE"
    )
    for month in await opened(world):
        for table in PARTITIONED_TABLES:
            await world.connection.execute(f"DROP TABLE {month.partition_of(table)}")
    open_now: set[Month] = set()
    opened_by: Counter[int] = Counter()
    expected: Counter[str] = Counter()
    async with bounded(world):
        for step in steps:
            if isinstance(step, str):
                await world.connection.execute(AN_HOUR_LATER)
                opened_by.clear()
                continue
            kit, months = step
            for month in sorted(set(months) - open_now, reverse=True):
                if opened_by[kit] < MOST:
                    opened_by[kit] += 1
                    open_now.add(month)
            expected["stored"] += sum(month in open_now for month in months)
            expected["waits"] += sum(month not in open_now for month in months)
            await send_all(world, months, kit)
            assert await opened(world) == open_now
    assert await world.count("raw_measurements") == expected["stored"]
    assert await world.count("quarantine") == expected["waits"]
