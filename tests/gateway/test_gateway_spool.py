"""The spool keeps accepted readings, in order and within its limits, whatever happens to disk and process."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from gateway_harness import RecordingTarget, gateway, health, limits, look, reading, send

from hortus.base.files import DirectoryNotUsable
from hortus.flow.gateway.errors import SpoolNotUsable, SpoolUnavailable, TargetTrouble
from hortus.flow.gateway.limits import ListenerLimits, SpoolLimits
from hortus.flow.gateway.readings import SensorReading, reading_id
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.spool_file import Arrival, SpoolDepth, SpoolFile
from hortus.flow.gateway.spool_format import SPOOL_NAME, identity_digest
from waiting import until


def arrival(sensor_id: int = 1, value: float = 1.0, received_at_ms: int = 1_800_000_000_000) -> Arrival:
    return Arrival(
        reading=SensorReading(sensor_id=sensor_id, humidity=value),
        received_at_ms=received_at_ms,
        address="192.168.1.7",
    )


async def append(spool: Spool, *arrivals: Arrival) -> None:
    for each in arrivals:
        await spool.append(each)


async def test_what_was_appended_is_there_after_a_restart_with_the_same_ids(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        await append(spool, arrival(1), arrival(2), arrival(1))
        before = await spool.use(lambda file: file.oldest_waiting(10))
    async with Spool(tmp_path) as spool:
        after = await spool.use(lambda file: file.oldest_waiting(10))
        source = await spool.use(lambda file: file.source)
    assert after == before
    assert [each.received.reading.sensor_id for each in after] == [1, 2, 1]
    assert [each.received.id for each in after] == [
        reading_id(source, 1, 1),
        reading_id(source, 2, 2),
        reading_id(source, 1, 3),
    ]


async def test_a_number_is_never_used_again_even_when_all_readings_are_gone(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        await append(spool, arrival())
        everything = await spool.use(lambda file: file.oldest_waiting(10))
        await spool.use(lambda file: file.forwarded(everything))
    async with Spool(tmp_path) as spool:
        await append(spool, arrival())
        (only,) = await spool.use(lambda file: file.oldest_waiting(10))
    assert only.number == everything[0].number + 1
    assert only.received.id != everything[0].received.id


async def test_readings_that_wait_together_share_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    original = SpoolFile.append

    def slow_append(file: SpoolFile, arrivals: Sequence[Arrival], counts: Counter[str]) -> None:
        sizes.append(len(arrivals))
        time.sleep(0.05)
        original(file, arrivals, counts)

    monkeypatch.setattr(SpoolFile, "append", slow_append)
    async with Spool(tmp_path) as spool:
        await asyncio.gather(*(spool.append(arrival(number)) for number in range(1, 101)))
    assert sum(sizes) == 100
    assert len(sizes) <= 5


async def test_every_commit_is_synced(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        modes = await spool.use(
            lambda file: [
                file._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]
        )
    assert modes == ["wal", 2]  # 2 is FULL: the log is synced after each transaction


async def test_a_full_spool_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    total = 40_000
    async with Spool(tmp_path, SpoolLimits(most_bytes=1024 * 1024)) as spool:
        for start in range(0, total, 500):
            await asyncio.gather(
                *(spool.append(arrival(number % 50 + 1, number)) for number in range(start, start + 500))
            )
        depth = await spool.use(lambda file: file.depth())
        counters = await spool.use(lambda file: file.counters())
        waiting = await spool.use(lambda file: file.oldest_waiting(total))
    assert (tmp_path / SPOOL_NAME).stat().st_size <= 1024 * 1024
    assert depth.waiting + counters["dropped"] == total == counters["stored"]
    assert depth.waiting > 5000
    # What is left is the newest, without a gap.
    assert [each.number for each in waiting] == list(range(total - depth.waiting + 1, total + 1))


async def test_a_disk_that_does_not_take_readings_is_told_to_boards_as_503_and_mends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = RecordingTarget()
    broken = True
    original = SpoolFile.append

    def append(file: SpoolFile, arrivals: Sequence[Arrival], counts: Counter[str]) -> None:
        if broken:
            raise sqlite3.OperationalError("disk I/O error")
        original(file, arrivals, counts)

    monkeypatch.setattr(SpoolFile, "append", append)
    async with gateway(tmp_path, target.forwarder) as port:
        reply = await send(port, reading(1))
        assert (reply.status, reply.body) == (503, {"error": "The reading cannot be stored now"})
        assert (await health(port)).body["fault"] is not None
        broken = False
        assert (await send(port, reading(2))).status == 200
        await until(lambda: len(target.taken) == 1)


async def test_a_spool_that_cannot_be_read_is_told_with_the_figures_known_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = RecordingTarget(trouble=TargetTrouble("Away.", whole_target=True))
    original = SpoolFile.depth
    broken = False

    def depth(file: SpoolFile) -> SpoolDepth:
        if broken:
            raise sqlite3.OperationalError("disk I/O error")
        return original(file)

    monkeypatch.setattr(SpoolFile, "depth", depth)
    async with gateway(tmp_path, away.forwarder) as port:
        assert (await send(port, reading(1))).status == 200

        async def known() -> bool:
            return (await health(port)).body["waiting"] == 1

        await until(known)
        broken = True

        async def told() -> bool:
            return (await health(port)).status == 503

        await until(told)
        answer = (await health(port)).body
        assert answer["fault"] == (
            "The spool cannot be read. The disk does not take or give readings now: disk I/O error."
        )
        assert answer["waiting"] == 1
        broken = False

        async def well_again() -> bool:
            return (await health(port)).status == 200

        await until(well_again)


async def test_a_disk_that_hangs_costs_boards_no_more_than_the_deadline_and_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = RecordingTarget()
    hanging = True
    original = SpoolFile.append

    def append(file: SpoolFile, arrivals: Sequence[Arrival], counts: Counter[str]) -> None:
        while hanging:
            time.sleep(0.01)
        original(file, arrivals, counts)

    monkeypatch.setattr(SpoolFile, "append", append)
    bounds = limits(listener=ListenerLimits(answer_seconds=0.2), spool=SpoolLimits(pending=20, group=10))
    async with gateway(tmp_path, target.forwarder, bounds) as port:
        replies = await asyncio.gather(*(send(port, reading(number)) for number in range(1, 61)))
        assert {reply.status for reply in replies} == {503}
        hanging = False

        async def taken_again() -> bool:
            return (await send(port, reading(99))).status == 200

        await until(taken_again)
        await until(lambda: any(each.received.reading.sensor_id == 99 for each in target.taken))


async def test_readings_beyond_the_bound_of_what_may_wait_are_refused_at_once(tmp_path: Path) -> None:
    async with Spool(tmp_path, SpoolLimits(pending=5)) as spool:
        results = await asyncio.gather(
            *(spool.append(arrival(number)) for number in range(1, 20)), return_exceptions=True
        )
    assert sum(result is None for result in results) == 5
    assert sum(isinstance(result, SpoolUnavailable) for result in results) == 14


async def test_two_gateways_never_share_a_spool(tmp_path: Path) -> None:
    async with Spool(tmp_path):
        with pytest.raises(SpoolNotUsable, match="Another gateway"):
            async with Spool(tmp_path):
                pass


async def test_a_spool_of_a_newer_version_ends_the_start_in_words(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        source = await spool.use(lambda file: file.source)
        newer = (99, identity_digest(99, str(source)))
        await spool.use(lambda file: file._connection.execute("UPDATE spool SET format = ?, digest = ?", newer))
    with pytest.raises(SpoolNotUsable, match="newer version"):
        async with Spool(tmp_path):
            pass
    assert list(tmp_path.glob("*damaged*")) == []


async def test_a_place_that_cannot_hold_a_spool_ends_the_start_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DirectoryNotUsable):
        async with Spool(tmp_path / "file" / "spool"):
            pass


# Forwarding everything


async def test_readings_reach_the_target_once_and_in_order(tmp_path: Path) -> None:
    target = RecordingTarget()
    async with gateway(tmp_path, target.forwarder) as port:
        for number in range(60):
            assert (await send(port, reading(number % 3 + 1, humidity=number))).status == 200
        await until(lambda: len(target.taken) == 60)
        await until(lambda: _is_empty(tmp_path))
    assert [each.received.reading.humidity for each in target.taken] == list(range(60))


async def test_while_the_target_is_away_readings_wait_also_over_a_restart(tmp_path: Path) -> None:
    away = RecordingTarget(trouble=TargetTrouble("Nobody is there.", whole_target=True))
    async with gateway(tmp_path, away.forwarder) as port:
        for number in range(10):
            assert (await send(port, reading(1, humidity=number))).status == 200
        await until(lambda: away.attempts >= 3)
        assert (await health(port)).body["target"] == {"name": "the test", "trouble": "Nobody is there."}
        waiting_ids = [each.received.id for each in _waiting(tmp_path)]
    back = RecordingTarget()
    async with gateway(tmp_path, back.forwarder):
        await until(lambda: len(back.taken) == 10)
    assert [each.received.id for each in back.taken] == waiting_ids
    assert all(isinstance(each, UUID) for each in waiting_ids)


async def test_a_refused_reading_is_set_aside_and_stops_nobody(tmp_path: Path) -> None:
    target = RecordingTarget(refuses=lambda each: each.received.reading.sensor_id == 2)
    async with gateway(tmp_path, target.forwarder) as port:
        for sensor_id in (1, 2, 3):
            await send(port, reading(sensor_id))
        await until(lambda: len(target.taken) == 2)
        await until(lambda: _is_empty(tmp_path))
        file = look(tmp_path)
        (aside,) = file.list_set_aside()
        assert (aside.spooled.received.reading.sensor_id, aside.reason, aside.detail) == (
            2,
            "refused",
            "Because.",
        )
        # What a person does about it reaches the running gateway.
        target.refuses = lambda _reading: False
        assert file.retry(None, 2) == 1
        file.close()
        await send(port, reading(4))
        await until(lambda: len(target.taken) == 4)


async def test_a_reading_that_the_target_fails_on_is_found_and_set_aside(tmp_path: Path) -> None:
    class Failing(RecordingTarget):
        async def deliver(self, readings):  # type: ignore[no-untyped-def]
            if any(each.received.reading.sensor_id == 7 for each in readings):
                raise TargetTrouble("It answered 500.", whole_target=False, blames_content=True)
            return await super().deliver(readings)

    target = Failing(trouble=None)
    (tmp_path / "spool").mkdir()
    async with Spool(tmp_path / "spool") as spool:
        await append(spool, *(arrival(sensor_id) for sensor_id in range(1, 21)))
    async with gateway(tmp_path, target.forwarder):
        await until(lambda: len(target.taken) == 19)
        await until(lambda: _is_empty(tmp_path))
    file = look(tmp_path)
    (aside,) = file.list_set_aside()
    file.close()
    assert (aside.spooled.received.reading.sensor_id, aside.reason) == (7, "target-fails")


async def test_over_a_line_that_is_too_slow_for_many_readings_fewer_are_sent_at_once(tmp_path: Path) -> None:
    class Slow(RecordingTarget):
        async def deliver(self, readings):  # type: ignore[no-untyped-def]
            if len(readings) > 3:
                raise TargetTrouble("It did not answer in time.", whole_target=False, may_still_succeed=True)
            return await super().deliver(readings)

    target = Slow()
    (tmp_path / "spool").mkdir()
    async with Spool(tmp_path / "spool") as spool:
        await append(spool, *(arrival(sensor_id) for sensor_id in range(1, 21)))
    async with gateway(tmp_path, target.forwarder):
        await until(lambda: len(target.taken) == 20)
    assert [each.number for each in target.taken] == list(range(1, 21))


async def test_set_aside_readings_can_be_listed_retried_and_dropped(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        await append(spool, *(arrival(sensor_id) for sensor_id in (1, 1, 2, 3)))
        readings = await spool.use(lambda file: file.oldest_waiting(10))
        await spool.use(lambda file: file.set_aside((each, "refused", "No.") for each in readings))
        assert len(await spool.use(lambda file: file.list_set_aside(sensor_id=1))) == 2
        assert await spool.use(lambda file: file.drop([readings[2].number], None)) == 1
        assert await spool.use(lambda file: file.retry(None, 1)) == 2
        assert await spool.use(lambda file: file.retry([999], None)) == 0
        depth = await spool.use(lambda file: file.depth())
        counters = await spool.use(lambda file: file.counters())
    assert (depth.waiting, depth.set_aside) == (2, 1)
    assert counters == {"stored": 4, "set-aside:refused": 4, "thrown-away": 1, "retried": 2}


async def test_a_stop_answers_who_is_being_served_and_keeps_the_queue(tmp_path: Path) -> None:
    away = RecordingTarget(trouble=TargetTrouble("Away.", whole_target=True))
    accepted = 0

    async def board(port: int, sensor_id: int) -> None:
        nonlocal accepted
        while True:
            try:
                reply = await send(port, reading(sensor_id))
            except (ConnectionError, IndexError):  # nobody listens any more, or closed before it was asked
                return
            if reply.status == 503:  # the spool is closed: said so, and not counted as accepted
                return
            assert reply.status == 200
            accepted += 1

    async with gateway(tmp_path, away.forwarder) as port:
        boards = [asyncio.create_task(board(port, number)) for number in range(1, 11)]
        await until(lambda: accepted > 50)
    await asyncio.wait_for(asyncio.gather(*boards), 20)
    assert len(_waiting(tmp_path)) >= accepted


def _waiting(directory: Path) -> list:  # type: ignore[type-arg]
    file = look(directory)
    try:
        return file.oldest_waiting(1_000_000)
    finally:
        file.close()


def _is_empty(directory: Path) -> bool:
    return not _waiting(directory)
