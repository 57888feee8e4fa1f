"""Boards behind a gateway: known, unknown, adopted, silent; and the deliveries of other gateways."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from board_world import BOARD_VALUES, adopt, local, received, register, spool_is_empty, take, values
from gateway_harness import IMPATIENT, gateway, reading, send

from deleting import bring_back, delete_configuration_of
from hortus.base.errors import UsageError
from hortus.flow.gateway.boards import (
    BoardExists,
    BoardWaits,
    adopt_board,
    forget_waiting_board,
    list_boards,
    list_waiting_boards,
)
from hortus.flow.gateway.forwarding import BatchForwarder
from hortus.flow.gateway.gateways import (
    list_gateways,
)
from hortus.flow.gateway.local_target import LocalTarget
from hortus.flow.gateway.spool import Spool
from hortus.flow.quarantine.replay import ReplayResult, replay
from hortus.flow.quarantine.store import quarantine_ids, waiting_for_deleted
from hortus.protocol.wire.codec import decode_raw_measurement
from ingest_world import World
from waiting import until


async def test_a_registered_boards_reading_is_stored_as_one_value_per_quantity(
    world: World, tmp_path: Path
) -> None:
    serial = await register(world, name="Basil", sensor_id=7)
    before = datetime.now(UTC)

    def make_forwarder(spool: Spool) -> BatchForwarder:
        return BatchForwarder(spool, LocalTarget(world.engine, world.pipeline), patience=IMPATIENT)

    async with gateway(tmp_path, make_forwarder) as port:
        assert (await send(port, reading(7, temperature=21.5, humidity=120, light=900))).status == 200
        assert (await send(port, reading(7, temperature=None, humidity=50, light=3))).status == 200
        await until(lambda: spool_is_empty(tmp_path))
    rows = await world.connection.fetch(BOARD_VALUES, serial)
    assert [(row[0], row[1]) for row in rows] == [
        ("Temperature", 21.5),
        ("Soil moisture", 120.0),
        ("Light level", 900.0),
        ("Soil moisture", 50.0),
        ("Light level", 3.0),
    ]
    assert all(before - timedelta(seconds=1) <= row["datetime"] <= row["received_at"] for row in rows)
    kit_id = await world.connection.fetchval("SELECT id FROM kits WHERE serial = $1", serial)
    counts = await world.ledger(kit_id)
    assert (counts.received, counts.stored, counts.adds_up) == (5, 5, True)


async def test_a_delivery_that_is_repeated_changes_nothing(world: World) -> None:
    serial = await register(world, name="Basil", sensor_id=7)
    gateway_id = await local(world)
    readings = [received(7, age_ms=2000), received(7, age_ms=1000), received(8)]
    await take(world, gateway_id, readings)
    await take(world, gateway_id, readings)
    assert len(await values(world, serial)) == 2
    assert await world.count("waiting_board_readings") == 1
    assert await world.connection.fetchval("SELECT kept FROM waiting_boards WHERE sensor_id = 8") == 1


async def test_an_unknown_boards_readings_are_kept_and_come_along_when_it_is_named(world: World) -> None:
    gateway_id = await local(world)
    readings = [received(42, age_ms=1000 * age, humidity=float(age)) for age in range(700, 0, -1)]
    await take(world, gateway_id, readings[:500])
    await take(world, gateway_id, readings[500:])
    assert await world.count() == 0
    async with world.engine.connect() as connection:
        (waiting,) = await list_waiting_boards(connection)
    assert (waiting.sensor_id, waiting.gateway, waiting.kept, waiting.dropped, waiting.last_address) == (
        42,
        "local",
        700,
        0,
        "192.168.1.9",
    )
    serial, released = await adopt(world, 42, name="Mint")
    assert (serial, released) == ("pk-42", 700)
    assert [value for _, value in await values(world, serial)] == [float(age) for age in range(700, 0, -1)]
    # A delivery that the gateway repeats, because it did not hear that it had arrived, has no effect either.
    await take(world, gateway_id, readings[:500])
    assert await world.count() == 700
    for table in ("waiting_boards", "waiting_board_readings"):
        assert await world.count(table) == 0


async def test_readings_that_were_not_released_when_a_board_was_named_follow_with_its_next_one(
    world: World,
) -> None:
    gateway_id = await local(world)
    await take(world, gateway_id, [received(42, age_ms=5000)])
    async with world.engine.begin() as connection:
        await adopt_board(connection, 42, name="Mint")  # and then the power fails
    await take(world, gateway_id, [received(42)])
    assert await world.count() == 2
    assert await world.count("waiting_boards") == 0


async def test_naming_a_board_while_its_readings_arrive_loses_none(world: World) -> None:
    gateway_id = await local(world)
    await take(world, gateway_id, [received(42, age_ms=100_000)])

    async def deliver() -> None:
        for age in range(60, 0, -1):
            await take(world, gateway_id, [received(42, age_ms=age * 1000)])

    delivering = [asyncio.create_task(deliver()) for _ in range(3)]
    await asyncio.sleep(0.05)
    await adopt(world, 42, name="Mint")
    await asyncio.gather(*delivering)
    await take(world, gateway_id, [received(42)])
    assert await world.count() == 1 + 180 + 1
    assert await world.count("waiting_board_readings") == 0


async def test_what_is_kept_of_unknown_boards_is_bounded_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_KEPT_PER_BOARD", 10)
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_WAITING_BOARDS", 3)
    gateway_id = await local(world)
    await take(
        world, gateway_id, [received(1, age_ms=1000 * age, light=float(age)) for age in range(25, 0, -1)]
    )
    async with world.engine.connect() as connection:
        (board,) = await list_waiting_boards(connection)
    assert (board.kept, board.dropped) == (10, 15)
    kept = await world.connection.fetch("SELECT light FROM waiting_board_readings ORDER BY received_at")
    assert [row["light"] for row in kept] == [float(age) for age in range(10, 0, -1)]
    await take(world, gateway_id, [received(sensor_id) for sensor_id in (2, 3, 4, 5)])
    assert await world.count("waiting_boards") == 3


async def test_readings_that_made_room_are_still_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_KEPT_PER_BOARD", 10)
    monkeypatch.setattr("hortus.flow.gateway.waiting_readings.MOST_WAITING_BOARDS", 3)
    gateway_id = await local(world)
    readings = [
        received(sensor_id, age_ms=1000 * (100 * (9 - sensor_id) + age))
        for sensor_id in range(1, 9)
        for age in range(2 * sensor_id, 0, -1)
    ]
    for each in readings:  # one by one: boards are dropped and come back
        await take(world, gateway_id, [each])
    _, released = await adopt(world, 8, name="Basil")
    async with world.engine.connect() as connection:
        waiting = await list_waiting_boards(connection)
        [bringing] = await list_gateways(connection)
    assert {board.sensor_id for board in waiting} == {6, 7}
    kept = await world.count("waiting_board_readings")
    assert kept == sum(board.kept for board in waiting) == 20
    dropped = bringing.dropped_readings + sum(board.dropped for board in waiting)
    assert released == 10
    assert kept + dropped + released == len(readings)
    async with world.engine.begin() as connection:
        assert await forget_waiting_board(connection, 7) == 10
        [bringing] = await list_gateways(connection)
        [left] = await list_waiting_boards(connection)
    assert left.kept + left.dropped + bringing.dropped_readings + released == len(readings)


async def test_a_board_has_an_account_nowhere_and_a_configuration_like_any_kit(world: World) -> None:
    serial = await register(world, name="Basil")
    row = await world.connection.fetchrow(
        "SELECT password_hash, broker_password, name FROM kits WHERE serial = $1", serial
    )
    assert (serial, tuple(row)) == ("pk-1", ("!", None, "Basil"))
    peripherals = await world.connection.fetch(
        "SELECT p.name FROM peripherals p JOIN kit_configurations c ON c.id = p.kit_configuration_id"
        " JOIN kits k ON k.id = c.kit_id WHERE k.serial = $1 AND c.active ORDER BY p.id",
        serial,
    )
    assert [each["name"] for each in peripherals] == ["Thermometer", "Soil probe", "Light sensor"]


async def test_numbers_are_given_in_turn_and_once_only(world: World) -> None:
    assert await register(world, name="a", sensor_id=19) == "pk-19"
    assert await register(world, name="b") == "pk-20"
    with pytest.raises(BoardExists):
        await register(world, name="c", sensor_id=19)
    for sensor_id in (0, -1, 2**31):
        with pytest.raises(UsageError):
            await register(world, name="d", sensor_id=sensor_id)
    for name in ("", "x" * 41):
        with pytest.raises(UsageError):
            await register(world, name=name)


async def test_a_new_board_gets_no_number_under_which_another_one_sends(world: World) -> None:
    """Its readings would become those of the new one, which may be another person's."""
    assert await register(world, name="a", sensor_id=78) == "pk-78"
    gateway_id = await local(world)
    await take(world, gateway_id, [received(sensor_id) for sensor_id in (79, 79, 79, 80, 82)])
    assert await register(world, name="X") == "pk-81"
    assert await register(world, name="Y") == "pk-83"
    with pytest.raises(BoardWaits, match="hortus board adopt 79"):
        await register(world, name="Z", sensor_id=79)
    assert await world.count("waiting_board_readings") == 5
    assert await adopt(world, 79, name="Its owner's") == ("pk-79", 3)


async def test_an_unknown_board_with_the_largest_number_takes_no_number_from_others(world: World) -> None:
    await register(world, name="a")
    await take(world, await local(world), [received(2**31 - 1), received(2)])
    await register(world, name="b", sensor_id=2**31 - 2)
    assert [await register(world, name=name) for name in ("c", "d")] == ["pk-3", "pk-4"]


async def test_a_board_with_the_largest_number_leaves_numbers_for_others(world: World) -> None:
    await register(world, name="a")
    await register(world, name="b", sensor_id=2**31 - 1)
    await register(world, name="c", sensor_id=3)
    assert [await register(world, name=name) for name in ("d", "e")] == ["pk-2", "pk-4"]


async def test_a_value_without_a_place_in_the_configuration_is_set_aside_and_counted(world: World) -> None:
    await register(world, name="Basil", sensor_id=7)
    await world.connection.execute("DELETE FROM peripherals WHERE name = 'Light sensor'")
    await take(world, await local(world), [received(7, temperature=20.0, light=5.0)])
    assert await world.reasons() == {"unknown-peripheral": 1}
    assert await world.count() == 1
    kept = await world.connection.fetchrow("SELECT topic, payload, payload_bytes FROM quarantine")
    assert (kept["topic"], kept["payload_bytes"]) == ("kit/pk-7/measurement/raw", len(kept["payload"]))
    assert decode_raw_measurement(kept["payload"]).value == 5.0


async def test_what_a_board_sends_while_its_configuration_is_deleted_is_stored_once_it_is_back(
    world: World,
) -> None:
    serial = await register(world, name="Basil", sensor_id=7)
    peripheral_id, kit_id = await world.connection.fetchrow(
        "SELECT min(p.id), k.id FROM peripherals p JOIN kits k ON k.id = p.kit_id WHERE k.serial = $1 "
        "GROUP BY k.id",
        serial,
    )
    configuration_id = await delete_configuration_of(world.engine, peripheral_id)
    await take(world, await local(world), [received(7, temperature=20.0, light=5.0)])
    assert await world.reasons() == {"deleted-configuration": 2}
    await bring_back(world.engine, configuration_id)
    async with world.engine.connect() as connection:
        ids = await quarantine_ids(connection, waiting_for_deleted(kit_id))
    assert await replay(world.connection, ids, clock_tolerance_ms=300_000) == ReplayResult(stored=2)
    assert sorted(row[1] for row in await world.connection.fetch(BOARD_VALUES, serial)) == [5.0, 20.0]


async def test_silence_of_a_board_can_be_seen(world: World) -> None:
    for sensor_id in (1, 2, 3):
        await register(world, name=f"board {sensor_id}", sensor_id=sensor_id)
    await world.connection.execute("UPDATE boards SET silent_after_seconds = 60")
    # The third one's gateway has a clock that is far ahead.
    await take(
        world, await local(world), [received(1), received(2, age_ms=120_000), received(3, age_ms=-(10**9))]
    )
    async with world.engine.connect() as connection:
        now = datetime.now(UTC)
        boards = {each.sensor_id: each for each in await list_boards(connection, now)}
        later = {each.sensor_id: each for each in await list_boards(connection, now + timedelta(seconds=90))}
    assert [number for number, each in boards.items() if each.silent_since] == [2]
    assert [number for number, each in later.items() if each.silent_since] == [1, 2, 3]
    assert (boards[1].gateway, boards[1].last_address) == ("local", "192.168.1.9")
    assert boards[3].last_contact_at is not None
    assert boards[3].last_contact_at <= datetime.now(UTC)


# Several gateways
