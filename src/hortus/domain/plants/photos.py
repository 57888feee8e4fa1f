"""Photos of plants: validated, scaled down, and stripped of metadata such as time and place."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import delete, func, select
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

# Of photos that have to have few bytes: at this size, each has few enough.
_SHORTEST_SIDE_PIXELS = 100

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


async def prepare_photo(content: bytes, *, most_bytes: int | None = None) -> Photo:
    """Convert an uploaded picture to the form in which it is stored. Raises NotAPhoto.

    With `most_bytes`, it is scaled down until it has no more.
    """
    encoded = await asyncio.get_running_loop().run_in_executor(_decoder, _encode, content, most_bytes)
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


async def find_small_photos(
    connection: AsyncConnection, plant_ids: Collection[int], *, most_bytes: int, most_bytes_together: int
) -> dict[int, Photo]:
    """Return those photos of these plants that are no larger; only the first, by plant, if all are too much."""
    length = func.octet_length(PlantPhotoRow.content)
    small = (
        select(
            PlantPhotoRow.plant_id, func.sum(length).over(order_by=PlantPhotoRow.plant_id).label("bytes_so_far")
        )
        .where(PlantPhotoRow.plant_id.in_(plant_ids), length <= most_bytes)
        .subquery()
    )
    rows = await connection.execute(
        select(PlantPhotoRow.plant_id, PlantPhotoRow.content, PlantPhotoRow.content_type, PlantPhotoRow.digest)
        .join(small, small.c.plant_id == PlantPhotoRow.plant_id)
        .where(small.c.bytes_so_far <= most_bytes_together)
    )
    return {
        plant_id: Photo(content=content, content_type=content_type, digest=digest)
        for plant_id, content, content_type, digest in rows
    }


async def delete_photo(connection: AsyncConnection, plant_id: int) -> bool:
    """Delete the plant's photo; return whether there was one. The caller commits."""
    deleted = await connection.execute(delete(PlantPhotoRow).where(PlantPhotoRow.plant_id == plant_id))
    return deleted.rowcount > 0


def _encode(content: bytes, most_bytes: int | None) -> bytes:
    try:
        with Image.open(BytesIO(content), formats=list(CONTENT_TYPES.values())) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise NotAPhoto(f"A photo has at most {MOST_PIXELS // 1_000_000} million pixels.")
            # Lets a JPEG be decoded at a fraction of its size; other formats ignore it.
            opened.draft("RGB", (LONGEST_SIDE_PIXELS, LONGEST_SIDE_PIXELS))
            upright = _scalable(ImageOps.exif_transpose(opened))
            upright.thumbnail((LONGEST_SIDE_PIXELS, LONGEST_SIDE_PIXELS))
            return _compressed(_on_white(upright), most_bytes)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAPhoto("This file cannot be read as a photo. Use a JPEG, PNG or WebP file.") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        # Raised by the decoders for truncated or damaged files.
        raise NotAPhoto("The photo is damaged or incomplete.") from error


def _compressed(image: Image.Image, most_bytes: int | None) -> bytes:
    while True:
        encoded = BytesIO()
        # Without a comment of its own, Pillow would keep the one of the upload.
        image.save(encoded, "JPEG", quality=_QUALITY, comment=b"")
        if most_bytes is None or encoded.tell() <= most_bytes or max(image.size) <= _SHORTEST_SIDE_PIXELS:
            return encoded.getvalue()
        image = image.copy()
        image.thumbnail((max(image.size) * 3 // 4, max(image.size) * 3 // 4))


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
