"""The path of a medium: stored whole, once, for the kit that sent it, and beside the readings."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest
from media_world import MediaWorld, storing_media
from obstore.store import MemoryStore

from hortus.domain.media.objects import MediaObjects, ObjectStoreNotAnswering
from hortus.flow.ingest.media_lane import MediaLimits
from hortus.protocol.reasons import Reason
from ingest_world import World, now_ms
from waiting import PATIENCE_SECONDS


async def test_a_medium_is_stored_with_its_row_and_counted(media: MediaWorld) -> None:
    world, fields = media.world, media.fields()
    await media.send(media.medium(**fields))
    row = await media.row(fields["id"])
    assert row is not None
    assert (row["name"], row["type"], row["size"], row["metadata"]) == ("regular.png", "image/png", 12, "null")
    assert (row["kit_id"], row["peripheral_id"]) == (world.kit.id, world.peripheral)
    assert row["datetime"].timestamp() * 1000 == pytest.approx(fields["datetime_ms"])
    assert await media.content(fields["id"]) == fields["data"]
    assert media.files() == {f"{world.kit.serial}/{uuid.UUID(bytes=fields['id'])}"}
    counts = await world.ledger()
    assert (counts.received, counts.stored) == (1, 1)


async def test_a_redelivery_has_no_effect_and_is_counted(media: MediaWorld) -> None:
    fields = media.fields()
    for _ in range(3):
        await media.send(media.medium(**fields))
    assert await media.world.count("media") == 1
    counts = await media.world.ledger()
    assert (counts.received, counts.stored, counts.duplicate) == (3, 1, 2)


async def test_other_content_under_a_known_id_replaces_nothing(media: MediaWorld) -> None:
    fields = media.fields()
    await media.send(media.medium(**fields))
    await media.send(media.medium(**fields | {"data": b"something else"}))
    assert await media.content(fields["id"]) == fields["data"]


async def test_a_redelivery_brings_back_a_lost_object(media: MediaWorld) -> None:
    fields = media.fields()
    await media.send(media.medium(**fields))
    for path in media.files():
        (media.folder / path).unlink()
    await media.send(media.medium(**fields))
    assert await media.content(fields["id"]) == fields["data"]


async def test_a_medium_that_was_deleted_is_not_brought_back_by_a_redelivery(media: MediaWorld) -> None:
    fields = media.fields()
    await media.send(media.medium(**fields))
    await media.world.connection.execute(
        "INSERT INTO queue_media_pending_deletion (media_id, kit_serial, media_datetime, media_size)"
        " SELECT id, 'k', datetime, size FROM media"
    )
    await media.world.connection.execute("DELETE FROM media")
    await media.send(media.medium(**fields))
    assert await media.world.count("media") == 0
    counts = await media.world.ledger()
    assert (counts.received, counts.stored, counts.duplicate) == (2, 1, 1)


async def test_nobody_can_add_a_medium_to_another_kit(media: MediaWorld) -> None:
    thief = media.world.kits[1][0]
    await media.send(media.medium(), serial=thief.serial)
    assert await media.quarantined() == [Reason.FOREIGN_PERIPHERAL]
    assert await media.world.count("media") == 0
    assert media.files() == set()


async def test_the_id_of_another_kits_medium_cannot_be_taken(media: MediaWorld) -> None:
    fields = media.fields()
    await media.send(media.medium(**fields))
    thief, sensors = media.world.kits[1]
    stolen = fields | {"peripheral": sensors[0].id, "data": b"mine"}
    await media.send(media.medium(**stolen), serial=thief.serial)
    assert await media.quarantined() == [Reason.MEDIA_ID_TAKEN]
    assert await media.content(fields["id"]) == fields["data"]
    assert len(media.files()) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metadata": "{not json"}, Reason.METADATA_NOT_JSON),
        ({"peripheral": 4321}, Reason.UNKNOWN_PERIPHERAL),
        ({"datetime_ms": now_ms() + 3_600_000}, Reason.TIME_IN_FUTURE),
        ({"datetime_ms": 1000}, Reason.TIME_TOO_OLD),
    ],
)
async def test_what_cannot_be_stored_is_set_aside_with_its_reason(
    media: MediaWorld, changes: dict[str, object], reason: Reason
) -> None:
    await media.send(media.medium(**changes))
    assert await media.quarantined() == [reason]
    assert media.files() == set()
    counts = await media.world.ledger()
    assert (counts.received, counts.quarantined) == (1, 1)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x10\x02rubbish", Reason.UNDECODABLE),
        (b"", Reason.EMPTY_PAYLOAD),
        (bytes(64 * 1024 * 1024 + 1), Reason.PAYLOAD_TOO_LARGE),
    ],
    ids=["rubbish", "empty", "too large"],
)
async def test_what_is_no_medium_is_set_aside(media: MediaWorld, payload: bytes, reason: Reason) -> None:
    await media.send(payload)
    assert await media.quarantined() == [reason]


async def test_a_name_of_ten_kilobytes_is_set_aside(media: MediaWorld) -> None:
    # The codec does not let one be written, so another encoder's message is made: a longer name in its place.
    from hortus.protocol.wire.schema import root

    builder = root("Media").new_message()
    for name, value in {**media.fields(), "name": "n" * 10_240}.items():
        setattr(builder, {"datetime_ms": "datetime"}.get(name, name), value)
    await media.send(builder.to_bytes_packed())
    assert await media.quarantined() == [Reason.TEXT_TOO_LONG]


async def test_texts_are_put_right_and_lead_nowhere(media: MediaWorld) -> None:
    fields = media.fields() | {
        "name": "../../etc/pass\r\nwd",
        "type": "image/png\r\nX-Evil: 1",
        "metadata": '{ "exposure": 0.25 }',
    }
    await media.send(media.medium(**fields))
    row = await media.row(fields["id"])
    assert row is not None
    assert (row["name"], row["type"]) == ("passwd", "application/octet-stream")
    assert json.loads(row["metadata"]) == {"exposure": 0.25}
    assert media.files() == {f"{media.world.kit.serial}/{uuid.UUID(bytes=fields['id'])}"}


async def test_a_medium_of_nothing_is_stored(media: MediaWorld) -> None:
    fields = media.fields() | {"data": b""}
    await media.send(media.medium(**fields))
    assert await media.content(fields["id"]) == b""


async def test_what_is_stored_is_for_its_owner_only(media: MediaWorld) -> None:
    await media.send(media.medium())
    assert stat.S_IMODE(media.folder.stat().st_mode) == 0o700


class Away(MediaObjects):
    """A store that refuses for a while."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "the store of this test")
        self.is_away = True
        self.refused = 0

    async def put(self, *arguments: Any, **options: Any) -> None:
        if self.is_away:
            self.refused += 1
            raise ObjectStoreNotAnswering("It is away.")
        await super().put(*arguments, **options)


async def test_while_the_store_is_away_media_wait_unacknowledged_and_readings_flow(
    world: World, tmp_path: Path
) -> None:
    objects = Away()
    async with storing_media(world, tmp_path, objects=objects) as media:
        fields = [media.fields() for _ in range(20)]
        handles = [media.offer(media.medium(**each)) for each in fields]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while objects.refused < 4:
                await media.world.send(media.world.raw())  # of the same kit
        reading = media.handle = media.handle + 1
        media.pipeline.offer(media.source, reading, world.topic(), world.raw())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while reading not in media.source.settled:
                await media.world.send(media.world.raw())
        assert not set(handles) & set(media.source.settled)
        assert await world.count("media") == 0
        objects.is_away = False
        await media.send(media.medium())
        while not set(handles) <= set(media.source.settled):
            await media.send(media.medium())
        for each in fields:
            assert await media.content(each["id"]) == each["data"]


async def test_transports_of_media_are_held_by_bytes_and_by_number(world: World, tmp_path: Path) -> None:
    objects = Away()
    limits = MediaLimits(waiting_messages=3, waiting_bytes=100_000, longest_pause_seconds=0.05)
    async with storing_media(world, tmp_path, objects=objects, limits=limits) as media:
        relieved: list[bool] = []
        media.offer(media.medium(data=os.urandom(100_000)))
        assert media.lane.saturated
        assert not media.pipeline.saturated
        media.lane.when_relieved(lambda: relieved.append(True))
        objects.is_away = False
        await media.send(media.medium())
        while not relieved:
            await media.send(media.medium())
        assert not media.lane.saturated


async def test_without_a_place_media_wait_in_quarantine_and_are_stored_by_a_replay(
    world: World, tmp_path: Path
) -> None:
    from hortus.flow.quarantine.replay import ReplayResult, replay
    from hortus.flow.quarantine.store import QuarantineFilter, quarantine_ids

    async with storing_media(world, tmp_path) as media:
        fields = media.fields()
        foreign = media.fields() | {"peripheral": world.kits[1][1][0].id}
        for payload in (media.medium(**fields), media.medium(**fields), media.medium(**foreign)):
            await world.send(payload, "media")  # by the pipeline that has no place for media
        assert await world.reasons() == {Reason.MEDIA_STORAGE_PENDING: 3}
        async with world.engine.connect() as connection:
            ids = await quarantine_ids(connection, QuarantineFilter())
        without = await replay(world.connection, ids, clock_tolerance_ms=0)
        assert without == ReplayResult(still_quarantined=3)
        result = await replay(world.connection, ids, clock_tolerance_ms=0, objects=media.objects)
        assert result == ReplayResult(stored=1, duplicate=1, still_quarantined=1)
        assert await media.content(fields["id"]) == fields["data"]
        assert await world.reasons() == {Reason.FOREIGN_PERIPHERAL: 1}
        counts = await world.ledger()
        assert (counts.received, counts.stored, counts.duplicate, counts.quarantined) == (3, 1, 1, 1)
