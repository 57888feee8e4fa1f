"""An object that the store refuses blocks no others, and an unavailable store loses none."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from media_world import MediaWorld, storing_media
from s3_service import S3Service, s3_service
from test_thumbnails import picture, thumbnail_rows

from hortus.base.settings import read_settings
from hortus.domain.media.deletion import delete_some_objects
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaPlaceMissing, ObjectMissing, ObjectStoreNotAnswering
from hortus.domain.media.place import open_media_objects
from hortus.domain.media.retries import note_of, pause_after
from hortus.domain.media.store import delete_medium
from hortus.domain.media.sweep import SAFE_AGE, check_rows, sweep_objects
from hortus.domain.media.thumbnails import make_some_thumbnails
from hortus.http.monitoring.health import FlowWatch
from ingest_world import World
from waiting import until


@dataclass
class Place:
    """A world that stores media, whose store can be taken away and brought back."""

    media: MediaWorld
    take_away: Callable[[], None]
    bring_back: Callable[[], None]

    async def add(self, **changes: Any) -> ObjectKey:
        fields = self.media.fields() | changes
        await self.media.send(self.media.medium(**fields))
        return ObjectKey(self.media.world.kit.serial, uuid.UUID(bytes=fields["id"]))

    async def delete(self, key: ObjectKey) -> None:
        async with self.media.world.engine.begin() as connection:
            await delete_medium(connection, key.medium_id)

    async def waiting(self) -> list[tuple[uuid.UUID, int]]:
        """Return the objects that are queued for deletion, and how often the store refused."""
        rows = await self.media.world.connection.fetch(
            "SELECT media_id, attempts FROM queue_media_pending_deletion WHERE object_deleted_at IS NULL"
        )
        return [(row["media_id"], row["attempts"]) for row in rows]

    async def let_time_pass(self) -> None:
        """End the backoff of all retries."""
        run = self.media.world.connection.execute
        await run("UPDATE queue_media_pending_deletion SET next_attempt_at = now()")
        await run("UPDATE media SET thumbnail_retry_at = now() WHERE thumbnail_retry_at IS NOT NULL")


@asynccontextmanager
async def in_folder(world: World, folder: Path) -> AsyncIterator[Place]:
    async with storing_media(world, folder) as media:
        elsewhere = folder.with_name("elsewhere")
        yield Place(media, lambda: _move(folder, elsewhere), lambda: _move(elsewhere, folder))


def _move(source: Path, target: Path) -> None:
    source.rename(target)


@dataclass
class Bucket(Place):
    """A place whose service can also refuse single objects."""

    service: S3Service


@asynccontextmanager
async def in_bucket(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    async with s3_service("kit-media") as service:
        monkeypatch.setenv("AWS_S3_ENDPOINT", service.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
        objects = open_media_objects(read_settings())
        service.failure = 404  # what S3 says of a bucket that does not exist

        def away(is_away: bool) -> None:
            service.is_failing = is_away

        async with storing_media(world, Path("/nowhere"), objects=objects) as media:
            yield Bucket(media, lambda: away(True), lambda: away(False), service)


@pytest.fixture
async def bucket(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    async with in_bucket(world, monkeypatch) as place:
        yield place


@pytest.fixture(params=["folder", "bucket"])
async def place(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Place]:
    made: AbstractAsyncContextManager[Place] = (
        in_folder(world, tmp_path / "media") if request.param == "folder" else in_bucket(world, monkeypatch)
    )
    async with made as ready:
        yield ready


async def test_an_object_that_the_store_does_not_delete_holds_up_no_others_and_is_tried_again(
    bucket: Bucket,
) -> None:
    media = bucket.media
    keys = [await bucket.add() for _ in range(3)]
    for key in keys:
        await bucket.delete(key)
    bucket.service.refused.add(str(keys[0]))
    assert await delete_some_objects(media.world.engine, media.objects) == 3
    assert await bucket.waiting() == [(keys[0].medium_id, 1)]
    assert list(bucket.service.objects) == [str(keys[0])]
    failure = await media.world.connection.fetchval(
        "SELECT failure FROM queue_media_pending_deletion WHERE media_id = $1", keys[0].medium_id
    )
    assert failure

    # It is left alone for a while, and then tried again.
    assert await delete_some_objects(media.world.engine, media.objects) == 0
    await bucket.let_time_pass()
    await delete_some_objects(media.world.engine, media.objects)
    assert await bucket.waiting() == [(keys[0].medium_id, 2)]
    bucket.service.refused.clear()
    await bucket.let_time_pass()
    await delete_some_objects(media.world.engine, media.objects)
    assert (await bucket.waiting(), bucket.service.objects) == ([], {})


async def test_more_refused_objects_than_are_tried_at_once_do_not_hold_up_the_next(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hortus.domain.media.deletion._AT_ONCE", 2)
    media = bucket.media
    *refused, last = [await bucket.add() for _ in range(6)]
    for key in (*refused, last):
        await bucket.delete(key)
    bucket.service.refused.update(map(str, refused))
    while await delete_some_objects(media.world.engine, media.objects):
        pass
    assert str(last) not in bucket.service.objects
    assert sorted(await bucket.waiting()) == sorted((key.medium_id, 1) for key in refused)


async def test_a_place_that_is_not_there_is_told_from_an_object_that_is_not(place: Place) -> None:
    objects = place.media.objects
    key = await place.add()
    lost = ObjectKey(key.serial, uuid.uuid4())
    with pytest.raises(ObjectMissing):
        await objects.get(lost)
    assert await objects.size_of(lost) is None
    await objects.delete(lost)

    place.take_away()
    for asked in (key, lost):
        for asking in (objects.get, objects.size_of, objects.delete):
            with pytest.raises(MediaPlaceMissing, match="does not exist"):
                await asking(asked)
    for looking in (
        check_rows(place.media.world.engine, objects),
        sweep_objects(place.media.world.engine, objects, safe_age=SAFE_AGE, repair=True),
    ):
        with pytest.raises(ObjectStoreNotAnswering):
            await looking

    place.bring_back()
    assert await objects.size_of(key) == 12
    assert (await check_rows(place.media.world.engine, objects)).is_clean


async def test_the_operator_is_told_once_and_not_with_each_request(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.take_away()
    for _ in range(3):
        with pytest.raises(MediaPlaceMissing):
            await place.media.objects.size_of(ObjectKey("k-1", uuid.uuid4()))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "hortus.domain.media.objects"]
    assert "HORTUS_MEDIA_URL" in line
    assert place.media.objects.description in line
    place.bring_back()


async def test_while_the_place_is_not_there_nothing_counts_as_deleted(place: Place) -> None:
    media = place.media
    keys = [await place.add() for _ in range(2)]
    for key in keys:
        await place.delete(key)
    place.take_away()
    with pytest.raises(MediaPlaceMissing):
        await delete_some_objects(media.world.engine, media.objects)
    # It counts against none of them.
    assert sorted(await place.waiting()) == sorted((key.medium_id, 0) for key in keys)
    place.bring_back()
    await place.let_time_pass()
    assert await delete_some_objects(media.world.engine, media.objects) == 2
    assert [await media.objects.size_of(key) for key in keys] == [None, None]


async def test_while_the_place_is_not_there_media_wait_unacknowledged_and_then_are_stored(
    place: Place,
) -> None:
    media = place.media
    place.take_away()
    fields = [media.fields() for _ in range(3)]
    handles = [media.offer(media.medium(**each)) for each in fields]
    await media.world.send(media.world.raw())
    assert not media.source.settled
    assert await media.world.count("media") == 0
    place.bring_back()
    await until(lambda: set(handles) <= set(media.source.settled))
    for each in fields:
        assert await media.content(each["id"]) == each["data"]


async def test_media_that_the_store_refuses_hold_up_no_others_and_are_stored_later(bucket: Bucket) -> None:
    media = bucket.media
    refused = [media.fields() for _ in range(3)]  # more than are under way at once
    keys = [ObjectKey(media.world.kit.serial, uuid.UUID(bytes=fields["id"])) for fields in refused]
    bucket.service.refused.update(map(str, keys))
    handles = [media.offer(media.medium(**fields)) for fields in refused]
    for _ in range(3):
        await media.send(media.medium())
    assert not set(handles) & set(media.source.settled)
    assert media.lane.open_messages == 3
    bucket.service.refused.clear()
    await until(lambda: set(handles) <= set(media.source.settled))
    for fields in refused:
        assert await media.content(fields["id"]) == fields["data"]
    assert media.lane.open_messages == 0


async def test_media_that_need_a_damaged_page_hold_up_no_others_and_are_stored_when_it_is_repaired(
    media: MediaWorld,
) -> None:
    """SQLSTATE XX001 is raised by a rule here; tests/database/test_damaged_pages.py damages real pages."""
    other, sensors = media.world.kits[1]
    await media.world.connection.execute(
        f"""
        CREATE FUNCTION damaged() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.kit_id = {media.world.kit.id} THEN
                RAISE EXCEPTION 'invalid page in block 3 of relation "base/1/2"' USING ERRCODE = 'XX001';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER damaged BEFORE INSERT ON media FOR EACH ROW EXECUTE FUNCTION damaged();
        """
    )
    waiting = [media.offer(media.medium()) for _ in range(3)]  # more than are under way at once
    for _ in range(3):
        await media.send(media.medium(peripheral=sensors[0].id), serial=other.serial)
    assert not set(waiting) & set(media.source.settled)
    report = FlowWatch(media.pipeline, lambda: datetime.now(UTC)).look()
    assert not report.is_healthy
    assert "damaged on disk" in report.sentence
    await media.world.connection.execute("DROP TRIGGER damaged ON media")
    await until(lambda: set(waiting) <= set(media.source.settled))
    assert media.lane.open_messages == 0


async def test_a_picture_that_the_store_refuses_holds_up_no_other_thumbnail_and_is_tried_again(
    bucket: Bucket,
) -> None:
    media = bucket.media
    good, refused = [await bucket.add(data=picture(size=(50, 50))) for _ in range(2)]
    bucket.service.refused.add(str(refused))  # the newest, which comes first
    assert await make_some_thumbnails(media.world.connection, media.objects) == 2
    rows = await thumbnail_rows(media)
    assert rows[good.medium_id] == ("made", None)
    assert rows[refused.medium_id][0] is None
    assert rows[refused.medium_id][1]

    assert await make_some_thumbnails(media.world.connection, media.objects) == 0
    bucket.service.refused.clear()
    await bucket.let_time_pass()
    assert await make_some_thumbnails(media.world.connection, media.objects) == 1
    assert (await thumbnail_rows(media))[refused.medium_id] == ("made", None)


async def test_a_thumbnail_that_the_store_does_not_take_is_tried_again(bucket: Bucket) -> None:
    media = bucket.media
    key = await bucket.add(data=picture(size=(50, 50)))
    bucket.service.refused.add(str(key.thumbnail))
    await make_some_thumbnails(media.world.connection, media.objects)
    attempts = "SELECT thumbnail_attempts FROM media"
    assert await media.world.connection.fetchval(attempts) == 1
    bucket.service.refused.clear()
    await bucket.let_time_pass()
    await make_some_thumbnails(media.world.connection, media.objects)
    assert (await thumbnail_rows(media))[key.medium_id] == ("made", None)


async def test_while_the_place_is_not_there_no_picture_is_found_unsuitable(place: Place) -> None:
    media = place.media
    key = await place.add(data=picture(size=(50, 50)))
    place.take_away()
    with pytest.raises(MediaPlaceMissing):
        await make_some_thumbnails(media.world.connection, media.objects)
    assert (await thumbnail_rows(media))[key.medium_id][0] is None
    place.bring_back()
    await place.let_time_pass()
    assert await make_some_thumbnails(media.world.connection, media.objects) == 1
    assert (await thumbnail_rows(media))[key.medium_id] == ("made", None)


async def test_a_sweep_goes_on_past_an_object_that_the_store_refuses(bucket: Bucket) -> None:
    media = bucket.media
    refused, lost = [await bucket.add() for _ in range(2)]
    orphans = [ObjectKey(refused.serial, uuid.uuid4()) for _ in range(2)]
    for orphan in orphans:
        await media.objects.put(orphan, (b"left",), "image/png", size=4)
    del bucket.service.objects[str(lost)]
    bucket.service.refused.update({str(refused), str(orphans[0])})
    rows = await check_rows(media.world.engine, media.objects)
    assert (rows.refused, rows.incomplete) == (1, [str(lost)])
    swept = await sweep_objects(media.world.engine, media.objects, safe_age=timedelta(seconds=-5), repair=True)
    assert swept.refused == 1
    assert set(bucket.service.objects) == {str(refused), str(orphans[0])}


def test_pauses_grow_up_to_an_hour() -> None:
    assert [pause_after(attempts).total_seconds() for attempts in (0, 1, 2, 3, 9, 10, 10_000)] == [
        *(10, 10, 20, 40, 2560),
        *(3600, 3600),
    ]


def test_a_reason_is_kept_in_a_form_that_the_database_takes() -> None:
    assert note_of("nul \0 " + "x" * 1000) == "nul  " + "x" * 250
