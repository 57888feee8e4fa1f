"""Photos of plants: whatever mode a file has, the photo shows what the file shows."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from hortus.domain.plants.photos import CONTENT_TYPES, prepare_photo
from picture_kinds import GREYS, KINDS, gradient, greys_across

UPLOADED = [(mode, form) for mode, form in KINDS if form in CONTENT_TYPES.values()]


@pytest.mark.parametrize(("mode", "form"), UPLOADED)
async def test_a_gradient_of_any_kind_stays_one(mode: str, form: str) -> None:
    photo = await prepare_photo(gradient(mode, form))
    assert greys_across(photo.content) == pytest.approx(GREYS, abs=10)


async def test_the_colours_of_a_palette_are_averaged_when_a_photo_is_scaled_down() -> None:
    checkers = Image.effect_noise((3200, 3200), 200).convert("1")
    written = BytesIO()
    checkers.save(written, "PNG")
    photo = await prepare_photo(written.getvalue())
    with Image.open(BytesIO(photo.content)) as scaled:
        assert scaled.size == (1600, 1600)
        greys = scaled.convert("L").histogram()
    assert sum(greys[40:216]) > sum(greys) // 2  # neither black nor white


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA"])
async def test_transparent_parts_become_white(mode: str) -> None:
    made = Image.new("RGBA", (64, 64), (0, 0, 0, 0)).convert(mode)
    written = BytesIO()
    made.save(written, "PNG", **({"transparency": 0} if mode == "P" else {}))
    photo = await prepare_photo(written.getvalue())
    assert greys_across(photo.content) == [255] * 16


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_nothing_that_a_file_says_beside_its_picture_is_kept(form: str) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2026:05:01 12:00:00"
    said: dict[str, Any] = {"exif": exif.tobytes(), "xmp": b"<x>taken at home</x>"}
    if form == "JPEG":
        said["comment"] = b"taken at home"
    if form == "PNG":
        said["pnginfo"] = PngImagePlugin.PngInfo()
        said["pnginfo"].add_text("comment", "taken at home")
    written = BytesIO()
    Image.new("RGB", (64, 64), "green").save(written, form, **said)
    assert b"2026:05:01" in written.getvalue()
    photo = await prepare_photo(written.getvalue())
    assert b"home" not in photo.content
    assert b"2026" not in photo.content
    with Image.open(BytesIO(photo.content)) as shown:
        assert (len(shown.getexif()), shown.info.keys() & {"comment", "exif", "xmp"}) == (0, set())


@given(st.integers(1, 300), st.integers(1, 300), st.integers(2_000, 50_000))
@settings(max_examples=30, deadline=None)
def test_a_photo_with_a_limit_keeps_to_it_and_its_shape(width: int, height: int, most_bytes: int) -> None:
    written = BytesIO()
    Image.effect_noise((width, height), 100).convert("RGB").save(written, "PNG")
    photo = asyncio.run(prepare_photo(written.getvalue(), most_bytes=most_bytes))
    with Image.open(BytesIO(photo.content)) as shown:
        assert len(photo.content) <= most_bytes or max(shown.size) <= 100
        if min(shown.size) > 10:
            assert shown.width / shown.height == pytest.approx(width / height, rel=0.1)
