"""A damaged spool: what can be read is delivered, the rest named as lost, and an operator told (P1, P3)."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from damaged_spool import (
    Aftermath,
    assert_accounted_for,
    assert_nothing_false,
    copy_of,
    flip,
    keeper_of,
    make_killed_spool,
    make_spool,
    spoil_leaf,
    start_and_look,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hortus.flow.gateway.spool_file import SpooledReading
from hortus.flow.gateway.spool_format import PAGE_BYTES, SPOOL_NAME
from hortus.flow.gateway.spool_log import log_of

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
        assert_nothing_false(after, held)
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
        assert_nothing_false(after, held)
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
        assert after.next_number > READINGS
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
        assert damage.lost is None
        assert_nothing_false(after, held)


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
            readings=held,
            damages=[],
            counters={"set-aside:unknown-sensor": 12, "skipped": 10_000, "stored": 120},
            next_number=10_121,
        )
        assert list(copy.glob("*damaged*")) == []


@pytest.mark.parametrize("readings", [0, 5])
def test_gateways_that_are_killed_while_idle_are_no_damage_either(tmp_path: Path, readings: int) -> None:
    """Not even at once after a start, when nothing is in the log, and again and again."""
    directory = tmp_path / "0"
    directory.mkdir()
    held = make_spool(directory, readings=readings)
    for start in range(1, 4):
        running, directory = directory, tmp_path / str(start)
        keeper = keeper_of(running)
        assert keeper.use(lambda file: file.damages()) == []
        shutil.copytree(running, directory, ignore=shutil.ignore_patterns("*-shm"))  # as a kill leaves it
        keeper.close()
    after = start_and_look(directory)
    assert (after.readings, after.damages) == (held, [])
    assert list(tmp_path.rglob("*damaged*")) == []


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


_KILLED_IN_SALVAGE = """
import os, sys
from pathlib import Path
from hortus.flow.gateway import spool_salvage
from hortus.flow.gateway.spool import open_keeper
step, calls_before = getattr(spool_salvage, sys.argv[2]), [int(sys.argv[3])]
def die(*arguments):
    if not calls_before[0]:
        os._exit(9)
    calls_before[0] -= 1
    return step(*arguments)
setattr(spool_salvage, sys.argv[2], die)
open_keeper(Path(sys.argv[1]), 1 << 30)
"""


@pytest.mark.parametrize("damaged_part", ["file", "log"])
@pytest.mark.parametrize(
    ("step", "calls_before"),
    [
        ("_keep", 0),
        ("_save", 0),
        ("_duplicate", 0),
        ("sync_directory", 2),
        ("finish", 1),
        ("_settle_numbers", 0),
    ],
)
def test_a_salvage_that_is_killed_is_done_at_the_next_start(
    sound: Original, killed: Original, damaged_part: str, step: str, calls_before: int
) -> None:
    original = (sound if damaged_part == "file" else killed).directory
    with copy_of(original) as undisturbed, copy_of(original) as copy:
        for directory in (undisturbed, copy):
            if damaged_part == "file":
                spoil_leaf(directory / SPOOL_NAME)
            else:
                log = log_of(directory / SPOOL_NAME)
                flip(log, [log.stat().st_size * 8 // 3])
        arguments = [sys.executable, "-c", _KILLED_IN_SALVAGE, str(copy), step, str(calls_before)]
        assert subprocess.run(arguments, check=False, capture_output=True).returncode == 9
        after, wanted = start_and_look(copy), start_and_look(undisturbed)
        assert after.readings == wanted.readings
        assert [damage.lost for damage in after.damages] == [damage.lost for damage in wanted.damages]
        assert len(after.damages) == 1
