"""The latest picture of a kit on the status page, for those who may see the kit."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy import text
from web_helpers import app_of, log_in, make_kit, make_member, make_user

from deleting import bring_back, delete_configuration_of
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects
from hortus.domain.media.thumbnailer import thumbnail_of


def picture() -> bytes:
    written = BytesIO()
    Image.effect_noise((400, 300), 50).save(written, "PNG")
    return written.getvalue()


async def add_picture(engine, objects, kit, *, age, thumbnail="made", name="regular.png"):
    medium_id, content = uuid.uuid4(), picture()
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type,"
                " metadata, size, thumbnail) SELECT :id, p.id, p.kit_id, p.kit_configuration_id, :at, :name,"
                " 'image/png', 'null', :size, :thumbnail FROM peripherals p WHERE p.id = :peripheral"
            ),
            {
                "id": medium_id,
                "at": datetime.now(UTC) - age,
                "name": name,
                "size": len(content),
                "thumbnail": thumbnail,
                "peripheral": kit.peripherals[0].id,
            },
        )
    key = ObjectKey(kit.serial, medium_id)
    small = thumbnail_of(content)
    await objects.put(key, (content,), "image/png", size=len(content))
    await objects.put(key.thumbnail, (small,), "image/webp", size=len(small))
    return medium_id, content


@asynccontextmanager
async def browser(engine, objects):
    app = app_of(engine, media_objects=objects)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest.fixture
async def objects(tmp_path: Path) -> MediaObjects:
    return MediaObjects.in_folder(tmp_path)


@pytest.fixture
async def kits(own_engine):
    async with own_engine.begin() as connection:
        public = await make_kit(connection, "Public basil", public=True)
        private = await make_kit(connection, "Adas tomatoes")
        await make_member(connection, await make_user(connection, "ada"), private)
        await make_user(connection, "bob")
    return public, private


async def test_the_newest_picture_with_a_thumbnail_is_shown(own_engine, kits, objects):
    public, _ = kits
    old, _ = await add_picture(own_engine, objects, public, age=timedelta(hours=2))
    newest, _ = await add_picture(own_engine, objects, public, age=timedelta(hours=1), name='"><b>.png')
    waiting, _ = await add_picture(own_engine, objects, public, age=timedelta(minutes=5), thumbnail=None)
    future, _ = await add_picture(own_engine, objects, public, age=-timedelta(hours=5))
    async with browser(own_engine, objects) as client:
        page = (await client.get("/")).text
        assert f'src="/pictures/{newest}/thumbnail"' in page
        assert '"><b>' not in page
        for other in (old, waiting, future):
            assert str(other) not in page
        small = await client.get(f"/pictures/{newest}/thumbnail")
    assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")
    with Image.open(BytesIO(small.content)) as opened:
        assert opened.size == (320, 240)


async def test_a_picture_is_for_those_who_may_see_its_kit(own_engine, kits, objects):
    public, private = kits
    seen, _ = await add_picture(own_engine, objects, public, age=timedelta(hours=1))
    hidden, _ = await add_picture(own_engine, objects, private, age=timedelta(hours=1))

    async def statuses(who, medium_id):
        async with browser(own_engine, objects) as client:
            if who:
                await log_in(client, who)
            return [
                (await client.get(f"/pictures/{medium_id}/{what}")).status_code
                for what in ("thumbnail", "content")
            ]

    for who in (None, "bob", "ada"):
        assert await statuses(who, seen) == [200, 200]
    assert await statuses("ada", hidden) == [200, 200]
    for who in (None, "bob"):
        assert await statuses(who, hidden) == [404, 404]
        assert await statuses(who, uuid.uuid4()) == [404, 404]
        assert await statuses(who, "none") == [404, 404]


async def test_the_original_is_a_download_that_is_never_compressed_or_shown(own_engine, kits, objects):
    public, _ = kits
    medium, content = await add_picture(own_engine, objects, public, age=timedelta(hours=1))
    async with browser(own_engine, objects) as client:
        headers = {"Accept-Encoding": "gzip", "Range": "bytes=10-4009"}
        answer = await client.get(f"/pictures/{medium}/content", headers=headers)
        assert (answer.status_code, answer.content) == (206, content[10:4010])
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        head = await client.head(f"/pictures/{medium}/content")
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(content)))


async def test_a_lost_picture_is_404_and_says_so(own_engine, kits, objects):
    public, _ = kits
    medium, _ = await add_picture(own_engine, objects, public, age=timedelta(hours=1))
    key = ObjectKey(public.serial, medium)
    await objects.delete(key)
    await objects.delete(key.thumbnail)
    async with browser(own_engine, objects) as client:
        for what in ("thumbnail", "content"):
            answer = await client.get(f"/pictures/{medium}/{what}")
            assert (answer.status_code, "is missing" in answer.text) == (404, True)
        assert (await client.get("/")).status_code == 200


async def test_pictures_of_a_deleted_configuration_are_not_shown_until_it_is_back(own_engine, kits, objects):
    public, _ = kits
    shown, _ = await add_picture(own_engine, objects, public, age=timedelta(hours=1))
    configuration_id = await delete_configuration_of(own_engine, public.peripherals[0].id)
    async with browser(own_engine, objects) as client:
        assert str(shown) not in (await client.get("/")).text
        for what in ("thumbnail", "content"):
            assert (await client.get(f"/pictures/{shown}/{what}")).status_code == 404
    await bring_back(own_engine, configuration_id)
    async with browser(own_engine, objects) as client:  # another process: a page is kept for a moment
        assert str(shown) in (await client.get("/")).text
        for what in ("thumbnail", "content"):
            assert (await client.get(f"/pictures/{shown}/{what}")).status_code == 200
