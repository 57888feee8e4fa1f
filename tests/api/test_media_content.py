"""The content of media over HTTP (http-api 4.10): whole, in parts, and without harm."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest_asyncio
from api_client import Installation, Person, assert_problem
from PIL import Image

from hortus.domain.kits.store import CreatedKit, add_standard_configuration
from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.objects import MediaObjects

CONTENT = os.urandom(700_000)  # more than one piece


@dataclass
class Gallery:
    """A kit with a camera, whose media are stored directly by the test."""

    api: Installation
    kit: CreatedKit
    owner: Person
    objects: MediaObjects
    folder: Path
    peripheral: int

    async def add(self, content: bytes | None = CONTENT, **columns: Any) -> str:
        """Add a medium; with content None, one whose object is missing."""
        values = {"name": "regular.png", "type": "image/png", "size": len(content or b""), "id": uuid.uuid4()}
        values |= columns
        await self.api.run(
            "INSERT INTO media (id, peripheral_id, kit_id, kit_configuration_id, datetime, name, type,"
            " metadata, size) SELECT :id, id, kit_id, kit_configuration_id, now(), :name, :type, 'null', :size"
            " FROM peripherals WHERE id = :peripheral",
            peripheral=self.peripheral,
            **values,
        )
        if content is not None:
            key = ObjectKey(self.kit.serial, values["id"])
            await self.objects.put(key, (content,), "image/png", size=len(content))
        return f"/media/{values['id']}/content"

    async def get(self, path: str, **headers: str) -> Any:
        return await self.api.client.get(path, headers=self.owner.headers | headers)


@pytest_asyncio.fixture
async def gallery(serve: Any) -> AsyncIterator[Gallery]:
    with tempfile.TemporaryDirectory() as folder:
        objects = MediaObjects.in_folder(Path(folder))
        async with serve(media_objects=objects) as api:
            kit = await api.kit()
            owner = await api.member(kit, access_configure=True)
            async with api.engine.begin() as connection:
                peripherals = await add_standard_configuration(connection, kit.id)
            yield Gallery(api, kit, owner, objects, Path(folder), peripherals[0].id)


async def test_the_content_is_sent_whole_as_a_download(gallery: Gallery) -> None:
    answer = await gallery.get(await gallery.add())
    assert (answer.status_code, answer.content) == (200, CONTENT)
    headers = answer.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["content-disposition"].startswith('attachment; filename="regular.png"')
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["accept-ranges"] == "bytes"
    assert headers["cache-control"] == "private, no-cache"


async def test_parts_put_together_are_the_whole(gallery: Gallery) -> None:
    path = await gallery.add()
    first = await gallery.get(path, Range="bytes=0-299999")
    rest = await gallery.get(path, Range="bytes=300000-", **{"If-Range": first.headers["etag"]})
    assert (first.status_code, rest.status_code) == (206, 206)
    assert first.headers["content-range"] == f"bytes 0-299999/{len(CONTENT)}"
    assert first.content + rest.content == CONTENT
    last = await gallery.get(path, Range="bytes=-10")
    assert (last.content, last.headers["content-length"]) == (CONTENT[-10:], "10")


async def test_a_part_of_another_version_is_the_whole_of_this(gallery: Gallery) -> None:
    answer = await gallery.get(await gallery.add(), Range="bytes=5-9", **{"If-Range": '"another"'})
    assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


async def test_a_range_behind_the_end_is_416(gallery: Gallery) -> None:
    answer = await gallery.get(await gallery.add(b"short"), Range="bytes=5-")
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */5")


async def test_what_is_known_is_not_sent_again(gallery: Gallery) -> None:
    path = await gallery.add()
    etag = (await gallery.get(path)).headers["etag"]
    answer = await gallery.get(path, **{"If-None-Match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


async def test_head_tells_the_same_without_the_content(gallery: Gallery) -> None:
    path = await gallery.add()
    answer = await gallery.api.client.head(path, headers=gallery.owner.headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


async def test_a_page_or_drawing_of_a_kit_is_never_shown_as_one(gallery: Gallery) -> None:
    for media_type in ("text/html", "image/svg+xml", "application/xhtml+xml"):
        answer = await gallery.get(await gallery.add(b"<script>alert(1)</script>", type=media_type))
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["content-security-policy"]


async def test_texts_that_fit_into_no_header_do_no_harm(gallery: Gallery) -> None:
    # As an older version, or another program, may have written them.
    path = await gallery.add(b"x", name='"\r\nSet-Cookie: a=1\x7f ☃.png', type="image/p\r\nng")
    answer = await gallery.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert "set-cookie" not in answer.headers
    assert (
        "filename*=UTF-8''%22%0D%0ASet-Cookie%3A%20a%3D1%7F%20%E2%98%83.png"
        in (answer.headers["content-disposition"])
    )


async def test_an_object_that_is_gone_is_404_and_one_that_is_damaged_502(gallery: Gallery) -> None:
    gone, damaged = await gallery.add(None, size=5), await gallery.add(b"12345", size=6)
    for method in ("GET", "HEAD"):
        for path, status in ((gone, 404), (damaged, 502)):
            answer = await gallery.api.client.request(method, path, headers=gallery.owner.headers)
            assert answer.status_code == status
    assert_problem(await gallery.get(gone), 404)
    assert_problem(await gallery.get(damaged), 502)


async def test_a_place_that_is_not_there_is_no_lost_object(gallery: Gallery) -> None:
    path = await gallery.add()
    elsewhere = gallery.folder.with_name(f"{gallery.folder.name}-elsewhere")
    gallery.folder.rename(elsewhere)
    for asked in (path, await gallery.add(None)):
        answer = await gallery.get(asked)
        assert_problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
        assert str(gallery.folder) not in answer.text
    elsewhere.rename(gallery.folder)
    assert (await gallery.get(path)).status_code == 200


async def test_a_server_without_a_place_for_media_says_so(serve: Any, gallery: Gallery) -> None:
    path = await gallery.add()
    async with serve() as api:
        answer = await api.client.get(path, headers=gallery.owner.headers)
    assert "HORTUS_MEDIA_URL" in answer.json()["detail"]
    assert_problem(answer, 502)


async def test_a_private_kits_content_is_for_its_members(gallery: Gallery) -> None:
    path = await gallery.add()
    stranger = await gallery.api.person()
    assert_problem(await gallery.api.client.get(path, headers=stranger.headers), 404)
    anonymous = await gallery.api.client.get(path)
    nothing = await gallery.api.client.get(f"/media/{uuid.uuid4()}/content")
    assert (anonymous.status_code, anonymous.json()) == (401, nothing.json())


async def test_a_public_kits_content_is_for_everybody(gallery: Gallery) -> None:
    path = await gallery.add()
    await gallery.api.run("UPDATE kits SET privacy_public_dashboard = true WHERE id = :id", id=gallery.kit.id)
    assert (await gallery.api.client.get(path)).content == CONTENT


async def test_a_thumbnail_is_shown_and_says_why_there_is_none(gallery: Gallery) -> None:
    made, waiting, unsuitable = [await gallery.add() for _ in range(3)]
    medium_id = made.split("/")[2]
    await gallery.api.run("UPDATE media SET thumbnail = 'made' WHERE id = :id", id=uuid.UUID(medium_id))
    await gallery.api.run(
        "UPDATE media SET thumbnail = 'unsuitable', thumbnail_note = 'It is no picture.' WHERE id = :id",
        id=uuid.UUID(unsuitable.split("/")[2]),
    )
    key = ObjectKey(gallery.kit.serial, uuid.UUID(medium_id)).thumbnail
    path = made.replace("content", "thumbnail")
    assert_problem(await gallery.get(path), 404)  # the row is there and its object is not
    await gallery.objects.put(key, (b"small",), "image/webp", size=5)
    answer = await gallery.get(path)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"small", "image/webp")
    assert "content-disposition" not in answer.headers
    again = await gallery.get(path, **{"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    for other, detail in ((waiting, "The thumbnail is not ready yet."), (unsuitable, "It is no picture.")):
        none = await gallery.get(other.replace("content", "thumbnail"))
        assert none.json()["detail"] == detail
        assert_problem(none, 404)
    stranger = await gallery.api.person()
    assert_problem(await gallery.api.client.get(path, headers=stranger.headers), 404)


async def test_a_preview_is_made_for_those_who_may_see_the_kit(gallery: Gallery) -> None:
    picture = BytesIO()
    Image.effect_noise((2000, 1000), 50).save(picture, "PNG")
    path = (await gallery.add(picture.getvalue())).replace("content", "preview")
    stranger = await gallery.api.person()
    assert_problem(await gallery.api.client.get(path, headers=stranger.headers), 404)
    assert len(list(gallery.folder.rglob("*.preview"))) == 0
    answer = await gallery.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert "content-disposition" not in answer.headers
    with Image.open(BytesIO(answer.content)) as opened:
        assert opened.size == (1280, 640)
    again = await gallery.get(path, **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    none = await gallery.get((await gallery.add(b"no picture")).replace("content", "preview"))
    assert "cannot be read" in none.json()["detail"]
    assert_problem(none, 404)


async def test_the_list_can_be_limited_in_time_and_number(gallery: Gallery) -> None:
    for day in range(1, 6):
        await gallery.add(b"x")
        await gallery.api.run(
            "UPDATE media SET datetime = make_timestamptz(2026, 3, :day, 12, 0, 0, 'UTC')"
            " WHERE datetime > '2026-06-01'",
            day=day,
        )
    path = f"/kits/{gallery.kit.serial}/media"

    def days(answer: Any) -> list[str]:
        return [each["datetime"][:10] for each in answer.json()]

    within = await gallery.get(f"{path}?from=2026-03-02T12:00:00Z&to=2026-03-04T13:00:00%2B01:00")
    assert days(within) == ["2026-03-04", "2026-03-03", "2026-03-02"]
    first = await gallery.get(f"{path}?from=2026-03-02T00:00:00Z&limit=2")
    assert days(first) == ["2026-03-05", "2026-03-04"]
    link = first.headers["link"].removeprefix("<").partition(">")[0]
    second = await gallery.get(link)
    assert days(second) == ["2026-03-03", "2026-03-02"]
    assert "link" not in second.headers
    assert {each["hasThumbnail"] for each in second.json()} == {False}
    for wrong in ("limit=0", "limit=501", "limit=x", "from=yesterday"):
        assert_problem(await gallery.get(f"{path}?{wrong}"), 400)
