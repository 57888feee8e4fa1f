"""Removing deleted configurations for good: only when it is due, everything of them, and in small batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from deleting import bring_back, delete_configuration_of
from hortus.app.jobs import JOBS
from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.domain.kits import removal
from hortus.domain.kits.removal import remove_due
from hortus.domain.kits.store import NewPeripheral, add_configuration
from hortus.domain.series.rollups import roll_up
from hortus.flow.quarantine.configuration_removal import remove_for_good
from hortus.protocol.reasons import Reason
from ingest_world import World, now_ms

CONTENTS = ("raw_measurements", "aggregate_measurements", "media", "series_hours", "series_days", "peripherals")


async def is_due(world: World, configuration_id: int) -> None:
    await world.connection.execute(
        "UPDATE kit_configurations SET deleted_at = now() - interval '31 days', "
        "restorable_until = now() - interval '1 day' WHERE id = $1",
        configuration_id,
    )


async def measured(world: World, peripheral_id: int, readings: int = 30) -> None:
    """Store readings over some hours, roll them up, and store aggregates and pictures."""
    start = now_ms() - 10 * 3_600_000
    for number in range(readings):
        at = start + number * 600_000
        world.offer(world.raw(peripheral=peripheral_id, datetime_ms=at))
        world.offer(world.aggregate(peripheral=peripheral_id), "measurement/aggregate")
    await world.settled()
    await world.connection.executemany(
        "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type, metadata, "
        "size) SELECT $1, id, kit_id, kit_configuration_id, now(), 'a', 'image/png', 'null', 3 "
        "FROM peripherals WHERE id = $2",
        [(uuid4(), peripheral_id) for _ in range(readings)],
    )
    await roll_up(world.connection, datetime.now(UTC) + timedelta(hours=1))


async def second_configuration(world: World) -> int:
    """Give the first kit another configuration; return its peripheral."""
    sensor = NewPeripheral(definition="Virtual temperature sensor", name="Temperature", configuration={})
    async with world.engine.begin() as connection:
        [made] = await add_configuration(
            connection, world.kit.id, description=None, peripherals=[sensor], active=True
        )
    return made.id


async def counts(world: World) -> dict[str, int]:
    return {table: await world.count(table) for table in CONTENTS}


async def test_what_is_due_is_removed_with_everything_and_the_rest_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(removal, "MEDIA_AT_ONCE", 7)
    stays = await second_configuration(world)
    await measured(world, stays)
    before = await counts(world)
    await measured(world, world.peripheral)
    doomed = await delete_configuration_of(world.engine, world.peripheral)
    assert await remove_due(world.engine) == []
    await is_due(world, doomed)
    [removed] = await remove_due(world.engine)
    assert (removed.id, removed.kit_id, removed.serial) == (doomed, world.kit.id, world.kit.serial)
    assert await counts(world) == {**before, "peripherals": before["peripherals"] - 3}
    assert await world.connection.fetchval("SELECT count(*) FROM kit_configurations WHERE id = $1", doomed) == 0
    assert await world.count("queue_media_pending_deletion") == 30
    assert await remove_due(world.engine) == []


async def test_a_part_that_was_removed_is_not_brought_back_even_if_the_clock_is_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await measured(world, world.peripheral)
    doomed = await delete_configuration_of(world.engine, world.peripheral)
    await is_due(world, doomed)

    async def interrupted(*_arguments: Any) -> None:
        raise ConnectionError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(removal, "_delete_stretch", interrupted)
        with pytest.raises(ConnectionError):
            await remove_due(world.engine)
    # As if it had never been due: what decides is the mark.
    later = "SELECT restorable_until = deleted_at FROM kit_configurations WHERE id = $1"
    assert await world.connection.fetchval(later, doomed)
    assert [each.id for each in await remove_due(world.engine)] == [doomed]


async def test_two_processes_remove_together_without_harm(world: World) -> None:
    await measured(world, world.peripheral)
    doomed = await delete_configuration_of(world.engine, world.peripheral)
    await is_due(world, doomed)
    holding = await asyncpg.connect(world.url)
    try:
        async with holding.transaction():
            await holding.execute("SELECT FROM kit_configurations WHERE id = $1 FOR UPDATE", doomed)
            assert await remove_due(world.engine) == []  # the other one is at it
    finally:
        await holding.close()
    assert [each.id for each in await remove_due(world.engine)] == [doomed]


async def test_one_that_cannot_be_removed_keeps_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    other = world.kits[1][1][0].id
    doomed = [await delete_configuration_of(world.engine, each) for each in (world.peripheral, other)]
    for each in doomed:
        await is_due(world, each)
    await world.connection.execute(
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF OLD.id = {doomed[0]} THEN RAISE 'damaged'; END IF; RETURN OLD; END $$"
    )
    await world.connection.execute(
        "CREATE TRIGGER refuse BEFORE DELETE ON kit_configurations FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    assert [each.id for each in await remove_due(world.engine)] == [doomed[1]]
    assert f"cannot remove the deleted configuration {doomed[0]}" in caplog.text


async def test_what_waits_in_quarantine_for_a_removed_configuration_gets_its_present_reason(
    world: World,
) -> None:
    doomed = await delete_configuration_of(world.engine, world.peripheral)
    await world.send(world.raw())
    await world.send(world.aggregate(), "measurement/aggregate")
    await is_due(world, doomed)
    await remove_for_good(world.engine, connector(DatabaseUrl.parse(world.url), "test"), 300_000)
    assert await world.reasons() == {Reason.UNKNOWN_PERIPHERAL: 2}
    assert await world.count("quarantine") == 2


async def test_a_configuration_that_came_back_is_never_due(world: World) -> None:
    await measured(world, world.peripheral)
    before = await counts(world)
    configuration_id = await delete_configuration_of(world.engine, world.peripheral)
    await bring_back(world.engine, configuration_id)
    due = "SELECT count(*) FROM kit_configurations WHERE restorable_until IS NOT NULL"
    assert await world.connection.fetchval(due) == 0
    assert await remove_due(world.engine) == []
    assert await counts(world) == before


def test_the_removal_is_one_of_the_daily_jobs() -> None:
    [job] = [job for job in JOBS if job.name == "configuration-removal"]
    assert job.every_seconds == 86_400
