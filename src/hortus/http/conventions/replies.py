"""Values as http-api 1.3 has them: camelCase keys, null rather than absent, times in UTC with a Z."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hortus.domain.plants.photos import Photo


class ApiObject(BaseModel):
    """An object in a reply, for the documentation; replies themselves are made without it."""

    model_config = ConfigDict(alias_generator=to_camel)


class JsonReply(JSONResponse):
    """A JSON document, without a charset parameter; whole floats keep their `.0`."""

    def render(self, content: Any) -> bytes:
        """Return the document's bytes."""
        return orjson.dumps(content)


def empty_reply(status_code: int = 200) -> Response:
    """Return a success that has nothing to say: no body and no content type."""
    return Response(status_code=status_code)


def photo_reply(request: Request, photo: Photo) -> Response:
    """Return the photo, or 304 to who has it already."""
    headers = {"ETag": f'"{photo.digest[:32]}"', "Cache-Control": "private, no-cache"}
    if photo.digest[:32] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(photo.content, media_type=photo.content_type, headers=headers)
