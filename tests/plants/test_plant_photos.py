"""Photos of plants: whatever mode a file has, the photo shows what the file shows."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

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
