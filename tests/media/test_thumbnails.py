"""Thumbnails: made only of pictures, in a separate process, and never of harmful files."""

from __future__ import annotations

import asyncio
import os
import struct
import uuid
import zlib
from io import BytesIO

import asyncpg
import pytest
from media_world import MediaWorld
from PIL import Image

from hortus.domain.media.keys import ObjectKey
from hortus.domain.media.thumbnailer import PREVIEW_SIDE, THUMBNAIL_SIDE, Unsuitable, thumbnail_of
from hortus.domain.media.thumbnails import make_some_thumbnails
from picture_kinds import GREYS, KINDS, gradient, greys_across


def picture(
    mode: str = "RGB", size: tuple[int, int] = (900, 600), form: str = "PNG", **options: object
) -> bytes:
    made = Image.effect_noise(size, 60).convert(mode)
    written = BytesIO()
    made.save(written, form, **options)
    return written.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A few hundred bytes that claim to be a picture of any size: a decompression bomb."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "PNG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("1", "PNG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("RGB", "BMP"),
        ("I;16", "TIFF"),
        ("F", "TIFF"),
    ],
)
def test_a_picture_of_any_usual_kind_gets_a_small_one(mode: str, form: str) -> None:
    with Image.open(BytesIO(thumbnail_of(picture(mode, form=form)))) as small:
        assert (small.format, small.size) == ("WEBP", (320, 213))


@pytest.mark.parametrize(("mode", "form"), KINDS)
def test_a_gradient_of_any_kind_stays_one(mode: str, form: str) -> None:
    assert greys_across(thumbnail_of(gradient(mode, form))) == pytest.approx(GREYS, abs=10)


def test_a_uniform_picture_of_sixteen_bits_keeps_its_grey() -> None:
    written = BytesIO()
    Image.new("I;16", (32, 32), 257 * 200).save(written, "PNG")
    assert greys_across(thumbnail_of(written.getvalue())) == pytest.approx([200] * 16, abs=2)


def test_transparent_parts_stay_transparent_whatever_says_so() -> None:
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([0, 0, 0, 250, 0, 0])
    written = BytesIO()
    palette.save(written, "PNG", transparency=1)
    with Image.open(BytesIO(thumbnail_of(written.getvalue()))) as small:
        assert small.convert("RGBA").getextrema()[3] == (0, 0)


def test_a_small_picture_is_not_made_bigger() -> None:
    with Image.open(BytesIO(thumbnail_of(picture(size=(40, 30))))) as small:
        assert small.size == (40, 30)


def test_a_turned_picture_is_upright_and_keeps_no_place_of_taking() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif.get_ifd(0x8825)[1] = "N"
    thumbnail = thumbnail_of(picture(form="JPEG", exif=exif))
    with Image.open(BytesIO(thumbnail)) as small:
        assert small.size == (213, 320)
        assert not small.getexif()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"no picture at all", "cannot be read"),
        (picture()[:5000], "cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "cannot be read"),
        (png_that_claims(60_000, 60_000), "too many pixels"),
        (png_that_claims(7_000, 7_000), "cannot be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "cannot be read"),
    ],
    ids=["empty", "text", "cut off", "drawing", "bomb", "smaller bomb", "postscript"],
)
def test_what_is_no_picture_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(Unsuitable, match=reason) as caught:
        thumbnail_of(content)
    assert " object at " not in str(caught.value)


async def thumbnail_rows(media: MediaWorld) -> dict[uuid.UUID, tuple[str | None, str | None]]:
    rows = await media.world.connection.fetch("SELECT id, thumbnail, thumbnail_note FROM media")
    return {row["id"]: (row["thumbnail"], row["thumbnail_note"]) for row in rows}


async def test_thumbnails_are_made_of_what_is_stored(media: MediaWorld) -> None:
    good = media.fields() | {"data": picture()}
    text = media.fields() | {"type": "text/plain", "data": b"hello"}
    broken = media.fields() | {"data": os.urandom(5000)}
    for fields in (good, text, broken):
        await media.send(media.medium(**fields))
    assert await make_some_thumbnails(media.world.connection, media.objects) == 3
    assert await make_some_thumbnails(media.world.connection, media.objects) == 0
    rows = await thumbnail_rows(media)
    key = ObjectKey(media.world.kit.serial, uuid.UUID(bytes=good["id"]))
    assert rows[key.medium_id] == ("made", None)
    assert rows[uuid.UUID(bytes=text["id"])] == (
        "unsuitable",
        "Thumbnails are only made of pictures, not of text/plain.",
    )
    outcome, note = rows[uuid.UUID(bytes=broken["id"])]
    assert outcome == "unsuitable"
    assert "cannot be read" in str(note)
    small = b"".join([piece async for piece in await media.objects.get(key.thumbnail)])
    with Image.open(BytesIO(small)) as opened:
        assert opened.size == (320, 213)


async def test_two_processes_share_the_work(media: MediaWorld) -> None:
    for _ in range(4):
        await media.send(media.medium(data=picture(size=(50, 50))))
    connections = [await asyncpg.connect(media.world.url) for _ in range(2)]
    try:
        done = await asyncio.gather(*(make_some_thumbnails(each, media.objects) for each in connections))
    finally:
        for each in connections:
            await each.close()
    assert sum(done) == 4
    assert {outcome for outcome, _ in (await thumbnail_rows(media)).values()} == {"made"}


async def test_a_picture_whose_content_is_gone_gets_none(media: MediaWorld) -> None:
    fields = media.fields()
    await media.send(media.medium(**fields))
    await media.objects.delete(ObjectKey(media.world.kit.serial, uuid.UUID(bytes=fields["id"])))
    await make_some_thumbnails(media.world.connection, media.objects)
    assert list((await thumbnail_rows(media)).values()) == [("unsuitable", "The content is missing.")]


@pytest.mark.parametrize("longest_side", [THUMBNAIL_SIDE, PREVIEW_SIDE])
def test_a_smaller_picture_has_the_size_asked_for(longest_side: int) -> None:
    with Image.open(BytesIO(thumbnail_of(picture(size=(3000, 1500)), longest_side))) as small:
        assert small.size == (longest_side, longest_side // 2)
