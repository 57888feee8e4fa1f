"""Pictures within the rows of plants: clients send and get them as data URLs (RFC 2397).

They are stored as photos, like uploads. A response has those that are small enough, up to a limit for all of
them; the others are named by their address.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plants.photos import (
    NotAPhoto,
    Photo,
    delete_photo,
    find_small_photos,
    prepare_photo,
    put_photo,
)
from hortus.domain.plants.store import Plant
from hortus.http.plantkeeper.answers import Refused

MOST_INLINE_BYTES = 72_000
"""Of one photo. Encoded it has a third more, and a body of 100 KiB has room for it and the rest of a row."""

MOST_INLINE_BYTES_PER_ANSWER = 1_500_000
"""Twenty of the largest. Compressing more of them for HTTP would hold up other requests."""

_DATA = "data:"
_BASE64 = re.compile(r"data:[^,;]{0,100}(;[^,;]{0,100}){0,5};base64,", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """What a plant's image becomes: a name or address, a photo, or nothing."""

    text: str | None = None
    photo: Photo | None = None


async def new_image(image: str | None, plant: Plant | None = None) -> NewImage | None:
    """Return what to store for the image in a body; None if it is what this plant's row shows already.

    Raises NotAPhoto.
    """
    if not image:
        return NewImage()
    shown_digest = None if plant is None else plant.photo_digest
    if not is_data_url(image):
        is_shown = plant is not None and shown_digest is not None and image == photo_address(plant)
        return None if is_shown else NewImage(text=image)
    content = _content_of(image)
    # Compressing it again would make it a little worse each time that a client sends the row back.
    if hashlib.sha256(content).hexdigest() == shown_digest:
        return None
    return NewImage(photo=await prepare_photo(content, most_bytes=MOST_INLINE_BYTES))


async def put_image(connection: AsyncConnection, plant_id: int, image: NewImage) -> None:
    """Store the photo of a plant, or delete the one it had. The caller commits, and stores the text."""
    if image.photo is None:
        await delete_photo(connection, plant_id)
    else:
        await put_photo(connection, plant_id, image.photo)


async def inline_photos(connection: AsyncConnection, plant_ids: Collection[int]) -> dict[int, Photo]:
    """Return the photos of these plants that an answer has within its rows."""
    return await find_small_photos(
        connection, plant_ids, most_bytes=MOST_INLINE_BYTES, most_bytes_together=MOST_INLINE_BYTES_PER_ANSWER
    )


def shown_image(plant: Plant, photo: Photo | None) -> str | None:
    """Return the image in a plant's row: its photo, inline or by address, else the text that a client set."""
    if photo is not None:
        return f"{_DATA}{photo.content_type};base64,{base64.b64encode(photo.content).decode()}"
    return photo_address(plant) if plant.photo_digest is not None else plant.image


def photo_address(plant: Plant) -> str:
    """Return the path of a plant's photo, which changes with the photo."""
    return f"/api/plants/{plant.id}/photo?v={(plant.photo_digest or '')[:16]}"


def is_data_url(text: str) -> bool:
    """Return whether the text is a data URL, however it goes on."""
    return text[: len(_DATA)].lower() == _DATA


def require_no_picture(image: str | None) -> None:
    """Refuse a picture within the row of a general plant. Raises Refused."""
    if image and is_data_url(image):
        raise Refused(422, "A general plant has a name or an address of a picture; only plants keep pictures.")


def _content_of(url: str) -> bytes:
    head = _BASE64.match(url)
    if head is None:
        raise NotAPhoto("A picture within a row looks like data:image/jpeg;base64,/9j/4AAQ….")
    try:
        return base64.b64decode(url[head.end() :], validate=True)
    except ValueError as error:
        raise NotAPhoto("The picture is not encoded as base64, or is incomplete.") from error
