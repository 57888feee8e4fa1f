"""The path of a reading: stored once, before it is acknowledged, and counted whatever its outcome."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from hortus.domain.kits.store import KitStore, add_standard_configuration
from hortus.protocol.reasons import Reason
from ingest_world import RecordingSource, World, now_ms

HOUR_MS = 3_600_000


async def test_a_reading_is_in_the_database_when_its_sender_is_told(world: World) -> None:
    identity, device_time_ms = uuid.uuid4(), now_ms() - 5_000
    await world.send(world.raw(id=identity.bytes, datetime_ms=device_time_ms, value=-3.25))
    row = await world.connection.fetchrow("SELECT * FROM raw_measurements")
    configuration = await world.connection.fetchval("SELECT id FROM kit_configurations WHERE kit_id = 1")
    arrival = row["received_at"]
    assert dict(row) == {
        "datetime": datetime.fromtimestamp(device_time_ms / 1000, UTC),
        "received_at": arrival,
        "value": -3.25,
        "id": identity,
        "kit_id": world.kit.id,
        "peripheral_id": world.peripheral,
        "kit_configuration_id": configuration,
        "quantity_type_id": 1,
    }
    assert 0 <= (datetime.now(UTC) - arrival).total_seconds() < 60


async def test_an_aggregate_is_stored_with_its_window_and_values(world: World) -> None:
    payload = world.aggregate(values=(("count", 30.0), ("average", 21.25), ("minimum", 20.5)))
    await world.send(payload, "measurement/aggregate")
    row = await world.connection.fetchrow("SELECT * FROM aggregate_measurements")
    assert json.loads(row["values"]) == {"count": 30.0, "average": 21.25, "minimum": 20.5}
    assert (row["datetime_end"] - row["datetime_start"]).total_seconds() == 60


async def test_redelivery_stores_nothing_and_is_counted_as_duplicate(world: World) -> None:
    payload = world.raw()
    await world.send(payload)
    await world.send(payload)
    for _ in range(3):
        world.offer(payload)  # several copies in one batch
    await world.settled()
    assert await world.count() == 1
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.duplicate) == (5, 1, 4)
    assert len(world.source.settled) == 5


async def test_a_redelivered_aggregate_is_a_duplicate_too(world: World) -> None:
    payload = world.aggregate()
    await world.send(payload, "measurement/aggregate")
    await world.send(payload, "measurement/aggregate")
    assert await world.count("aggregate_measurements") == 1
    counts = await world.ledger()
    assert (counts.stored, counts.duplicate) == (1, 1)


async def test_the_serial_in_the_payload_is_ignored_the_topic_decides(world: World) -> None:
    await world.send(world.raw(kit_serial="k-some-body-else"))
    assert await world.connection.fetchval("SELECT kit_id FROM raw_measurements") == world.kit.id


async def test_readings_of_an_older_configuration_stay_with_it(world: World) -> None:
    async with world.engine.begin() as connection:
        await add_standard_configuration(connection, world.kit.id)
    await world.send(world.raw())
    first = await world.connection.fetchval("SELECT min(id) FROM kit_configurations WHERE kit_id = 1")
    assert await world.connection.fetchval("SELECT kit_configuration_id FROM raw_measurements") == first


async def test_late_data_is_stored_with_its_own_time_in_a_partition_made_for_it(world: World) -> None:
    last_year_ms = now_ms() - 400 * 24 * HOUR_MS
    await world.send(world.raw(datetime_ms=last_year_ms))
    row = await world.connection.fetchrow("SELECT datetime, received_at FROM raw_measurements")
    assert round(row["datetime"].timestamp() * 1000) == last_year_ms
    assert (datetime.now(UTC) - row["received_at"]).total_seconds() < 60


async def test_a_partition_that_was_dropped_is_made_again(world: World) -> None:
    await world.send(world.raw())
    for partition in await world.connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
        " WHERE inhparent = 'raw_measurements'::regclass"
    ):
        await world.connection.execute(f"DROP TABLE {partition['name']}")
    await world.send(world.raw())
    assert await world.count() == 1
    assert (await world.ledger()).quarantined == 0


async def test_last_seen_follows_each_message_by_the_servers_clock(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() - 30 * 24 * HOUR_MS))
    seen = await world.connection.fetchval("SELECT datetime_last_seen FROM kit_last_seen WHERE kit_id = 1")
    assert abs((datetime.now(UTC) - seen).total_seconds()) < 60


WRONG_RAW = {
    "undecodable bytes": (b"\xff\x01rubbish", Reason.UNDECODABLE),
    "nothing at all": (b"", Reason.EMPTY_PAYLOAD),
    "65 KB that unpack to 64 MiB": (b"\x00\xff" * 32_770, None),
    "far too long": (b"\x00" * 200_000, Reason.PAYLOAD_TOO_LARGE),
}


@pytest.mark.parametrize("name", WRONG_RAW)
async def test_rubbish_is_kept_in_quarantine_with_a_reason(world: World, name: str) -> None:
    payload, reason = WRONG_RAW[name]
    await world.send(payload)
    row = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert (row["kit_id"], row["stream"], row["topic"]) == (world.kit.id, "raw", world.topic())
    assert (row["payload"], row["payload_bytes"]) == (payload, len(payload))
    assert row["detail"]
    assert row["reason"] == reason or reason is None
    assert (await world.ledger()).quarantined == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peripheral": 999_999}, Reason.UNKNOWN_PERIPHERAL),
        ({"peripheral": -1}, Reason.UNKNOWN_PERIPHERAL),
        ({"quantity_type": 77}, Reason.UNKNOWN_QUANTITY_TYPE),
        ({"datetime_ms": 0}, Reason.TIME_TOO_OLD),
        ({"datetime_ms": 20_000_000_000}, Reason.TIME_TOO_OLD),  # August 1970
    ],
)
async def test_a_reading_that_fits_nothing_is_quarantined(
    world: World, changes: dict[str, int], reason: Reason
) -> None:
    await world.send(world.raw(**changes))
    assert await world.count() == 0
    assert await world.reasons() == {reason: 1}


async def test_a_reading_an_hour_ahead_is_quarantined_one_a_minute_ahead_is_not(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() + HOUR_MS))
    await world.send(world.raw(datetime_ms=now_ms() + 60_000))
    assert await world.count() == 1
    assert await world.reasons() == {Reason.TIME_IN_FUTURE: 1}


async def test_a_time_in_seconds_is_named_as_such(world: World) -> None:
    await world.send(world.raw(datetime_ms=now_ms() // 1000))
    row = await world.connection.fetchrow("SELECT reason, detail FROM quarantine")
    assert row["reason"] == Reason.TIME_TOO_OLD
    assert "would be right in seconds; kits send milliseconds since 1970" in row["detail"]


async def test_a_clock_that_was_never_set_is_not_taken_for_another_unit(world: World) -> None:
    await world.send(world.raw(datetime_ms=20 * 24 * HOUR_MS))
    detail = await world.connection.fetchval("SELECT detail FROM quarantine")
    assert "probably never set" in detail


async def test_a_peripheral_of_another_kit_is_told_from_an_unknown_one(world: World) -> None:
    foreign = world.kits[1][1][0].id
    await world.send(world.raw(peripheral=foreign))
    assert await world.reasons() == {Reason.FOREIGN_PERIPHERAL: 1}


async def test_messages_of_an_unknown_kit_are_counted_apart(world: World) -> None:
    await world.send(world.raw(), serial="k-no-such-kit")
    counts = await world.ledger(kit_id=0)
    assert dict(counts.reasons) == {("quarantined", Reason.UNKNOWN_KIT): 1}


async def test_an_aggregate_from_a_clock_that_was_never_set_is_quarantined(world: World) -> None:
    payload = world.aggregate(datetime_start_ms=0, datetime_end_ms=60_000)
    await world.send(payload, "measurement/aggregate")
    assert await world.reasons() == {Reason.TIME_TOO_OLD: 1}


async def test_media_is_kept_until_it_can_be_stored(world: World) -> None:
    await world.send(b"picture", "media")
    assert await world.reasons() == {Reason.MEDIA_STORAGE_PENDING: 1}
    assert await world.connection.fetchval("SELECT payload FROM quarantine") == b"picture"


async def test_one_bad_message_does_not_touch_the_others_of_its_batch(world: World) -> None:
    for index in range(100):
        world.offer(b"rubbish" if index % 10 == 3 else world.raw())
    await world.settled()
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.quarantined) == (100, 90, 10)
    assert len(world.source.settled) == 100


async def test_a_row_that_only_the_database_refuses_is_isolated(world: World) -> None:
    """A rule of the operator's own, say; every other row of the batch is stored."""
    await world.send(world.raw())
    await world.connection.execute("ALTER TABLE raw_measurements ADD CHECK (value < 1000)")
    for index in range(50):
        world.offer(world.raw(value=5000.0 if index in {7, 30} else 1.0))
    await world.settled()
    counts = await world.ledger()
    assert (counts.received, counts.stored, counts.quarantined) == (51, 49, 2)
    assert await world.reasons() == {Reason.REFUSED_BY_DATABASE: 2}


async def test_a_kit_made_a_moment_ago_is_known_and_a_new_configuration_too(world: World) -> None:
    await world.send(world.raw())  # the kit is in memory now
    async with world.engine.begin() as connection:
        peripherals = await add_standard_configuration(connection, world.kit.id)
    await world.send(world.raw(peripheral=peripherals[0].id))
    assert await world.count() == 2


async def test_a_kit_deleted_behind_the_cache_takes_no_more_readings(world: World) -> None:
    await world.send(world.raw())
    async with world.engine.begin() as connection:
        await KitStore().delete(connection, world.kit.serial)
    assert world.registry.kit(world.kit.serial) is not None  # nobody told the cache
    await world.send(world.raw())
    assert await world.count() == 0
    assert await world.reasons() == {Reason.UNKNOWN_KIT: 1}


async def test_a_message_that_a_transport_found_wrong_is_kept_under_the_senders_name(world: World) -> None:
    world.pipeline.set_aside(
        world.source,
        7,
        "kit/k-victim/measurement/raw",
        world.raw(),
        serial=world.kit.serial,
        reason=Reason.TOPIC_NOT_ALLOWED,
    )
    await world.settled()
    assert world.source.settled == [7]
    row = await world.connection.fetchrow("SELECT kit_id, topic, reason FROM quarantine")
    assert tuple(row) == (world.kit.id, "kit/k-victim/measurement/raw", "topic-not-allowed")


async def test_a_refusal_that_was_told_to_the_sender_is_counted_and_not_kept(world: World) -> None:
    world.pipeline.count_refused(
        "kit/k-victim/measurement/raw", serial=world.kit.serial, reason=Reason.TOPIC_NOT_ALLOWED
    )
    await world.settled()
    counts = await world.ledger(world.kit.id)
    assert (counts.received, counts.refused, counts.quarantined) == (1, 1, 0)
    assert await world.count("quarantine") == 0


async def test_a_full_quarantine_keeps_the_newest_and_says_how_many_made_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.flow.ingest.outcome.QUARANTINE_MESSAGES_PER_KIT", 3)
    await world.send(b"rubbish of another kit", serial=world.kits[1][0].serial)
    for number in range(5):
        await world.send(b"rubbish %d" % number)
    rows = await world.connection.fetch("SELECT payload FROM quarantine WHERE kit_id = 1 ORDER BY id")
    assert [row["payload"] for row in rows] == [b"rubbish 2", b"rubbish 3", b"rubbish 4"]
    counts = await world.ledger(world.kit.id)
    assert (counts.received, counts.quarantined, counts.refused) == (5, 5, 0)
    assert counts.reasons["purged", Reason.QUARANTINE_FULL] == 2
    assert await world.count("quarantine") == 4


HEAD = bytes(4096)
HEAD_DETAIL = (
    "The message has 200,000,000 bytes. Only the first 4,096 of them are kept, so it cannot be replayed."
)


@pytest.mark.parametrize("channel", ["media", "measurement/aggregate", "kit-rpc/response"])
async def test_of_a_message_that_is_too_large_the_beginning_is_kept_and_its_size(
    world: World, channel: str
) -> None:
    world.pipeline.offer_head(world.source, 7, world.topic(channel), HEAD, 200_000_000)
    await world.settled()
    assert world.source.settled == [7]
    row = await world.connection.fetchrow("SELECT * FROM quarantine")
    assert (row["kit_id"], row["reason"], row["topic"]) == (1, "payload-too-large", world.topic(channel))
    assert (row["payload"], row["payload_bytes"], row["detail"]) == (HEAD, 200_000_000, HEAD_DETAIL)
    counts = await world.ledger(world.kit.id)
    assert (counts.received, counts.quarantined) == (1, 1)


async def test_the_beginning_of_a_message_on_a_wrong_topic_is_kept_with_that_reason(world: World) -> None:
    world.pipeline.set_aside(
        world.source,
        1,
        world.topic("media", "k-other"),
        HEAD,
        serial=world.kit.serial,
        reason=Reason.TOPIC_NOT_ALLOWED,
        payload_bytes=200_000_000,
    )
    await world.settled()
    row = await world.connection.fetchrow("SELECT kit_id, reason, detail, payload_bytes FROM quarantine")
    assert tuple(row) == (1, "topic-not-allowed", HEAD_DETAIL, 200_000_000)


async def test_what_was_not_kept_takes_no_room_in_quarantine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.flow.ingest.outcome.QUARANTINE_BYTES_PER_KIT", 10_000)
    await world.send(b"rubbish")
    for handle in (101, 102):
        world.pipeline.offer_head(world.source, handle, world.topic("media"), HEAD, 200_000_000)
        await world.settled()
    assert await world.count("quarantine") == 3


async def test_a_quarantine_is_bounded_in_bytes_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hortus.flow.ingest.outcome.QUARANTINE_BYTES_PER_KIT", 1000)
    for size in (600, 300, 500):
        await world.send(bytes(size), "media")
    rows = await world.connection.fetch("SELECT payload_bytes FROM quarantine ORDER BY id")
    assert [row["payload_bytes"] for row in rows] == [300, 500]


async def test_the_same_message_from_two_transports_is_settled_with_both(world: World) -> None:
    other, payload = RecordingSource(), world.raw()
    world.offer(payload)
    world.pipeline.offer(other, 1, world.topic(), payload)
    await world.settled()
    assert (len(world.source.settled), other.settled) == (1, [1])
    assert await world.count() == 1


async def test_stored_readings_are_announced_after_the_commit(world: World) -> None:
    heard: list[str] = []
    await world.connection.add_listener("hortus_stored", lambda *arguments: heard.append(arguments[3]))
    await world.send(world.raw())
    async with world.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    await world.connection.execute("SELECT 1")
    assert heard == [str(world.kit.id)]
