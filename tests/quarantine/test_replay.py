"""Replaying: messages whose cause is fixed are stored, the rest stays, and the ledger is adjusted."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from hortus.domain.kits.identity import hash_password
from hortus.flow.quarantine.replay import ReplayResult, replay
from hortus.flow.quarantine.store import (
    QuarantinedMessageNotFound,
    QuarantineFilter,
    list_quarantine,
    purge_quarantine,
    quarantine_ids,
    show_quarantined,
)
from hortus.protocol.reasons import Reason
from ingest_world import World, now_ms
from waiting import PATIENCE_SECONDS

TOLERANCE_MS = 300_000
HOUR_SECONDS = 3600


async def replay_all(world: World, hours_later: int = 0) -> ReplayResult:
    async with world.engine.connect() as connection:
        ids = await quarantine_ids(connection, QuarantineFilter())
    clock = (now_ms() / 1000) + hours_later * HOUR_SECONDS
    return await replay(world.connection, ids, clock_tolerance_ms=TOLERANCE_MS, clock=lambda: clock)


async def test_readings_of_a_kit_that_was_registered_later_are_stored_for_it(world: World) -> None:
    for _ in range(3):
        await world.send(world.raw(), serial="k-registered-late")
    await world.connection.execute(
        "INSERT INTO kits (id, serial, password_hash) VALUES (50, 'k-registered-late', $1)",
        hash_password("x"),
    )
    await world.connection.execute("UPDATE peripherals SET kit_id = 50 WHERE id = $1", world.peripheral)
    result = await replay_all(world)
    assert result == ReplayResult(stored=3, duplicate=0, still_quarantined=0)
    rows = await world.connection.fetch("SELECT kit_id FROM raw_measurements")
    assert [row["kit_id"] for row in rows] == [50, 50, 50]
    nobody, kit = await world.ledger(kit_id=0), await world.ledger(kit_id=50)
    assert (nobody.received, nobody.quarantined, dict(nobody.reasons)) == (0, 0, {})
    assert (kit.received, kit.stored) == (3, 3)


async def test_the_beginning_of_a_message_is_never_replayed(world: World) -> None:
    # The beginning of an aggregate that has all an aggregate needs: it must not become one.
    head, topic = world.aggregate(), world.topic("measurement/aggregate")
    world.pipeline.offer_head(world.source, 1, topic, head, 200_000_000)
    await world.settled()
    before = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert await replay_all(world) == ReplayResult(still_quarantined=1)
    assert await world.connection.fetchrow("SELECT * FROM quarantine") == before
    assert await world.count("aggregate_measurements") == 0
    counts = await world.ledger()
    assert (counts.received, counts.quarantined) == (1, 1)
    assert counts.reasons == {("quarantined", Reason.PAYLOAD_TOO_LARGE): 1}


async def test_a_reading_from_the_future_can_be_replayed_when_its_time_has_come(world: World) -> None:
    payload = world.raw(datetime_ms=now_ms() + HOUR_SECONDS * 1000)
    await world.send(payload)
    assert await replay_all(world) == ReplayResult(stored=0, duplicate=0, still_quarantined=1)
    assert await replay_all(world, hours_later=2) == ReplayResult(stored=1)
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.quarantined) == (1, 1, 0)
    assert await world.count("quarantine") == 0


async def test_replay_keeps_the_time_of_arrival(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() + HOUR_SECONDS * 1000))
    arrival = await world.connection.fetchval("SELECT received_at FROM quarantine")
    await replay_all(world, hours_later=2)
    assert await world.connection.fetchval("SELECT received_at FROM raw_measurements") == arrival


async def test_a_message_that_was_delivered_again_meanwhile_is_a_duplicate(world: World) -> None:
    payload = world.raw(datetime_ms=now_ms() + HOUR_SECONDS * 1000)
    await world.send(payload)
    await world.send(payload)
    assert await replay_all(world, hours_later=2) == ReplayResult(stored=1, duplicate=1)
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.duplicate) == (2, 1, 1)


async def test_what_is_still_wrong_stays_with_its_present_reason(world: World) -> None:
    await world.send(world.raw(peripheral=4321))
    await world.connection.execute(
        "INSERT INTO peripherals (id, kit_id, kit_configuration_id, peripheral_definition_id, name,"
        " configuration) SELECT 4321, kit_id, id, 1, 'new', '{}' FROM kit_configurations WHERE kit_id = 2"
    )
    assert await replay_all(world) == ReplayResult(still_quarantined=1)
    assert await world.connection.fetchval("SELECT reason FROM quarantine") == "foreign-peripheral"
    assert await world.reasons() == {Reason.FOREIGN_PERIPHERAL: 1}


async def test_a_message_on_somebody_elses_topic_is_never_stored_for_them(world: World) -> None:
    victim, thief = world.kits[0][0], world.kits[1][0]
    world.pipeline.set_aside(
        world.source,
        1,
        f"kit/{victim.serial}/measurement/raw",
        world.raw(),
        serial=thief.serial,
        reason=Reason.TOPIC_NOT_ALLOWED,
    )
    await world.settled()
    assert await replay_all(world) == ReplayResult(still_quarantined=1)
    assert await world.count() == 0


async def test_a_peripheral_that_is_deleted_during_the_replay_is_no_error(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() + HOUR_SECONDS * 1000))
    deleting = await asyncpg.connect(world.url)
    try:
        async with deleting.transaction():
            await deleting.execute("DELETE FROM peripherals WHERE id = $1", world.peripheral)
            replaying = asyncio.create_task(replay_all(world, hours_later=2))
            await a_lock_is_awaited(world)
        assert await replaying == ReplayResult(still_quarantined=1)
    finally:
        await deleting.close()
    assert await world.reasons() == {Reason.UNKNOWN_PERIPHERAL: 1}


async def a_lock_is_awaited(world: World) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(PATIENCE_SECONDS), world.engine.connect() as connection:
        # Each look in a transaction of its own, or it would see the same for ever.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while not await connection.scalar(text(waiting)):
            await asyncio.sleep(0.02)


async def test_an_interrupted_replay_changes_nothing(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() + HOUR_SECONDS * 1000))
    await world.connection.execute("ALTER TABLE raw_measurements ADD CHECK (value > 100)")
    with pytest.raises(asyncpg.CheckViolationError):
        await replay_all(world, hours_later=2)
    counts = await world.ledger()
    assert (counts.stored, counts.quarantined) == (0, 1)
    assert await world.count("quarantine") == 1


async def test_listing_filters_by_kit_and_reason_newest_first(world: World) -> None:
    await world.send(b"")
    await world.send(b"rubbish")
    await world.send(b"rubbish", serial="k-unknown")
    async with world.engine.connect() as connection:
        everything = await list_quarantine(connection, QuarantineFilter(), limit=10)
        of_kit = await list_quarantine(
            connection, QuarantineFilter(kit_id=world.kit.id, reason="undecodable"), limit=10
        )
        shown = await show_quarantined(connection, of_kit[0].id)
        with pytest.raises(QuarantinedMessageNotFound, match="quarantine list"):
            await show_quarantined(connection, 999)
    assert [entry.serial for entry in everything] == [None, world.kit.serial, world.kit.serial]
    assert (shown.payload, shown.reason, shown.serial) == (b"rubbish", "undecodable", world.kit.serial)


async def test_purging_deletes_and_the_ledger_remembers(world: World) -> None:
    await world.send(b"")
    await world.send(b"rubbish")
    async with world.engine.begin() as connection:
        assert await purge_quarantine(connection, QuarantineFilter(reason="empty-payload")) == 1
    assert await world.count("quarantine") == 1
    assert (await world.ledger()).quarantined == 2
