"""Messages as Kafka records and back, and the bookkeeping of offsets: pure."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from hortus.flow.ingest.messages import Stream
from hortus.flow.kafka.lane import Lane
from hortus.flow.kafka.position import Position, committed_position, to_commit
from hortus.flow.kafka.progress import ProgressWatch, Standing, standing
from hortus.flow.kafka.records import dead_letter, message_of, record_of
from hortus.flow.kafka.serial_splice import put_serial, take_serial
from hortus.flow.kafka.topics import TopicNames
from hortus.protocol.wire.codec import decode_raw_measurement, encode_raw_measurement
from hortus.protocol.wire.messages import RawMeasurement

NAMES = TopicNames()
DAY_MS = 86_400_000
NOW_MS = 1_790_000_000_000
SERIAL = "k-3b4c-6d7f-8g9h"
VECTORS = {
    vector["name"]: bytes.fromhex(vector["packedHex"])
    for vector in json.loads((Path(__file__).parents[1] / "wire/vectors/kit-mqtt-vectors.json").read_text())[
        "vectors"
    ]
}

readings = st.builds(
    RawMeasurement,
    id=st.one_of(st.binary(min_size=16, max_size=16), st.uuids().map(lambda each: each.bytes)),
    datetime_ms=st.one_of(
        st.integers(1_700_000_000_000, 1_800_000_000_000), st.integers(0, 253_402_300_799_999)
    ),
    peripheral=st.one_of(st.integers(1, 300), st.integers(-(2**31), 2**31 - 1)),
    quantity_type=st.one_of(st.integers(1, 30), st.integers(-(2**31), 2**31 - 1)),
    value=st.one_of(st.sampled_from([0.0, 21.5, 1013.25]), st.floats(allow_nan=False, allow_infinity=False)),
)
serials = st.one_of(st.just(SERIAL), st.text("abc-0é", min_size=1, max_size=20))


def headers_of(record: object) -> dict[str, str | bytes | None]:
    return dict(getattr(record, "headers"))  # noqa: B009


@pytest.mark.parametrize(
    ("sent", "written", "channel"),
    [("raw-1", "raw-3-kafka", "measurement/raw"), ("agg-1-two-values", "agg-3-kafka", "measurement/aggregate")],
)
def test_the_value_is_that_of_the_contract(sent: str, written: str, channel: str) -> None:
    record = record_of(NAMES, f"kit/{SERIAL}/{channel}", VECTORS[sent], 1_712_345_679_000)
    assert record.value == VECTORS[written]
    assert record.key == SERIAL.encode()


@given(readings, serials)
def test_splicing_agrees_with_the_codec(reading: RawMeasurement, serial: str) -> None:
    payload = encode_raw_measurement(reading)
    value = encode_raw_measurement(replace(reading, kit_serial=serial))
    assert put_serial(payload, serial.encode()) in {None, value}
    assert take_serial(value) in {None, (serial.encode(), payload, reading)}


@given(readings)
def test_splicing_is_used_for_what_kits_send(reading: RawMeasurement) -> None:
    usual = replace(
        reading, id=b"\x11" * 16, datetime_ms=1_780_123_456_789, peripheral=7, quantity_type=3, value=21.5
    )
    assert put_serial(encode_raw_measurement(usual), SERIAL.encode()) is not None


@given(st.binary(max_size=120))
def test_any_bytes_are_taken_for_what_the_codec_takes_them_for(value: bytes) -> None:
    taken = take_serial(value)
    if taken is not None:
        serial, payload, reading = taken
        assert decode_raw_measurement(payload) == reading
        assert decode_raw_measurement(value) == replace(reading, kit_serial=serial.decode())


@given(readings, serials)
def test_a_reading_comes_back_as_it_was_sent(reading: RawMeasurement, serial: str) -> None:
    topic = f"kit/{serial}/measurement/raw"
    record = record_of(NAMES, topic, encode_raw_measurement(reading), 1_780_000_000_000)
    arrived = message_of(Stream.RAW, record.key, record.value, headers_of(record), 0, now_ms=NOW_MS)
    assert (arrived.topic, arrived.serial) == (topic, serial)
    assert arrived.received_at_ms == 1_780_000_000_000
    assert arrived.content is not None
    assert replace(arrived.content, kit_serial="") == reading


@given(
    st.sampled_from(list(Stream)),
    st.one_of(st.none(), st.binary(max_size=30)),
    st.one_of(st.none(), st.binary(max_size=200)),
    st.dictionaries(
        st.sampled_from(["received_at", "reason", "detail", "mqtt_topic", "payload_bytes", "x"]),
        st.one_of(st.none(), st.binary(max_size=30)),
    ),
    st.integers(-(2**62), 2**62),
)
def test_any_record_is_a_message(
    stream: Stream,
    key: bytes | None,
    value: bytes | None,
    headers: dict[str, str | bytes | None],
    written_at_ms: int,
) -> None:
    arrived = message_of(stream, key, value, headers, written_at_ms, now_ms=NOW_MS)
    assert 0 <= arrived.received_at_ms <= NOW_MS + DAY_MS
    assert "\x00" not in arrived.topic + arrived.serial
    assert arrived.verdict is None or "\x00" not in arrived.verdict.detail


def test_a_dead_letter_comes_back_with_its_reason() -> None:
    record = record_of(NAMES, f"kit/{SERIAL}/measurement/raw", b"\xff", 5)
    assert record.topic == NAMES.dead_letter
    arrived = message_of(Stream.OTHER, record.key, record.value, headers_of(record), 0, now_ms=NOW_MS)
    assert (arrived.topic, arrived.payload) == (f"kit/{SERIAL}/measurement/raw", b"\xff")
    assert arrived.verdict is not None
    assert not arrived.verdict.refused_already
    assert arrived.whole_bytes is None
    again = dead_letter(NAMES, arrived.topic, b"head", 5, arrived.verdict, whole_bytes=2000)
    assert message_of(Stream.OTHER, again.key, b"head", headers_of(again), 0, now_ms=NOW_MS).whole_bytes == 2000


@pytest.mark.parametrize("size", [b"", b"x", b"-5", b"4", b"99999999999999999999", None])
def test_a_size_that_cannot_be_right_is_left_out(size: bytes | None) -> None:
    assert (
        message_of(Stream.OTHER, None, b"head", {"payload_bytes": size}, 0, now_ms=NOW_MS).whole_bytes is None
    )


def test_media_keep_their_bytes_and_their_kit() -> None:
    payload = uuid.uuid4().bytes * 1000
    record = record_of(NAMES, f"kit/{SERIAL}/media", payload, 5)
    arrived = message_of(Stream.MEDIA, record.key, record.value, headers_of(record), 0, now_ms=NOW_MS)
    assert (arrived.topic, arrived.payload) == (f"kit/{SERIAL}/media", payload)


@given(st.lists(st.integers(0, 3), max_size=60), st.randoms())
def test_a_lane_never_passes_an_open_record(gaps: list[int], random: Random) -> None:
    lane, offset, still_open = Lane(("raw", 0), Position(10)), 10, []
    for gap in gaps:
        offset += gap
        assert not lane.went_back(offset)
        lane.open(offset, log_start=offset)
        assert lane.went_back(offset)
        still_open.append(offset)
        offset += 1
        while still_open and random.random() < 0.4:
            lane.settle([still_open.pop(random.randrange(len(still_open)))])
            assert lane.done_up_to == (min(still_open) if still_open else offset)
    lane.settle(still_open)
    assert lane.done_up_to == (offset if gaps else 10)
    assert lane.idle.is_set()
    assert lane.missed == sum(gaps)


def test_only_what_kafka_does_not_keep_is_missed() -> None:
    lane = Lane(("raw", 0), Position(10))
    lane.open(15, log_start=0)  # 10 to 14 belong to transactions
    lane.open(30, log_start=20)  # 16 to 19 were deleted, 20 to 29 belong to transactions
    assert lane.missed == 4
    lane.settle([15, 30])
    lane.reached(40)
    assert (lane.missed, lane.done_up_to) == (4, 40)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2)), min_size=1, max_size=30))
def test_a_position_has_the_epoch_of_the_record_before_it(steps: list[tuple[int, int]]) -> None:
    lane, offset, epoch = Lane(("raw", 0), Position(10, "T", 3), topic_id="T"), 10, 3
    assert lane.position == Position(10, "T", 3)
    written = []
    for records, later in steps:
        epoch += later
        for _ in range(records):
            lane.open(offset, epoch)
            written.append((offset, epoch))
            offset += 1
    for number, each in written:
        lane.settle([number])
        assert lane.position == Position(number + 1, "T", each)


def test_what_was_open_in_the_old_log_settles_nothing_in_the_new_one() -> None:
    old = Lane(("raw", 0), Position(10))
    old.open(10)
    assert old.went_back(0)
    new = old.again_from(0)
    for offset in range(11):
        new.open(offset)
    old.settle([10])
    assert new.done_up_to == 0


def test_a_committed_position_comes_back() -> None:
    position = Position(7, "cGxhbnRzIGFyZSBub3QgcA", 2)
    assert committed_position(to_commit(("raw", 3), position)) == position
    assert committed_position(TopicPartition("raw", 3, 7, "of another program")) == Position(7)
    assert committed_position(TopicPartition("raw", 3, -1001)) is None


@pytest.mark.parametrize(
    ("header", "written_at_ms", "expected"),
    [
        (b"1780000000000", 5, 1_780_000_000_000),
        (b"253402300799999", 5, 5),
        (b"1790000000000000", 5, 5),  # microseconds
        (b"soon", 5, 5),
        (b"253402300799999", 1_790_000_000_000_000, NOW_MS),
        (b"-1", -1, 0),
        (b"%d" % (NOW_MS + DAY_MS), 5, NOW_MS + DAY_MS),
    ],
)
def test_nothing_has_arrived_later_than_now(header: bytes, written_at_ms: int, expected: int) -> None:
    arrived = message_of(Stream.RAW, None, b"", {"received_at": header}, written_at_ms, now_ms=NOW_MS)
    assert arrived.received_at_ms == expected


@pytest.mark.parametrize(
    ("start", "end", "done", "waiting"),
    [(0, 10, 4, 6), (0, 10, 10, 0), (0, 10, None, 10), (5, 10, None, 5), (0, 10, 50, 10), (20, 30, 10, 10)],
)
def test_an_end_below_what_is_done_is_that_of_another_log(
    start: int, end: int, done: int | None, waiting: int
) -> None:
    assert standing(start=start, end=end, done_up_to=done).waiting == waiting


def test_each_partition_that_stands_still_is_noticed_unless_they_take_turns() -> None:
    now = 100.0
    watch = ProgressWatch(lambda: now)
    quick, stuck = ("raw", 0), ("raw", 1)

    def note(done: int, held_back: set[str], asked_at: float | None = 0.0) -> float | None:
        standings = {quick: Standing(9, done), stuck: Standing(9, 0)}
        asked_at = now if asked_at is not None else None
        return watch.note(standings, own={quick, stuck}, held_back=held_back, asked_at=asked_at)

    assert note(0, set()) == 100.0
    now = 110.0
    assert note(1, set()) == 100.0
    now = 120.0
    assert note(2, {"raw"}) == 120.0
    now = 130.0
    assert note(3, set(), asked_at=None) == 120.0
    assert watch.note({}, own=set(), held_back=set(), asked_at=None) == 120.0
    assert watch.note({}, own=set(), held_back=set(), asked_at=now) is None


def test_partitions_of_other_sinks_stand_still_when_none_of_them_moves() -> None:
    now = 100.0
    watch = ProgressWatch(lambda: now)
    first, second = ("raw", 0), ("raw", 1)

    def note(done: int) -> float | None:
        standings = {first: Standing(9, done), second: Standing(9, 0)}
        return watch.note(standings, own=set(), held_back=set(), asked_at=now)

    assert note(0) == 100.0
    assert not watch.stands_still(second)
    now = 110.0
    assert note(1) == 110.0
    now = 120.0
    assert note(1) == 110.0
    assert watch.stands_still(second)
