"""Faults on demand: each does what its name says, and none loses count of acknowledged readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from virtual_kit_helpers import BAROMETER_ID, PASSWORD, SERIAL, FakeBroker, running

from hortus.base.errors import OperationalError
from hortus.protocol.reasons import Reason
from hortus.protocol.wire.codec import decode_raw_measurement
from hortus.protocol.wire.errors import WireError
from hortus.simulator.faults import (
    USUAL_CHANCES,
    ClockError,
    FaultDice,
    SimulatedFault,
    UnknownFaultError,
    parse_faults,
)
from hortus.simulator.kit import VirtualKit
from hortus.simulator.kit_connection import LinkSettings
from hortus.simulator.options import KitCredentials, SimulatorOptions, SimulatorOptionsError
from hortus.simulator.report import FileRecorder, KitCounts, ReadingKind, SentReading
from waiting import until

RAW = "measurement/raw"
AGGREGATE = "measurement/aggregate"


class Records:
    def __init__(self) -> None:
        self.sent_readings: list[SentReading] = []
        self.acknowledged_readings: list[SentReading] = []

    def sent(self, reading: SentReading) -> None:
        self.sent_readings.append(reading)

    def acknowledged(self, reading: SentReading) -> None:
        self.acknowledged_readings.append(reading)


@asynccontextmanager
async def faulty_kit(
    broker: FakeBroker, faults: str, *, records: Records | None = None, speed: float = 300
) -> AsyncIterator[VirtualKit]:
    async with broker.serving():
        options = SimulatorOptions(
            port=broker.port,
            speed=speed,
            faults=parse_faults(faults),
            raw_qos=1,
            seed=4,
            link=LinkSettings(first_reconnect_seconds=0.02, longest_reconnect_seconds=0.05),
            recorder=records,
        )
        kit = VirtualKit(KitCredentials(serial=SERIAL, password=PASSWORD), options)
        async with running(kit.run()):
            yield kit


def raw_ids(broker: FakeBroker) -> list[bytes]:
    packets = [p for connection in range(len(broker.packets)) for p in broker.published(RAW, connection)]
    return [decode_raw_measurement(packet.payload).id for packet in packets]


async def test_duplicates_are_published_twice_with_the_same_id() -> None:
    broker = FakeBroker()
    async with faulty_kit(broker, "duplicates:1") as kit:
        await until(lambda: kit.counts.raw_sent >= 9, "readings are sent")
        kit.stop_measuring()
        await until(lambda: kit.unfinished_messages == 0, "all is acknowledged")
    assert set(Counter(raw_ids(broker)).values()) == {2}
    assert kit.counts.duplicates == kit.counts.raw_sent + kit.counts.aggregates_sent
    assert kit.counts.raw_acknowledged == 2 * kit.counts.raw_sent


async def test_dropouts_silence_a_sensor_for_a_while() -> None:
    broker = FakeBroker()
    async with faulty_kit(broker, "dropouts:0.5") as kit:
        await until(
            lambda: kit.counts.dropouts >= 3 and kit.counts.raw_sent >= 3, "it falls silent, and returns"
        )


async def test_reconnects_cut_the_connection_and_everything_arrives_all_the_same() -> None:
    broker, records = FakeBroker(), Records()
    async with faulty_kit(broker, "reconnects:0.05", records=records) as kit:
        await until(lambda: kit.counts.cuts >= 5, "connections break")
        kit.stop_measuring()
        await until(lambda: kit.unfinished_messages == 0, "all is acknowledged")
    sent = {reading.id for reading in records.sent_readings}
    assert {reading.id for reading in records.acknowledged_readings} == sent
    assert len(records.acknowledged_readings) == len(records.sent_readings) == len(sent)
    assert {r.id for r in records.sent_readings if r.kind is ReadingKind.RAW} <= set(raw_ids(broker))
    assert kit.counts.connections >= 5


async def test_late_readings_come_in_a_burst_with_their_old_timestamps() -> None:
    broker = FakeBroker()
    # Held back for at least two minutes of kit time, which is 100 ms here.
    async with faulty_kit(broker, "late:1", speed=1200) as kit:
        await until(lambda: kit.counts.late_batches and kit.counts.raw_sent >= 9, "a batch is released")
        kit.stop_measuring()
        await until(lambda: kit.unfinished_messages == 0, "all is acknowledged")
        now_ms = datetime.now(UTC).timestamp() * 1000
    stamps = [decode_raw_measurement(packet.payload).datetime_ms for packet in broker.published(RAW)]
    assert stamps == sorted(stamps)
    assert stamps[0] < stamps[-1] <= now_ms
    assert kit.counts.raw_acknowledged == kit.counts.raw_sent


async def test_a_drifting_clock_stamps_readings_wrongly_by_up_to_six_hours() -> None:
    broker = FakeBroker()
    async with faulty_kit(broker, "drift:0.5") as kit:
        await until(lambda: kit.counts.raw_sent >= 60, "readings are sent")
    now_ms = datetime.now(UTC).timestamp() * 1000
    errors = [
        (decode_raw_measurement(packet.payload).datetime_ms - now_ms) / 1000 for packet in broker.published(RAW)
    ]
    assert max(map(abs, errors)) > 60
    assert max(map(abs, errors)) <= 6 * 3600 + 30


async def test_garbage_of_every_sort_is_published_beside_the_good_readings() -> None:
    broker = FakeBroker()
    async with faulty_kit(broker, "garbage:1") as kit:
        await until(lambda: kit.counts.garbage >= 100, "garbage is sent")
        kit.stop_measuring()
        await until(lambda: kit.unfinished_messages == 0, "all is acknowledged")
    reasons: Counter[Reason] = Counter()
    good, stray = 0, 0
    for packet in broker.published(RAW):
        try:
            reading = decode_raw_measurement(packet.payload)
        except WireError as error:
            reasons[error.reason] += 1
        else:
            good += reading.peripheral == BAROMETER_ID
            stray += reading.peripheral != BAROMETER_ID
    assert good >= kit.counts.raw_sent
    assert stray > 0
    assert {
        Reason.EMPTY_PAYLOAD,
        Reason.PAYLOAD_TOO_LARGE,
        Reason.UNDECODABLE,
        Reason.VALUE_NOT_FINITE,
    } <= set(reasons)
    # Garbage is acknowledged too, but is not a reading.
    assert kit.counts.raw_acknowledged == kit.counts.raw_sent


async def test_with_all_faults_every_acknowledged_reading_had_been_sent() -> None:
    broker, records = FakeBroker(), Records()
    async with faulty_kit(broker, "all:0.05", records=records) as kit:
        await until(lambda: kit.counts.raw_acknowledged >= 100, "a lot has happened")
        kit.stop_measuring()
        await until(lambda: kit.unfinished_messages == 0, "all is acknowledged")
    sent = {reading.id for reading in records.sent_readings}
    assert {reading.id for reading in records.acknowledged_readings} == sent


def test_faults_are_read_from_a_list_with_chances() -> None:
    assert parse_faults("").chances == {}
    assert parse_faults("all").chances == USUAL_CHANCES
    assert parse_faults("late, drift:0.5").chances == {
        SimulatedFault.LATE: USUAL_CHANCES[SimulatedFault.LATE],
        SimulatedFault.DRIFT: 0.5,
    }
    assert parse_faults("all:0.1,garbage:0").chances == {
        **dict.fromkeys(SimulatedFault, 0.1),
        SimulatedFault.GARBAGE: 0.0,
    }


@pytest.mark.parametrize("text", ["locusts", "late:often", "late:2", "late:-1", "late:nan", "late:"])
def test_unknown_faults_are_refused_with_an_explanation(text: str) -> None:
    with pytest.raises(UnknownFaultError, match="“"):
        parse_faults(text)


def test_the_same_seed_brings_the_same_faults() -> None:
    dice = [FaultDice(parse_faults("all:0.5"), "seed") for _ in range(2)]
    throws = [[one.strike(fault) for fault in SimulatedFault for _ in range(20)] for one in dice]
    assert throws[0] == throws[1]


def test_a_clock_is_never_wrong_by_more_than_six_hours() -> None:
    error = ClockError(jump_seconds=5 * 3600, rate=1.0)
    assert error.after(60) == 5 * 3600 + 60
    assert error.after(1e9) == 6 * 3600


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"speed": 1e9}, {"raw_qos": 2}, {"stagger_seconds": -1}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SimulatorOptionsError):
        SimulatorOptions(**wrong)  # type: ignore[arg-type]


def test_a_record_file_has_a_line_per_event_at_once(tmp_path: Path) -> None:
    path = tmp_path / "record"
    identity = UUID("0f1e2d3c-4b5a-4968-8776-655443322110")
    reading = SentReading(serial=SERIAL, kind=ReadingKind.RAW, id=identity.bytes, datetime_ms=1712345678901)
    with FileRecorder(path) as recorder:
        recorder.sent(reading)
        recorder.acknowledged(reading)
        assert path.read_text().splitlines() == [
            f"sent raw {SERIAL} {identity} 1712345678901",
            f"acknowledged raw {SERIAL} {identity} 1712345678901",
        ]


def test_a_record_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="name a file that can be written"), FileRecorder(tmp_path):
        pass


def test_counts_of_several_kits_add_up() -> None:
    total = KitCounts(raw_sent=3, garbage=1)
    total.add(KitCounts(raw_sent=4, connections=1))
    assert total == KitCounts(raw_sent=7, garbage=1, connections=1)
