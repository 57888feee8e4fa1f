"""Damage that a running gateway meets, and what boards, targets and operators see of damage (P1, P3)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from damaged_spool import all_readings, arrivals, keeper_of, make_spool, spoil_leaf, start_and_look
from gateway_harness import RecordingTarget, gateway, health, reading, send

from hortus.base.files import DirectoryNotUsable
from hortus.flow.gateway.errors import SpoolDamaged, SpoolNotUsable, SpoolUnavailable
from hortus.flow.gateway.spool_file import SpoolFile
from hortus.flow.gateway.spool_format import PAGE_BYTES, SPOOL_NAME
from hortus.flow.gateway.spool_salvage import MOST_KEPT
from up_process import hortus, hortus_json
from waiting import until

READINGS = 200


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


def test_damage_that_comes_back_at_once_is_a_refusal_and_ends_nothing(tmp_path: Path) -> None:
    def meet_damage(_file: SpoolFile) -> None:
        raise SpoolDamaged("it is damaged again")

    keeper = keeper_of(tmp_path)
    keeper.use(lambda file: file.append(arrivals(1, 3), Counter()))
    with pytest.raises(SpoolUnavailable, match="damaged again"):
        keeper.use(meet_damage)
    assert len(keeper.use(all_readings)) == 3
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
    file._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
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
