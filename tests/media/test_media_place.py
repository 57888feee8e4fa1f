"""The place where media are stored, a folder or a bucket, as the settings name it."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from media_world import storing_media
from s3_service import s3_service

from hortus.base.settings import InvalidSettings, Settings, read_settings
from hortus.domain.media.deletion import delete_some_objects
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects, ObjectMissing, ObjectStoreNotAnswering
from hortus.domain.media.place import media_of_command, open_media_objects
from hortus.domain.media.store import delete_medium
from hortus.domain.media.sweep import check_rows, sweep_objects
from ingest_world import World

ACCOUNT = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "something"}


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name in ("HORTUS_MEDIA_URL", "AWS_S3_ENDPOINT", "AWS_S3_REGION", *ACCOUNT, "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, "the folder {folder}/default"),
        ({"HORTUS_MEDIA_URL": "{folder}/own"}, "the folder {folder}/own"),
        ({"HORTUS_MEDIA_URL": "file://{folder}/a%20b"}, "the folder {folder}/a b"),
        ({"HORTUS_MEDIA_URL": "s3://greenhouse"}, "the bucket greenhouse at AWS"),
        ({"AWS_S3_ENDPOINT": "http://127.0.0.1:9"}, "the bucket kit-media at http://127.0.0.1:9"),
        ({"AWS_S3_REGION": "eu-central-1"}, "the bucket kit-media at AWS"),
    ],
)
def test_the_settings_say_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], place: str
) -> None:
    chosen = {name: value.format(folder=tmp_path) for name, value in variables.items()}
    objects = open_media_objects(settings(monkeypatch, **chosen), tmp_path / "default")
    assert objects is not None
    assert objects.description == place.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"HORTUS_MEDIA_URL": "media"}, "names no place"),
        ({"HORTUS_MEDIA_URL": "ftp://host/media"}, "names no place"),
        ({"HORTUS_MEDIA_URL": "s3://"}, "names no bucket"),
        ({"HORTUS_MEDIA_URL": "s3://bucket/folder"}, "names no bucket"),
        ({"AWS_S3_ENDPOINT": "localhost:9000"}, "must start with http"),
        ({"AWS_S3_REGION": "x", "AWS_ACCESS_KEY_ID": "somebody"}, "Set both"),
        ({"HORTUS_MEDIA_URL": "/proc/nowhere"}, "cannot be stored in"),
    ],
)
def test_a_place_that_cannot_be_meant_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    from hortus.base.errors import HortusError

    with pytest.raises(HortusError, match=words):
        open_media_objects(settings(monkeypatch, **variables), tmp_path)


def test_a_command_looks_where_its_database_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = settings(monkeypatch, DATABASE_URL="postgresql://host/db")
    assert media_of_command(elsewhere, None) is None
    objects = media_of_command(elsewhere, tmp_path)
    assert objects is not None
    assert objects.description == f"the folder {tmp_path}/media"


def test_days_to_keep_must_be_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings, match="HORTUS_MEDIA_KEEP_ALL_DAYS"):
        settings(monkeypatch, HORTUS_MEDIA_KEEP_ALL_DAYS="0")


@pytest.mark.parametrize("kind", ["folder", "bucket"])
async def test_a_medium_lives_and_dies_the_same_in_a_folder_and_in_a_bucket(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async with s3_service("kit-media") as service:
        variables: dict[str, Any] = (
            {"AWS_S3_ENDPOINT": service.endpoint, **ACCOUNT}
            if kind == "bucket"
            else {"HORTUS_MEDIA_URL": str(tmp_path / "media")}
        )
        objects = open_media_objects(settings(monkeypatch, **variables))
        assert objects is not None
        async with storing_media(world, tmp_path, objects=objects) as media:
            large = media.fields() | {"data": os.urandom(12_000_000)}
            small = media.fields()
            for fields in (large, small):
                await media.send(media.medium(**fields))
            for fields in (large, small):
                assert await media.content(fields["id"]) == fields["data"]
        key = ObjectKey(world.kit.serial, uuid.UUID(bytes=large["id"]))
        part = b"".join([piece async for piece in await objects.get(key, 5_000_000, 11_000_000)])
        assert part == large["data"][5_000_000:11_000_000]
        if kind == "bucket":
            assert service.objects[str(key)][1] == "image/png"
            assert all("AWS4-HMAC-SHA256 Credential=somebody/" in signature for signature in service.signed)
        assert (await check_rows(world.engine, objects)).is_clean
        orphan = ObjectKey(world.kit.serial, uuid.uuid4())
        await objects.put(orphan, (b"left",), "image/png", size=4)
        found = await sweep_objects(world.engine, objects, safe_age=timedelta(seconds=-5), repair=True)
        assert (found.objects, found.orphans) == (3, [str(orphan)])
        async with world.engine.begin() as connection:
            await delete_medium(connection, key.medium_id)
        assert await delete_some_objects(world.engine, objects) == 1
        with pytest.raises(ObjectMissing):
            await objects.get(key)
        assert await objects.size_of(key) is None
        assert await objects.size_of(ObjectKey(world.kit.serial, uuid.UUID(bytes=small["id"]))) == 12


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_bucket_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    async with s3_service("kit-media") as service:
        objects = open_media_objects(settings(monkeypatch, AWS_S3_ENDPOINT=service.endpoint, **ACCOUNT))
        assert isinstance(objects, MediaObjects)
        service.is_failing, service.failure = True, status
        with pytest.raises(ObjectStoreNotAnswering) as error:
            await objects.put(ObjectKey("k-1", uuid.uuid4()), (b"x",), "image/png", size=1)
        assert "\n" not in str(error.value)


async def test_a_folder_that_is_gone_is_told_and_not_made_anew(tmp_path: Path) -> None:
    objects = MediaObjects.in_folder(tmp_path / "media")
    (tmp_path / "media").rmdir()
    with pytest.raises(ObjectStoreNotAnswering, match="does not exist"):
        await objects.put(ObjectKey("k-1", uuid.uuid4()), (b"x",), "image/png", size=1)
    assert not (tmp_path / "media").exists()


async def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def content() -> Any:
        yield b"x" * 5_000_000
        raise OSError("The disk is full.")

    objects = MediaObjects.in_folder(tmp_path / "media")
    with pytest.raises(ObjectStoreNotAnswering, match="disk is full"):
        await objects.put(ObjectKey("k-1", uuid.uuid4()), content(), "image/png", size=9_000_000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
