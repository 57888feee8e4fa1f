"""Background work on media: deleting, sweeping after a crash, thinning."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from media_world import MediaWorld, storing_media
from sqlalchemy import text

from hortus.domain.kits.store import KitStore
from hortus.domain.media.deletion import delete_some_objects
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.store import delete_medium
from hortus.domain.media.sweep import SAFE_AGE, check_rows, sweep_objects
from hortus.domain.media.thinning import ThinningPolicy, thin
from ingest_world import World
from waiting import PATIENCE_SECONDS

AT_ONCE = timedelta(0)


async def test_the_object_of_a_deleted_medium_is_deleted_and_so_is_its_thumbnail(media: MediaWorld) -> None:
    kept, gone = media.fields(), media.fields()
    for fields in (kept, gone):
        await media.send(media.medium(**fields))
    key = ObjectKey(media.world.kit.serial, uuid.UUID(bytes=gone["id"]))
    for smaller in (key.thumbnail, key.preview):
        await media.objects.put(smaller, (b"small",), "image/webp", size=5)
    async with media.world.engine.begin() as connection:
        await delete_medium(connection, key.medium_id)
    assert await delete_some_objects(media.world.engine, media.objects) == 1
    assert await delete_some_objects(media.world.engine, media.objects) == 0
    assert media.files() == {f"{media.world.kit.serial}/{uuid.UUID(bytes=kept['id'])}"}


async def test_a_deleted_kit_takes_all_its_objects_along_and_no_others(media: MediaWorld) -> None:
    other, sensors = media.world.kits[1]
    for _ in range(60):  # more than are deleted at once
        media.offer(media.medium())
    stays = media.fields() | {"peripheral": sensors[0].id}
    await media.send(media.medium(**stays), serial=other.serial)
    while media.lane.open_messages:
        await asyncio.sleep(0.01)
    async with media.world.engine.begin() as connection:
        await KitStore().delete(connection, media.world.kit.serial)
    done = await asyncio.gather(*(_drain(media) for _ in range(3)))
    assert sum(done) == 60
    assert media.files() == {f"{other.serial}/{uuid.UUID(bytes=stays['id'])}"}


async def _drain(media: MediaWorld) -> int:
    total = 0
    while done := await delete_some_objects(media.world.engine, media.objects):
        total += done
    return total


async def test_a_deletion_that_was_interrupted_is_done_again(media: MediaWorld) -> None:
    fields = media.fields()
    await media.send(media.medium(**fields))
    async with media.world.engine.begin() as connection:
        await delete_medium(connection, uuid.UUID(bytes=fields["id"]))
    await media.objects.delete(ObjectKey(media.world.kit.serial, uuid.UUID(bytes=fields["id"])))
    assert await delete_some_objects(media.world.engine, media.objects) == 1
    waiting = "SELECT count(*) FROM queue_media_pending_deletion WHERE object_deleted_at IS NULL"
    assert await media.world.connection.fetchval(waiting) == 0


async def test_a_sweep_removes_what_no_row_tells_of_and_nothing_else(media: MediaWorld) -> None:
    fields = media.fields()
    await media.send(media.medium(**fields))
    stored = media.files()
    serial = media.world.kit.serial
    orphan, stranger = ObjectKey(serial, uuid.uuid4()), ObjectKey("k-gone", uuid.UUID(bytes=fields["id"]))
    for key in (orphan, stranger, orphan.thumbnail):
        await media.objects.put(key, (b"left behind",), "image/png", size=11)
    (media.folder / serial / "readme.txt").write_text("not ours")
    (media.folder / serial / f"{uuid.uuid4()}#1").write_text("half writ")
    young = await sweep_objects(media.world.engine, media.objects, safe_age=SAFE_AGE, repair=True)
    assert (young.objects, young.without_row, young.half_written) == (5, 0, 0)
    look = await sweep_objects(media.world.engine, media.objects, safe_age=AT_ONCE, repair=False)
    assert (look.without_row, look.unknown) == (3, 1)
    assert sorted(look.orphans) == sorted(map(str, (orphan, stranger, orphan.thumbnail)))
    done = await sweep_objects(media.world.engine, media.objects, safe_age=AT_ONCE, repair=True)
    assert (done.without_row, done.half_written) == (3, 1)
    assert media.files() == stored | {f"{serial}/readme.txt"}


async def test_a_check_names_rows_whose_content_is_gone_or_damaged(media: MediaWorld) -> None:
    all_fields = [media.fields() for _ in range(3)]
    for fields in all_fields:
        await media.send(media.medium(**fields))
    assert (await check_rows(media.world.engine, media.objects)).is_clean
    gone, damaged = (ObjectKey(media.world.kit.serial, uuid.UUID(bytes=each["id"])) for each in all_fields[:2])
    await media.objects.delete(gone)
    await media.objects.put(damaged, (b"less",), "image/png", size=4)
    found = await check_rows(media.world.engine, media.objects)
    assert (found.rows, found.without_object, found.is_clean) == (3, 2, False)
    assert sorted(found.incomplete) == sorted(map(str, (gone, damaged)))


CHILD = Path(__file__).with_name("media_child.py")


async def killed_child(media: MediaWorld, payload: Path, step: str) -> subprocess.CompletedProcess[bytes]:
    """Let a process store this payload and be killed at this step of it."""
    world = media.world
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(CHILD), world.url, media.folder, payload, world.topic("media"), step],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("step", ["before object", "after object", "before commit", "after commit"])
async def test_a_kill_at_any_step_leaves_no_orphan_and_no_row_without_object(
    world: World, tmp_path: Path, step: str
) -> None:
    async with storing_media(world, tmp_path / "media") as media:
        fields = media.fields()
        payload = media.medium(**fields)
        (tmp_path / "payload").write_bytes(payload)
        child = await killed_child(media, tmp_path / "payload", step)
        assert (child.returncode, child.stdout) == (-signal.SIGKILL, b""), child.stderr
        rows = await world.count("media")
        assert rows == (1 if step == "after commit" else 0)
        assert (await check_rows(world.engine, media.objects)).is_clean
        # The redelivery, due because nothing was acknowledged, completes what the killed process left.
        await media.send(payload)
        assert await media.content(fields["id"]) == fields["data"]
        assert await world.count("media") == 1
        found = await sweep_objects(world.engine, media.objects, safe_age=AT_ONCE, repair=True)
        assert found.without_row == 0
        assert (await check_rows(world.engine, media.objects)).is_clean


async def test_what_a_killed_process_left_is_swept_if_nobody_delivers_again(
    world: World, tmp_path: Path
) -> None:
    async with storing_media(world, tmp_path / "media") as media:
        (tmp_path / "payload").write_bytes(media.medium())
        await killed_child(media, tmp_path / "payload", "after object")
        assert len(media.files()) == 1
        found = await sweep_objects(world.engine, media.objects, safe_age=AT_ONCE, repair=True)
        assert (found.without_row, media.files()) == (1, set())


async def pictures(world: World, moments: list[datetime], name: str = "regular.png") -> None:
    async with world.engine.begin() as connection:
        for moment in moments:
            await connection.execute(
                text(
                    "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type,"
                    " metadata, size) SELECT :id, id, kit_id, kit_configuration_id, :moment, :name,"
                    " 'image/png', 'null', 10 FROM peripherals WHERE id = :peripheral"
                ),
                {"id": uuid.uuid4(), "moment": moment, "name": name, "peripheral": world.peripheral},
            )


async def moments_of(world: World, name: str = "regular.png") -> list[datetime]:
    rows = await world.connection.fetch("SELECT datetime FROM media WHERE name = $1 ORDER BY 1", name)
    return [row["datetime"] for row in rows]


POLICY = ThinningPolicy(all_days=7, hourly_days=30)


async def test_old_pictures_are_thinned_to_one_per_hour_and_older_to_one_per_day(world: World) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    new = [today - timedelta(days=2, minutes=10 * each) for each in range(12)]
    hourly = [today - timedelta(days=14) + timedelta(minutes=20 * each) for each in range(6)]
    daily = [today - timedelta(days=60) + timedelta(hours=5 * each) for each in range(8)]
    await pictures(world, new + hourly + daily)
    dry = await thin(world.engine, POLICY, dry_run=True)
    assert (dry.media, dry.size_bytes) == (10, 100)
    assert len(await moments_of(world)) == 26
    done = await thin(world.engine, POLICY)
    assert done == dry
    kept = {hourly[0], hourly[3], daily[0], daily[5], *new}
    assert set(await moments_of(world)) == kept
    assert (await thin(world.engine, POLICY)).media == 0
    assert await world.count("queue_media_pending_deletion") == 10


async def test_the_newest_of_each_kind_is_never_thinned(world: World) -> None:
    long_ago = datetime(2025, 3, 1, 12, tzinfo=UTC)
    moments = [long_ago + timedelta(minutes=each) for each in range(5)]
    for name in ("regular.png", "ndvi.png"):
        await pictures(world, moments, name)
    await thin(world.engine, POLICY)
    for name in ("regular.png", "ndvi.png"):
        assert await moments_of(world, name) == [moments[0], moments[-1]]


async def test_names_that_differ_in_their_digits_are_one_kind(world: World) -> None:
    long_ago = datetime(2025, 3, 1, 12, tzinfo=UTC)
    for minute in range(5):
        await pictures(world, [long_ago + timedelta(minutes=minute)], f"picture-12{minute:02}.png")
    assert (await thin(world.engine, POLICY)).media == 3


async def test_two_processes_thin_together(world: World) -> None:
    long_ago = datetime(2025, 3, 1, 12, tzinfo=UTC)
    await pictures(world, [long_ago + timedelta(seconds=each) for each in range(50)])
    results = await asyncio.gather(thin(world.engine, POLICY), thin(world.engine, POLICY))
    assert sum(each.media for each in results) == 48
    assert await world.count("media") == 2
    assert await world.count("queue_media_pending_deletion") == 48
