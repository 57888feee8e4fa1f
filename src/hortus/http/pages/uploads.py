"""A file that a form sends, with its other fields, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hortus.base.language.translation import gettext

_MOST_FIELDS = 10
_MOST_FIELD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The content of the file, empty if none was chosen, and the other fields."""

    content: bytes
    fields: dict[str, str]


async def read_upload(request: Request, name: str, *, most_bytes: int) -> Upload:
    """Return the file of the field with this name. Raises HTTPException 400 or 413."""
    whole = await _bounded_body(request, most_bytes + _MOST_FIELDS * _MOST_FIELD_BYTES)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield whole
        yield b""

    parser = MultiPartParser(
        request.headers, stream(), max_files=1, max_fields=_MOST_FIELDS, max_part_size=_MOST_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise HTTPException(400, gettext("The form cannot be read.")) from error
    try:
        file = form.get(name)
        content = await file.read() if isinstance(file, UploadFile) else b""
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
    finally:
        await form.close()
    if len(content) > most_bytes:
        raise _too_large(most_bytes)
    return Upload(content=content, fields=fields)


async def _bounded_body(request: Request, most_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
    return bytes(body)


def _too_large(most_bytes: int) -> HTTPException:
    return HTTPException(413, gettext("The file is larger than %(most)s kB.", most=most_bytes // 1024))
