"""Parts of pages that renew themselves: the same content is sent once, and then answered 304."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

# Ages go on by themselves in the browser, so a page that only grew older is the same page.
_AGES = re.compile(r' data-age-seconds="\d+"[^<]*| alt="[^"]*" data-aged')


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A part of a page, and its entity tag, which stays the same while only ages change."""

    content: str
    etag: str


def renewed(content: str) -> Renewed:
    """Return a part of a page with its entity tag."""
    digest = hashlib.sha256(_AGES.sub("", content).encode()).hexdigest()[:20]
    return Renewed(content=content, etag=f'W/"{digest}"')


def renewal_reply(request: Request, part: Renewed) -> Response:
    """Answer with the part, or with 304 if the browser has it."""
    headers = {"ETag": part.etag}
    if request.headers.get("if-none-match") == part.etag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(part.content, headers=headers)


def reload_reply() -> Response:
    """Ask the page to load itself anew, because something around the part has changed."""
    return Response(status_code=200, headers={"HX-Refresh": "true"})
