"""A damaged spool: what can be read is delivered, the rest named as lost, and an operator told (P1, P3)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from damaged_spool import (
    Aftermath,
    all_readings,
    arrivals,
    assert_accounted_for,
    keeper_of,
    make_killed_spool,
    make_spool,
    start_and_look,
)
from gateway_harness import RecordingTarget, gateway, health, reading, send
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hortus.base.files import DirectoryNotUsable
from hortus.flow.gateway.errors import SpoolNotUsable, SpoolUnavailable
from hortus.flow.gateway.spool_file import SpooledReading, SpoolFile
from hortus.flow.gateway.spool_format import PAGE_BYTES, SPOOL_NAME
from hortus.flow.gateway.spool_log import log_of
from hortus.flow.gateway.spool_salvage import MOST_KEPT
from up_process import hortus, hortus_json
from waiting import until

READINGS = 200


class Original:
    """A spool to be copied and damaged, and the readings in it. No dataclass: a failure would list them all."""

    def __init__(self, directory: Path, held: dict[int, SpooledReading]) -> None:
        self.directory = directory
        self.held = held


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Original:
    directory = tmp_path_factory.mktemp("sound")
    return Original(directory, make_spool(directory, readings=READINGS, delivered=20))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Original:
    directory = tmp_path_factory.mktemp("killed")
    return Original(directory, make_killed_spool(directory, directory / "running", commits=12, readings=10))


@contextlib.contextmanager
def copy_of(original: Path) -> Iterator[Path]:
    """Yield a copy of a spool's directory; it is gone afterwards."""
    copy = original.with_name(f"{original.name}-{random.getrandbits(64):x}")
    shutil.copytree(original, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def flip(path: Path, bits: list[int]) -> None:
    data = bytearray(path.read_bytes())
    for bit in bits:
        data[bit // 8 % len(data)] ^= 1 << bit % 8
    path.write_bytes(data)


def spoil_leaf(path: Path) -> None:
    """Overwrite where on a page of readings some of these begin."""
    data = bytearray(path.read_bytes())
    leaf = next(at for at in range(8 * PAGE_BYTES, len(data), PAGE_BYTES) if data[at] == 0x0D)
    data[leaf + 10 : leaf + 40] = b"\xff" * 30
    path.write_bytes(data)


BITS = st.lists(st.integers(0, 2**24), min_size=1, max_size=20)
PROPERTY = settings(
    max_examples=int(os.environ.get("HORTUS_TEST_DAMAGES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@PROPERTY
@given(bits=BITS)
def test_whatever_bits_flip_readings_are_as_written_or_named_as_lost(sound: Original, bits: list[int]) -> None:
    directory, held = sound.directory, sound.held
    with copy_of(directory) as copy:
        flip(copy / SPOOL_NAME, bits)
        assert_accounted_for(start_and_look(copy), held)


@PROPERTY
@given(bits=BITS)
def test_whatever_bits_flip_in_the_file_its_log_survives(killed: Original, bits: list[int]) -> None:
    directory, held = killed.directory, killed.held
    with copy_of(directory) as copy:
        flip(copy / SPOOL_NAME, bits)
        after = start_and_look(copy)
        assert after.readings.items() <= held.items()
        assert len(after.readings) >= len(held) - 1 or after.damages


@PROPERTY
@given(bits=st.lists(st.integers(0, 2**24), min_size=1, max_size=3))
def test_whatever_bits_flip_in_the_log_what_follows_them_is_not_forgotten(
    killed: Original, bits: list[int]
) -> None:
    directory, held = killed.directory, killed.held
    with copy_of(directory) as copy:
        flip(log_of(copy / SPOOL_NAME), bits)
        after = start_and_look(copy)
        assert after.readings.items() <= held.items()
        # The last transaction may have been interrupted, so it is missed by nobody.
        assert len(after.readings) >= len(held) - 10 or after.damages


def test_a_file_that_was_cut_off_anywhere_is_accounted_for(sound: Original) -> None:
    directory, held = sound.directory, sound.held
    whole = (directory / SPOOL_NAME).stat().st_size
    for length in range(0, whole, PAGE_BYTES):
        for cut in {length, length + 1000}:
            with copy_of(directory) as copy:
                os.truncate(copy / SPOOL_NAME, cut)
                after = start_and_look(copy)
                assert_accounted_for(after, held)
                assert len(after.damages) == 1


def test_a_torn_page_costs_no_more_than_its_own_readings(sound: Original) -> None:
    directory, held = sound.directory, sound.held
    whole = (directory / SPOOL_NAME).read_bytes()
    for page in range(len(whole) // PAGE_BYTES):
        torn = bytearray(whole)
        middle = page * PAGE_BYTES + PAGE_BYTES // 2
        torn[middle : middle + PAGE_BYTES // 2] = os.urandom(PAGE_BYTES // 2)
        with copy_of(directory) as copy:
            (copy / SPOOL_NAME).write_bytes(torn)
            after = start_and_look(copy)
            assert_accounted_for(after, held)
            assert len(after.readings) >= len(held) - 100


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"this is no database at all, only text" * 200, "the file does not begin as a spool does"),
        (None, "the file is missing"),
    ],
)
def test_a_file_of_which_nothing_is_left_is_not_taken_for_a_new_one(
    sound: Original,
    content: bytes | None,
    what: str,
) -> None:
    directory = sound.directory
    with copy_of(directory) as copy:
        (copy / SPOOL_NAME).unlink()
        if content is not None:
            (copy / SPOOL_NAME).write_bytes(content)
        after = start_and_look(copy)
        (damage,) = after.damages
        assert (after.readings, damage.what, damage.saved, damage.lost) == ({}, what, 0, None)
        assert (Path(damage.kept_as).read_bytes() if damage.kept_as else None) == content


@pytest.mark.parametrize("content", [None, b"", b"rubbish" * 2000])
def test_a_log_that_is_gone_after_a_kill_is_noticed(killed: Original, content: bytes | None) -> None:
    directory, held = killed.directory, killed.held
    with copy_of(directory) as copy:
        log_of(copy / SPOOL_NAME).unlink()
        if content is not None:
            log_of(copy / SPOOL_NAME).write_bytes(content)
        after = start_and_look(copy)
        (damage,) = after.damages
        assert damage.what == "the log of its last transactions is missing or damaged"
        assert after.readings.items() <= held.items()


def test_a_log_whose_file_is_gone_is_read(killed: Original) -> None:
    directory, held = killed.directory, killed.held
    with copy_of(directory) as copy:
        (copy / SPOOL_NAME).unlink()
        after = start_and_look(copy)
        assert after.readings == held
        assert [damage.what for damage in after.damages] == ["the file is missing"]


def test_a_kill_alone_is_no_damage(killed: Original) -> None:
    directory, held = killed.directory, killed.held
    with copy_of(directory) as copy:
        assert start_and_look(copy) == Aftermath(
            readings=held, damages=[], counters={"set-aside:unknown-sensor": 12, "stored": 120}
        )
        assert list(copy.glob("*damaged*")) == []


def test_a_spool_of_the_last_release_is_taken_over_damaged_or_not(tmp_path: Path) -> None:
    for damages in (0, 1):
        directory = tmp_path / str(damages)
        directory.mkdir()
        _make_spool_of_format_1(directory / SPOOL_NAME, readings=150)
        if damages:
            spoil_leaf(directory / SPOOL_NAME)
        after = start_and_look(directory)
        assert all(each.received.reading.humidity == number for number, each in after.readings.items())
        lost = sum(damage.lost or 0 for damage in after.damages)
        assert len(after.readings) + lost == 150
        assert (len(after.damages), lost > 0) == (damages, damages > 0)


def _make_spool_of_format_1(path: Path, *, readings: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE spool (format INTEGER NOT NULL, source TEXT NOT NULL, next_number INTEGER NOT NULL);
            CREATE TABLE readings (
                number INTEGER PRIMARY KEY, sensor INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
                address TEXT NOT NULL, temperature REAL, humidity REAL, light REAL,
                state INTEGER NOT NULL, reason TEXT, detail TEXT);
            CREATE INDEX readings_by_sensor ON readings (state, sensor, number);
            CREATE TABLE sensors (
                sensor INTEGER PRIMARY KEY, received INTEGER NOT NULL, last_contact_ms INTEGER NOT NULL,
                address TEXT NOT NULL, pinned_address TEXT NOT NULL,
                newest_forwarded INTEGER NOT NULL DEFAULT 0);
            CREATE TABLE counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
            """
        )
        connection.execute(
            "INSERT INTO spool VALUES (1, '643de561-fa91-479a-a2b7-b567ed2a9138', ?)", (readings + 1,)
        )
        connection.executemany(
            "INSERT INTO readings VALUES (?, 1, 1800000000000, '192.168.1.7', 21.5, ?, NULL, 0, NULL, NULL)",
            ((number, number) for number in range(1, readings + 1)),
        )
        connection.execute("INSERT INTO sensors VALUES (1, ?, 1800000000000, '::1', '::1', 0)", (readings,))
        connection.execute("INSERT INTO counters VALUES ('stored', ?)", (readings,))
        connection.commit()


# While the gateway runs


def test_damage_that_is_met_while_it_runs_is_repaired_before_anything_else_is_acknowledged(
    tmp_path: Path,
) -> None:
    keeper = keeper_of(tmp_path)
    keeper.use(lambda file: file.append(arrivals(1, READINGS), Counter()))
    held = keeper.use(all_readings)
    keeper.use(_flush)
    page = PAGE_BYTES * 3  # the index by which readings are found
    with (tmp_path / SPOOL_NAME).open("r+b") as file:
        file.seek(page)
        file.write(os.urandom(PAGE_BYTES))
    keeper.use(lambda file: file.append(arrivals(READINGS + 1, 1), Counter()))
    found = keeper.use(all_readings)
    (damage,) = keeper.use(lambda file: file.damages())
    assert {number: found[number] for number in held} == held
    assert (len(found), damage.saved, damage.lost) == (READINGS + 1, READINGS, 0)
    keeper.close()


def test_a_reading_that_changed_is_never_delivered(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path)
    keeper.use(lambda file: file.append(arrivals(1, 9), Counter()))
    keeper.use(lambda file: file._connection.execute("UPDATE readings SET temperature = 40 WHERE number = 5"))
    assert sorted(keeper.use(all_readings)) == [1, 2, 3, 4, 6, 7, 8, 9]
    (damage,) = keeper.use(lambda file: file.damages())
    assert (damage.what, damage.lost, damage.lost_numbers) == ("reading 5 is not what was written", 1, "5")
    keeper.close()


def test_while_there_is_no_room_for_a_fresh_spool_nothing_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.flow.gateway.spool_keeper._PAUSE_SECONDS", 0.0)
    keeper = keeper_of(tmp_path)
    keeper.use(lambda file: file.append(arrivals(1, READINGS), Counter()))
    keeper.use(_flush)
    with (tmp_path / SPOOL_NAME).open("r+b") as file:
        file.seek(PAGE_BYTES * 3)
        file.write(os.urandom(PAGE_BYTES))
    with _files_of_at_most(6 * PAGE_BYTES):
        for _ in range(3):
            with pytest.raises(SpoolUnavailable):
                keeper.use(lambda file: file.append(arrivals(READINGS + 1, 1), Counter()))
    keeper.use(lambda file: file.append(arrivals(READINGS + 1, 1), Counter()))
    assert len(keeper.use(all_readings)) == READINGS + 1
    assert len(keeper.use(lambda file: file.damages())) == 1
    assert len(list(tmp_path.glob("*damaged*.sqlite3"))) == 1
    keeper.close()


def test_a_disk_that_damages_one_spool_after_the_other_is_not_filled_with_them(tmp_path: Path) -> None:
    make_spool(tmp_path, readings=3)
    for _ in range(MOST_KEPT):
        (tmp_path / SPOOL_NAME).write_bytes(b"")
        keeper_of(tmp_path).close()
    (tmp_path / SPOOL_NAME).write_bytes(b"")
    for _ in range(3):
        with pytest.raises(SpoolNotUsable, match="seems to be broken"):
            keeper_of(tmp_path)
    assert len(list(tmp_path.glob("*damaged*.sqlite3"))) == MOST_KEPT


def test_a_file_that_may_not_be_written_is_no_damage(tmp_path: Path) -> None:
    held = make_spool(tmp_path, readings=3)
    before = (tmp_path / SPOOL_NAME).read_bytes()
    with _without_rights_to(tmp_path), pytest.raises((SpoolNotUsable, DirectoryNotUsable)):
        keeper_of(tmp_path)
    assert (tmp_path / SPOOL_NAME).read_bytes() == before
    assert start_and_look(tmp_path).readings == held


def _flush(file: SpoolFile) -> None:
    """Write everything to the file itself, and read it anew from now on."""
    file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    file._connection.execute("PRAGMA cache_size = 0")
    file._connection.execute("PRAGMA shrink_memory")


@contextlib.contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def _without_rights_to(directory: Path) -> Iterator[None]:
    """Act as a user who may read all files of a directory and write none."""
    for path in (*directory.parents, directory, *directory.iterdir()):
        if path.is_relative_to("/tmp/pytest-of-root") or path == directory:
            path.chmod(0o755)
    user_id = os.geteuid()
    try:
        if user_id == 0:
            os.seteuid(65534)
        else:
            directory.chmod(0o555)
        yield
    finally:
        os.seteuid(user_id)
        directory.chmod(0o755)


# What boards, operators and the target see


async def test_boards_targets_and_operators_get_the_truth_about_a_damaged_spool(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    held = make_spool(spool, readings=READINGS)
    spoil_leaf(spool / SPOOL_NAME)
    target = RecordingTarget()
    async with gateway(tmp_path, target.forwarder) as port:
        assert (await send(port, reading(77))).status == 200
        await until(lambda: any(each.received.reading.sensor_id == 77 for each in target.taken))
        told = await health(port)
        (damage,) = told.body["damages"]
        assert told.status == 503
        assert told.body["fault"].startswith("The spool was damaged (")
        assert f"{damage['lost']} were lost ({damage['lostNumbers']})" in told.body["fault"]
        assert damage["saved"] + damage["lost"] == len(held)
        assert damage["lost"] > 0
        *saved, _new = target.taken
        aside = told.body["setAside"]
        assert len(saved) + aside == damage["saved"]
        assert all(held[each.number] == each for each in saved)

        settings = {"HORTUS_GATEWAY_SPOOL_DIR": str(spool)}
        status = await asyncio.to_thread(hortus, "gateway", "status", **settings)
        assert "The spool was damaged" in " ".join(status.stdout.split())
        assert "hortus gateway damage-seen" in " ".join(status.stdout.split())
        seen = await asyncio.to_thread(hortus, "gateway", "damage-seen", **settings)
        assert seen.returncode == 0

        async def healthy_again() -> bool:
            return (await health(port)).status == 200

        await until(healthy_again)
    assert hortus_json("gateway", "status", **settings)["damages"] == []


def test_a_command_about_a_damaged_spool_of_a_gateway_that_is_stopped_repairs_it(tmp_path: Path) -> None:
    make_spool(tmp_path, readings=READINGS)
    os.truncate(tmp_path / SPOOL_NAME, 6 * PAGE_BYTES)
    status = hortus_json("gateway", "status", HORTUS_GATEWAY_SPOOL_DIR=str(tmp_path))
    (damage,) = status["damages"]
    assert status["waiting"] + status["setAside"] == damage["saved"]
