"""Reading a file from a form, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hortus.base.language.translation import gettext

_MOST_OTHER_BYTES = 16_384
"""Boundaries, headers of parts, and the other fields."""

_LONGEST_SECONDS = 60.0


class TooLarge(Exception):
    """The file has more bytes than are allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """A file of a form, with the media type that the browser gave it."""

    content: bytes = field(repr=False)
    content_type: str


async def uploaded_file(request: Request, name: str, most_bytes: int) -> UploadedFile | None:
    """Return the file of this field, or None if none was chosen.

    Raises TooLarge before more than the limit is read, and HTTPException 400 or 408.
    """
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            parser = MultiPartParser(
                request.headers, _bounded(request, most_bytes + _MOST_OTHER_BYTES), max_files=1, max_fields=5
            )
            form = await parser.parse()
    except (MultiPartException, FormParserError, KeyError) as error:
        raise HTTPException(400, gettext("The form cannot be read.")) from error
    except TimeoutError as error:
        raise HTTPException(408, gettext("The file did not arrive in time. Try again.")) from error
    try:
        file = form.get(name)
        if not isinstance(file, UploadFile) or not file.filename:
            return None
        content = await file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise TooLarge
        return UploadedFile(content=content, content_type=(file.content_type or "").partition(";")[0].strip())
    finally:
        await form.close()


async def _bounded(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > most_bytes:
        raise TooLarge
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > most_bytes:
            raise TooLarge
        yield chunk
