"""What a kit sends for a configuration that was deleted: kept with the reason, and stored once it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from deleting import bring_back, delete_configuration_of
from hortus.base.times import format_time
from hortus.domain.series.rollups import roll_up
from hortus.flow.ingest import outcome
from hortus.flow.ingest.peripherals import PeripheralsChanged, lock_peripherals
from hortus.flow.quarantine.replay import ReplayResult, replay
from hortus.flow.quarantine.store import quarantine_ids, waiting_for_deleted
from hortus.protocol.reasons import Reason
from ingest_world import World, now_ms
from waiting import until


async def delete(world: World) -> int:
    """Delete the configuration of the first kit; return its id."""
    return await delete_configuration_of(world.engine, world.peripheral)


async def replay_waiting(world: World) -> ReplayResult:
    async with world.engine.connect() as connection:
        ids = await quarantine_ids(connection, waiting_for_deleted(world.kit.id))
    return await replay(world.connection, ids, clock_tolerance_ms=300_000)


async def test_the_reason_says_that_the_configuration_was_deleted_and_until_when_it_can_be_back(
    world: World,
) -> None:
    await world.send(world.raw())
    configuration_id = await delete(world)
    await world.send(world.raw())
    await world.send(world.aggregate(), "measurement/aggregate")
    assert await world.reasons() == {Reason.DELETED_CONFIGURATION: 2}
    deleted_at, until_when = await world.connection.fetchrow(
        "SELECT deleted_at, restorable_until FROM kit_configurations WHERE id = $1", configuration_id
    )
    detail = (
        f"Peripheral {world.peripheral} is of configuration #{configuration_id}, which was deleted at "
        f"{format_time(deleted_at)} and can be brought back until {format_time(until_when)}."
    )
    rows = await world.connection.fetch("SELECT DISTINCT detail FROM quarantine")
    assert [row["detail"] for row in rows] == [detail]
    assert await world.count() == 1


async def test_once_the_configuration_is_back_it_is_stored_and_so_is_what_waited(world: World) -> None:
    configuration_id = await delete(world)
    waited = world.raw(value=1.0)
    await world.send(waited)
    await world.send(world.aggregate(), "measurement/aggregate")
    assert await replay_waiting(world) == ReplayResult(still_quarantined=2)
    assert await world.reasons() == {Reason.DELETED_CONFIGURATION: 2}
    await bring_back(world.engine, configuration_id)
    await world.send(world.raw(value=2.0))
    assert await replay_waiting(world) == ReplayResult(stored=2)
    await world.send(waited)
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.duplicate, counts.quarantined) == (4, 3, 1, 0)
    rows = await world.connection.fetch(
        "SELECT kit_configuration_id, value FROM raw_measurements ORDER BY value"
    )
    assert [tuple(row) for row in rows] == [(configuration_id, 1.0), (configuration_id, 2.0)]


async def test_a_peripheral_of_another_kits_deleted_configuration_stays_foreign(world: World) -> None:
    await delete(world)
    await world.send(world.raw(), serial=world.kits[1][0].serial)
    assert await world.reasons() == {Reason.FOREIGN_PERIPHERAL: 1}


async def test_when_it_is_too_late_the_peripheral_is_unknown(world: World) -> None:
    await delete(world)
    await world.connection.execute("UPDATE kit_configurations SET restorable_until = now() WHERE NOT active")
    await world.send(world.raw())
    assert await world.reasons() == {Reason.UNKNOWN_PERIPHERAL: 1}


async def test_a_batch_that_waits_while_a_configuration_is_deleted_stores_nothing_for_it(world: World) -> None:
    await world.send(world.raw())  # the registry knows the peripheral
    deleting = await asyncpg.connect(world.url)
    try:
        async with deleting.transaction():
            await deleting.execute("SELECT FROM peripherals WHERE id = $1 FOR UPDATE", world.peripheral)
            await deleting.execute("UPDATE peripherals SET deleted_at = now() WHERE id = $1", world.peripheral)
            await deleting.execute(
                "UPDATE kit_configurations SET active = false, deleted_at = now(), "
                "restorable_until = now() + interval '1 day' "
                "WHERE id = (SELECT kit_configuration_id FROM peripherals WHERE id = $1)",
                world.peripheral,
            )
            handle = world.offer(world.raw())
            await a_lock_is_awaited(world)
        await world.settled()
    finally:
        await deleting.close()
    assert handle in world.source.settled
    assert await world.reasons() == {Reason.DELETED_CONFIGURATION: 1}
    assert await world.count() == 1


async def a_lock_is_awaited(world: World) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    async def is_awaited() -> bool:
        return bool(await world.connection.fetchval(waiting))

    await until(is_awaited, "the batch waits for the deletion")


async def test_readings_of_a_deleted_configuration_are_kept_beyond_the_limits_of_the_quarantine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "QUARANTINE_MESSAGES_PER_KIT", 2)
    await delete(world)
    for _ in range(4):
        await world.send(world.raw())
    for _ in range(3):
        await world.send(b"rubbish")
    reasons = await world.connection.fetch("SELECT reason, count(*) FROM quarantine GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in reasons] == [("deleted-configuration", 4), ("undecodable", 2)]


async def test_hours_are_rolled_up_while_the_configuration_is_deleted(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() - 7_200_000, value=7.0))
    configuration_id = await delete(world)
    rollups = "SELECT count(*) FROM series_hours WHERE peripheral_id = $1"
    before = await world.connection.fetchval("SELECT date_trunc('hour', now(), 'UTC')")
    assert await roll_up(world.connection, before) == 1
    assert await world.connection.fetchval(rollups, world.peripheral) == 1
    await bring_back(world.engine, configuration_id)
    assert await world.connection.fetchval(rollups, world.peripheral) == 1


async def test_deleting_waits_for_a_batch_under_way_and_hides_its_readings(world: World) -> None:
    ingesting = await asyncpg.connect(world.url)
    try:
        transaction = ingesting.transaction()
        await transaction.start()
        await ingesting.execute("SELECT FROM peripherals WHERE id = $1 FOR KEY SHARE", world.peripheral)
        deletion = asyncio.create_task(delete(world))
        await a_lock_is_awaited(world)
        assert not deletion.done()
        await transaction.commit()
        await deletion
    finally:
        await ingesting.close()
    assert await world.connection.fetchval(
        "SELECT deleted_at IS NOT NULL FROM peripherals WHERE id = $1", world.peripheral
    )


async def test_what_is_set_aside_just_before_a_configuration_is_back_is_found_by_its_replay(
    world: World,
) -> None:
    configuration_id = await delete(world)
    async with asyncpg_transaction(world) as ingesting:  # a batch that has found the peripheral deleted
        await lock_peripherals(ingesting, set(), {world.peripheral})
        restoring = asyncio.create_task(bring_back(world.engine, configuration_id))
        await a_lock_is_awaited(world)
        assert not restoring.done()
    await restoring
    with pytest.raises(PeripheralsChanged):
        async with asyncpg_transaction(world) as late:
            await lock_peripherals(late, set(), {world.peripheral})


async def test_a_message_on_its_way_while_a_configuration_comes_back_is_stored(world: World) -> None:
    configuration_id = await delete(world)
    await world.send(world.raw())
    async with asyncpg_transaction(world) as restoring:
        await restoring.execute("SELECT FROM peripherals WHERE id = $1 FOR UPDATE", world.peripheral)
        await restoring.execute(
            "UPDATE kit_configurations SET deleted_at = NULL, restorable_until = NULL WHERE id = $1",
            configuration_id,
        )
        await restoring.execute(
            "UPDATE peripherals SET deleted_at = NULL WHERE kit_configuration_id = $1", configuration_id
        )
        world.offer(world.raw())
        await a_lock_is_awaited(world)
    await world.settled()
    assert await world.count() == 1
    assert await replay_waiting(world) == ReplayResult(stored=1)


@asynccontextmanager
async def asyncpg_transaction(world: World) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(world.url)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()
