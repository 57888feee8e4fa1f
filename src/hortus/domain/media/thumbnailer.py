"""Makes a picture smaller, as a program: `python -m hortus.domain.media.thumbnailer 320 < picture > thumbnail`.

Pictures come from untrusted devices, and decoders have had vulnerabilities. So this process gets nothing but
the picture, with limits on memory and time, and a crash affects nothing else. It exits with 0 and the smaller
picture (WebP), or with 3 and a sentence on standard error that says why there is none.
"""

from __future__ import annotations

import resource
import sys
import warnings
from io import BytesIO

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from hortus.base.errors import describe_error
from hortus.domain.media.greys import eight_bit

UNSUITABLE = 3

THUMBNAIL_SIDE = 320
PREVIEW_SIDE = 1280
"""The longest side of a thumbnail and of a preview, in pixels."""

_LARGEST_PIXELS = 64_000_000  # the largest sensors of small cameras; 256 MiB once decoded
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
_MEMORY_BYTES = 1024 * 1024 * 1024
_PROCESSOR_SECONDS = 30
_QUALITY = 80


class Unsuitable(Exception):
    """No smaller picture can be made of this one; the message says why."""


def thumbnail_of(content: bytes, longest_side: int = THUMBNAIL_SIDE) -> bytes:
    """Return a picture upright and at most this large, without any metadata of the file. Raises Unsuitable."""
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as picture:
            if picture.width * picture.height > _LARGEST_PIXELS:
                raise Unsuitable("The picture has too many pixels.")
            picture.draft("RGB", (2 * longest_side, 2 * longest_side))
            upright = ImageOps.exif_transpose(picture)
            small = _displayable(upright)
            small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
            # A new picture, so that no location or time is copied along.
            plain = Image.new(small.mode, small.size)
            plain.paste(small)
            written = BytesIO()
            plain.save(written, "WEBP", quality=_QUALITY)
            return written.getvalue()
    except Unsuitable:
        raise
    except Image.DecompressionBombError as error:
        raise Unsuitable("The picture has too many pixels.") from error
    except MemoryError as error:
        raise Unsuitable("The picture needs too much memory.") from error
    except UnidentifiedImageError as error:
        raise Unsuitable("The picture cannot be read: its file is damaged or of an unknown format.") from error
    except Exception as error:  # decoders raise anything for damaged files
        raise Unsuitable(f"The picture cannot be read: {describe_error(error)}"[:200]) from error


def _displayable(picture: Image.Image) -> Image.Image:
    """Return the picture in a mode that browsers display."""
    shown = eight_bit(picture)
    return shown.convert("RGBA" if shown.has_transparency_data else "RGB")


def main() -> None:
    """Read a picture from standard input and write the smaller one to standard output."""
    longest_side = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = _LARGEST_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        smaller = thumbnail_of(sys.stdin.buffer.read(), longest_side)
    except Unsuitable as error:
        sys.stderr.write(str(error))
        sys.exit(UNSUITABLE)
    sys.stdout.buffer.write(smaller)


if __name__ == "__main__":
    main()
