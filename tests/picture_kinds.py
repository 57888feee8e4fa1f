"""A picture with the same gradient in each mode in which files may hold it, from black (left) to white."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

WIDTH, HEIGHT = 256, 64

KINDS = (
    *(
        ("1", "PNG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("I;16", "PNG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
    ),
    *(("L", "JPEG"), ("RGB", "JPEG"), ("CMYK", "JPEG")),
    *(("RGB", "WEBP"), ("RGBA", "WEBP"), ("P", "GIF"), ("L", "BMP"), ("P", "BMP")),
    *(("I;16", "TIFF"), ("I;16B", "TIFF"), ("I", "TIFF"), ("F", "TIFF"), ("LA", "TIFF"), ("CMYK", "TIFF")),
)


def gradient(mode: str, form: str) -> bytes:
    """Return a file of this format with the gradient in this mode."""
    grey = Image.linear_gradient("L").rotate(90).resize((WIDTH, HEIGHT))
    if mode.startswith("I;16"):
        pixels = b"".join(
            (257 * value).to_bytes(2, "big" if mode.endswith("B") else "little") for value in grey.tobytes()
        )
        made = Image.frombytes(mode, grey.size, pixels)
    elif mode in {"I", "F"}:
        made = grey.convert(mode).point(lambda value: value * 3 + 1000)
    else:
        made = grey.convert(mode)
    written = BytesIO()
    made.save(written, form)
    return written.getvalue()


def greys_across(content: bytes) -> list[int]:
    """Return the mean grey of sixteen columns of a picture, from left to right, on white."""
    with Image.open(BytesIO(content)) as opened:
        shown = opened.convert("RGBA")
    background = Image.new("RGBA", shown.size, "white")
    background.alpha_composite(shown)
    return list(background.convert("L").resize((16, 1), Image.Resampling.BOX).tobytes())


GREYS = [8 + 16 * number for number in range(16)]
