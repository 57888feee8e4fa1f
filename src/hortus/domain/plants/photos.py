"""Photos of plants: validated, scaled down, and stripped of metadata such as time and place."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.media.greys import eight_bit
from hortus.domain.plants.tables import PlantPhotoRow

MOST_UPLOAD_BYTES = 10 * 1024 * 1024
MOST_PIXELS = 50_000_000
LONGEST_SIDE_PIXELS = 1600
CONTENT_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
"""The media types that may be uploaded."""

STORED_TYPE = "image/jpeg"
_QUALITY = 85

# Decoding a picture takes up to 200 MB, so only one is decoded at a time.
_decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="photos")


class NotAPhoto(UsageError):
    """The upload cannot be used as a photo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A photo as it is stored. `digest` changes with the content."""

    content: bytes
    content_type: str
    digest: str


async def prepare_photo(content: bytes) -> Photo:
    """Convert an uploaded picture to the form in which it is stored. Raises NotAPhoto."""
    encoded = await asyncio.get_running_loop().run_in_executor(_decoder, _encode, content)
    return Photo(content=encoded, content_type=STORED_TYPE, digest=hashlib.sha256(encoded).hexdigest())


async def put_photo(connection: AsyncConnection, plant_id: int, photo: Photo) -> None:
    """Store a plant's photo, replacing any earlier one. The caller commits."""
    values = {"content_type": photo.content_type, "digest": photo.digest, "content": photo.content}
    await connection.execute(
        insert(PlantPhotoRow)
        .values(plant_id=plant_id, **values)
        .on_conflict_do_update(index_elements=["plant_id"], set_=values)
    )


async def find_photo(connection: AsyncConnection, plant_id: int) -> Photo | None:
    """Return the plant's photo, or None."""
    columns = (PlantPhotoRow.content, PlantPhotoRow.content_type, PlantPhotoRow.digest)
    row = (await connection.execute(select(*columns).where(PlantPhotoRow.plant_id == plant_id))).one_or_none()
    return None if row is None else Photo(content=row.content, content_type=row.content_type, digest=row.digest)


async def delete_photo(connection: AsyncConnection, plant_id: int) -> bool:
    """Delete the plant's photo; return whether there was one. The caller commits."""
    deleted = await connection.execute(delete(PlantPhotoRow).where(PlantPhotoRow.plant_id == plant_id))
    return deleted.rowcount > 0


def _encode(content: bytes) -> bytes:
    try:
        with Image.open(BytesIO(content), formats=list(CONTENT_TYPES.values())) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise NotAPhoto(f"A photo has at most {MOST_PIXELS // 1_000_000} million pixels.")
            # Lets a JPEG be decoded at a fraction of its size; other formats ignore it.
            opened.draft("RGB", (LONGEST_SIDE_PIXELS, LONGEST_SIDE_PIXELS))
            upright = _scalable(ImageOps.exif_transpose(opened))
            upright.thumbnail((LONGEST_SIDE_PIXELS, LONGEST_SIDE_PIXELS))
            encoded = BytesIO()
            _on_white(upright).save(encoded, "JPEG", quality=_QUALITY)
            return encoded.getvalue()
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAPhoto("This file cannot be read as a photo. Use a JPEG, PNG or WebP file.") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        # Raised by the decoders for truncated or damaged files.
        raise NotAPhoto("The photo is damaged or incomplete.") from error


def _scalable(image: Image.Image) -> Image.Image:
    """Return the picture in a mode whose pixels can be averaged, which colours of a palette cannot."""
    shown = eight_bit(image)
    if shown.mode in {"1", "P", "PA"}:
        return shown.convert("RGBA" if shown.has_transparency_data else "RGB")
    return shown


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture on a white background: JPEG does not support transparency."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    with_alpha = image.convert("RGBA")
    background = Image.new("RGBA", with_alpha.size, "white")
    background.alpha_composite(with_alpha)
    return background.convert("RGB")
