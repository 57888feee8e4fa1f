"""Boards on which nobody has entered a sensor id: wherever a person looks for them, it says what to do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from board_world import local, received, register, take
from gateway_harness import RecordingTarget, gateway, reading, send

from hortus.domain.accounts.passwords import Passwords, generate_password
from hortus.domain.accounts.profiles import find_profile_by_name
from hortus.domain.accounts.store import create_user
from hortus.domain.kits.members import add_member
from hortus.domain.kits.store import kit_id_of
from hortus.flow.gateway.board_intake import BoardIntake
from hortus.flow.gateway.boards import give_board, list_boards
from hortus.flow.gateway.unnumbered import UnnumberedBoards, read_unnumbered_boards
from hortus.http.plantkeeper.sensors import list_sensors_of
from ingest_world import World
from up_process import hortus, hortus_json
from waiting import until


async def test_a_board_that_sends_0_is_named_in_the_log_once_and_in_the_commands(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = tmp_path / "spool"
    async with gateway(tmp_path, RecordingTarget().forwarder) as port:
        for _ in range(3):
            assert (
                "set the sensor's id on the board" in (await send(port, reading(0, humidity=1))).body["error"]
            )
        await until(lambda: read_unnumbered_boards(spool, 0), "it is noted")
        [line] = [text for each in caplog.records if "the sensor id 0" in (text := each.getMessage())]
        assert "127.0.0.1" in line
        assert "hortus board add --name NAME" in line
        status = hortus("gateway", "status", HORTUS_GATEWAY_SPOOL_DIR=str(spool))
        said = " ".join(status.stdout.split())
        assert "A board at 127.0.0.1 sends the id 0" in said
        assert "Set the sensor's id on the board first" in said
        [board] = hortus_json("gateway", "status", HORTUS_GATEWAY_SPOOL_DIR=str(spool))["withoutId"]
        assert (board["address"], board["sensorId"]) == ("127.0.0.1", 0)


async def test_a_board_that_has_its_id_now_is_no_longer_named(tmp_path: Path) -> None:
    async with gateway(tmp_path, RecordingTarget().forwarder) as port:
        await send(port, reading(0, humidity=1))
        await until(lambda: read_unnumbered_boards(tmp_path / "spool", 0), "it is noted")
    async with gateway(tmp_path, RecordingTarget().forwarder) as port:
        assert read_unnumbered_boards(tmp_path / "spool", 0)
        await send(port, reading(7, humidity=1))
        await until(lambda: not read_unnumbered_boards(tmp_path / "spool", 0), "it is no longer noted")


async def test_many_boards_without_an_id_fill_neither_the_log_nor_the_list(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    boards = UnnumberedBoards(tmp_path, save_seconds=0.0)
    for number in range(3000):
        boards.heard(f"10.0.{number // 256}.{number % 256}", 0, now_ms=number)
    assert len(caplog.records) == 1000
    saving = asyncio.create_task(boards.keep_saved())
    await until(lambda: len(read_unnumbered_boards(tmp_path, 0)) == 50, "the newest are noted")
    saving.cancel()
    assert [each.last_contact_ms for each in read_unnumbered_boards(tmp_path, 0)] == list(range(2950, 3000))
    assert read_unnumbered_boards(tmp_path, 25 * 3600 * 1000) == []


@pytest.mark.parametrize("content", [None, b"", b"[", b'[{"address": 1}]', b"{}", b"[1]"])
def test_a_list_that_cannot_be_read_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "boards-without-id.json").write_bytes(content)
    assert read_unnumbered_boards(tmp_path, 0) == []


async def test_a_board_without_a_name_is_logged_once_with_what_to_do(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    gateway_id = await local(world)
    intake = BoardIntake(world.engine, world.pipeline)
    for _ in range(3):
        await intake.take(gateway_id, [received(42), received(43)])
    lines = [text for each in caplog.records if "has no name here" in (text := each.getMessage())]
    assert len(lines) == 2
    assert "192.168.1.9" in lines[0]
    assert "`hortus board adopt 42 --name NAME`" in lines[0]


@pytest.mark.parametrize(
    "command",
    [("adopt", "0", "--name", "Basil"), ("add", "--name", "Basil", "--sensor", "0"), ("forget", "0", "--yes")],
)
def test_0_is_no_number_to_register_and_the_command_says_what_to_do(
    migrated_database_url: str, command: tuple[str, ...]
) -> None:
    refused = hortus("board", *command, DATABASE_URL=migrated_database_url)
    assert refused.returncode == 2
    said = " ".join(refused.stderr.split())
    assert "Set the sensor's id on the board first" in said
    assert "hortus board add --name NAME" in said


async def test_the_list_of_boards_names_those_without_an_id_too(
    tmp_path: Path, migrated_database_url: str
) -> None:
    async with gateway(tmp_path, RecordingTarget().forwarder) as port:
        await send(port, reading(0, humidity=1))
        await until(lambda: read_unnumbered_boards(tmp_path / "spool", 0), "it is noted")
    settings = {"DATABASE_URL": migrated_database_url, "HORTUS_GATEWAY_SPOOL_DIR": str(tmp_path / "spool")}
    said = hortus("board", "list", **settings).stdout
    assert "A board at 127.0.0.1 sends the id 0" in said
    assert [each["sensorId"] for each in hortus_json("board", "list", **settings)["withoutId"]] == [0]


# Whose board it is


async def sensors_of(world: World, username: str) -> list[int]:
    async with world.engine.connect() as connection:
        person = await find_profile_by_name(connection, username)
        assert person is not None
        found = await list_sensors_of(connection, person.id, datetime.now(UTC), owned_only=True)
        return [each.id for each in found]


async def make_people(world: World, *usernames: str) -> None:
    async with world.engine.begin() as connection:
        for username in usernames:
            await create_user(
                connection,
                Passwords(),
                username=username,
                email_address=f"{username}@example.org",
                password=generate_password(),
            )


async def test_a_board_is_its_owners_when_it_is_added_or_adopted_for_them(
    world: World, migrated_database_url: str
) -> None:
    await make_people(world, "ada", "bob")
    database = {"DATABASE_URL": migrated_database_url}
    added = hortus_json("board", "add", "--name", "Basil", "--owner", "Ada", **database)
    await take(world, await local(world), [received(42)])
    hortus_json("board", "adopt", "42", "--name", "Mint", "--owner", "ada", **database)
    assert await sensors_of(world, "ada") == [added["sensorId"], 42]
    assert await sensors_of(world, "bob") == []
    boards = hortus_json("board", "list", **database)["boards"]
    assert [(each["sensor_id"], each["owner"]) for each in boards] == [(added["sensorId"], "ada"), (42, "ada")]


async def test_a_member_who_only_looked_at_a_board_may_become_its_owner(
    world: World, migrated_database_url: str
) -> None:
    await make_people(world, "ada", "bob")
    await register(world, name="Basil", sensor_id=7)
    async with world.engine.begin() as connection:
        kit_id = await kit_id_of(connection, "pk-7")
        bob = await find_profile_by_name(connection, "bob")
        assert bob is not None
        now = datetime.now(UTC)
        await add_member(connection, kit_id, bob.id, access_super=False, access_configure=False, now=now)
        await give_board(connection, 7, bob.id, now)
    assert await sensors_of(world, "bob") == [7]


async def test_a_board_for_an_unknown_person_is_not_registered(
    world: World, migrated_database_url: str
) -> None:
    refused = hortus("board", "add", "--name", "Basil", "--owner", "nobody", DATABASE_URL=migrated_database_url)
    assert (refused.returncode, "There is no user 'nobody'" in refused.stderr) == (2, True)
    async with world.engine.connect() as connection:
        assert await list_boards(connection, datetime.now(UTC)) == []
