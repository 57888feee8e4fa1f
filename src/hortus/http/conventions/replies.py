"""JSON responses with the conventions of http-api 1.3: camelCase, null rather than absent, UTC with a Z.

The shape of each object is a `TypedDict` with the names used in the JSON: mypy checks the returned dicts
against it, and FastAPI documents it. Nothing is converted or validated at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar, get_args

import orjson
from pydantic import GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hortus.domain.plants.photos import Photo

TimeText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time in the format of `hortus.base.times.format_time`."""

UuidText = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]

Content = TypeVar("Content")


class JsonReply(JSONResponse, Generic[Content]):
    """A JSON document, without a charset parameter; whole floats keep their `.0`.

    An endpoint that returns `JsonReply[Kit]` is documented as answering with a `Kit`, and type-checked to do
    so.
    """

    def __init__(
        self, content: Content, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, headers)

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of the content, from which FastAPI documents the return type."""
        (content,) = get_args(source)
        return handler.generate_schema(content)


def empty_reply(status_code: int = 200) -> Response:
    """Return a success without body and content type."""
    return Response(status_code=status_code)


def photo_reply(request: Request, photo: Photo) -> Response:
    """Return the photo, or 304 if the client's copy is current."""
    headers = {"ETag": f'"{photo.digest[:32]}"', "Cache-Control": "private, no-cache"}
    if photo.digest[:32] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(photo.content, media_type=photo.content_type, headers=headers)
