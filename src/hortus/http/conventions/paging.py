"""Links to the next page of a list (http-api 1.4), relative to the base of the API, whatever its prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

import orjson

from hortus.base.times import format_time
from hortus.http.conventions.parameters import parse_time
from hortus.http.conventions.problems import bad_request


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCursor:
    """The position of a page in a list, newest first: the last row of the page before."""

    at: datetime
    id: UUID

    @classmethod
    def parse(cls, text: str) -> PageCursor:
        """Return the cursor from a query parameter. Raises Problem 400."""
        try:
            at, identifier = orjson.loads(text)
            return cls(at=parse_time(at), id=UUID(identifier))
        except (ValueError, TypeError, AttributeError) as error:
            raise bad_request("The cursor is not valid. Follow the Link of the previous page.") from error

    def __str__(self) -> str:
        return orjson.dumps([format_time(self.at), str(self.id)]).decode()


def address(path: str, parameters: Mapping[str, object | None]) -> str:
    """Return path and query, without parameters that are None."""
    pairs = [
        f"{name}={quote(_text(value), safe='')}" for name, value in parameters.items() if value is not None
    ]
    return path + ("?" + "&".join(pairs) if pairs else "")


def next_link(path: str, parameters: Mapping[str, object | None]) -> dict[str, str]:
    """Return the header `Link` with the address of the next page."""
    return {"Link": f'<{address(path, parameters)}>; rel="next"'}


def x_next(path: str, parameters: Mapping[str, object | None]) -> dict[str, str]:
    """Return the header `x-next` with the address of the next page."""
    return {"X-Next": address(path, parameters)}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_time(value)
    return str(value)
