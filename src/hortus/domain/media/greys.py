"""Pictures with more than 8 bits per pixel, in a form that can be shown. Pure."""

from __future__ import annotations

import math

from PIL import Image

_SIXTEEN_TO_EIGHT_BITS = 1 / 257
_HALF = 0.5  # what Pillow converts to whole numbers is cut off, not rounded


def eight_bit(picture: Image.Image) -> Image.Image:
    """Return a grey picture of 16 or 32 bits as one of 8 bits, and any other picture as it is.

    Pillow itself cuts off what is above 255. The range of 16 bits is known; that of whole numbers and floats of
    32 bits is that of the picture. Raises ValueError for pixels that are no finite numbers.
    """
    if picture.mode.startswith("I;16"):
        return _scaled(picture.convert("F"), _SIXTEEN_TO_EIGHT_BITS, 0.0)
    if picture.mode not in {"I", "F"}:
        return picture
    wide = picture.convert("F")
    low, high = wide.getextrema()
    assert isinstance(low, float)
    assert isinstance(high, float)
    if not math.isfinite(high - low):
        raise ValueError("it has pixels that are no finite numbers")
    if high == low:
        return Image.new("L", picture.size, 128)
    factor = 255.0 / (high - low)
    return _scaled(wide, factor, -low * factor)


def _scaled(wide: Image.Image, factor: float, offset: float) -> Image.Image:
    return wide.point(lambda value: value * factor + (offset + _HALF)).convert("L")
