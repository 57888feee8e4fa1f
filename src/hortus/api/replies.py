"""Values as the contract writes them (1.3): camelCase keys, null rather than absent, times in UTC with a Z."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import JSONResponse, Response


class JsonReply(JSONResponse):
    """A JSON document, without a charset parameter; whole floats keep their `.0`."""

    def render(self, content: Any) -> bytes:
        """Return the document's bytes."""
        return orjson.dumps(content)


def empty_reply(status_code: int = 200) -> Response:
    """Return a success that has nothing to say: no body and no content type."""
    return Response(status_code=status_code)


def format_time(moment: datetime) -> str:
    """Return RFC 3339 in UTC ending in Z, with no fraction, or 3 or 6 digits of it as needed."""
    utc = moment.astimezone(UTC)
    text = utc.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if utc.microsecond % 1000:
        return f"{text}.{utc.microsecond:06d}Z"
    if utc.microsecond:
        return f"{text}.{utc.microsecond // 1000:03d}Z"
    return f"{text}Z"


def format_optional_time(moment: datetime | None) -> str | None:
    """Return the time as `format_time` does, or None."""
    return None if moment is None else format_time(moment)
