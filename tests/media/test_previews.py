"""Previews: made when somebody asks, once, and kept."""

from __future__ import annotations

import asyncio
import uuid
from io import BytesIO

import pytest
from media_world import MediaWorld
from PIL import Image

from hortus.domain.media import previews, smaller_pictures
from hortus.domain.media.deletion import delete_some_objects
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import ObjectMissing
from hortus.domain.media.previews import Previews, TooManyPreviews
from hortus.domain.media.smaller_pictures import NoSmallerPicture
from hortus.domain.media.store import delete_medium


def picture(size: tuple[int, int] = (2000, 1000)) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    written = BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(written, "JPEG", exif=exif)
    return written.getvalue()


async def add(media: MediaWorld, data: bytes) -> ObjectKey:
    fields = media.fields() | {"type": "image/jpeg", "data": data}
    await media.send(media.medium(**fields))
    return ObjectKey(media.world.kit.serial, uuid.UUID(bytes=fields["id"]))


@pytest.fixture
def made(media: MediaWorld) -> Previews:
    return Previews(media.objects, media.world.engine)


async def test_a_preview_is_upright_without_metadata_and_kept(media: MediaWorld, made: Previews) -> None:
    key = await add(media, picture())
    size = await made.size_of(key, "image/jpeg")
    content = b"".join([piece async for piece in await media.objects.get(key.preview)])
    assert len(content) == size
    with Image.open(BytesIO(content)) as opened:
        assert (opened.format, opened.size) == ("WEBP", (640, 1280))
        assert not opened.getexif()
    await media.objects.delete(key)  # from now on, none could be made
    assert await made.size_of(key, "image/jpeg") == size


async def test_many_who_ask_at_once_have_it_made_once(
    media: MediaWorld, made: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await add(media, picture())
    calls = []
    make = smaller_pictures.smaller_picture

    async def counted(*arguments: object) -> bytes:
        calls.append(arguments)
        return await make(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(previews, "smaller_picture", counted)
    sizes = await asyncio.gather(*(made.size_of(key, "image/jpeg") for _ in range(5)))
    assert (len(set(sizes)), len(calls)) == (1, 1)


async def test_what_is_no_picture_is_not_tried_again(
    media: MediaWorld, made: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await add(media, b"no picture")
    with pytest.raises(NoSmallerPicture, match="cannot be read"):
        await made.size_of(key, "image/jpeg")
    monkeypatch.setattr(previews, "smaller_picture", None)
    with pytest.raises(NoSmallerPicture, match="cannot be read"):
        await made.size_of(key, "image/jpeg")


async def test_a_file_that_is_no_picture_says_so(media: MediaWorld, made: Previews) -> None:
    with pytest.raises(NoSmallerPicture, match="not of text/plain"):
        await made.size_of(await add(media, b"hello"), "text/plain")


async def test_only_so_many_wait(media: MediaWorld, made: Previews, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [await add(media, picture()) for _ in range(3)]
    go_on = asyncio.Event()

    async def slow(*_: object) -> bytes:
        await go_on.wait()
        return b"small"

    monkeypatch.setattr(previews, "smaller_picture", slow)
    monkeypatch.setattr(previews, "_MOST_UNDER_WAY", 2)
    waiting = [asyncio.create_task(made.size_of(key, "image/jpeg")) for key in keys[:2]]
    while len(made._under_way) < 2:
        await asyncio.sleep(0.005)
    with pytest.raises(TooManyPreviews):
        await made.size_of(keys[2], "image/jpeg")
    go_on.set()
    assert await asyncio.gather(*waiting) == [5, 5]
    assert await made.size_of(keys[2], "image/jpeg") == 5


async def test_nothing_is_left_of_a_medium_that_is_deleted_meanwhile(
    media: MediaWorld, made: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await add(media, picture())

    async def deleting(*_: object) -> bytes:
        async with media.world.engine.begin() as connection:
            await delete_medium(connection, key.medium_id)
        await delete_some_objects(media.world.engine, media.objects)
        return b"small"

    monkeypatch.setattr(previews, "smaller_picture", deleting)
    with pytest.raises(ObjectMissing):
        await made.size_of(key, "image/jpeg")
    assert media.files() == set()
