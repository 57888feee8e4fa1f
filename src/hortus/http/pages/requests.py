"""What pages need from a request: its origin, its sender, its form."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hortus.base.language.translation import gettext
from hortus.http.server.public_path import public_path

_MOST_FORM_BYTES = 8192
_MOST_FIELDS = 20

# Printable ASCII after one slash. Browsers treat `//` and `/\` as another host, and drop tabs and line breaks.
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")
# Browsers resolve these, also when they are encoded; below a path they would lead out of it.
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)


def require_same_origin(request: Request) -> None:
    """Reject a form submitted by another site's page (CSRF), with status 403.

    Browsers report the origin on https and localhost (Sec-Fetch-Site); elsewhere Origin must be our host. A
    request with neither header does not come from a browser's page.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        foreign = fetch_site not in {"same-origin", "none"}
    else:
        origin = request.headers.get("origin")
        foreign = (
            origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
        )
    if foreign:
        raise HTTPException(403, gettext("This form was sent by a page of another site. Nothing was changed."))


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a small form, the last value of each. Raises HTTPException 400 or 413."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise HTTPException(413, gettext("The form is too large."))
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400, gettext("The form cannot be read.")) from error
    return {name: values[-1] for name, values in fields.items()}


def local_path(text: str) -> str:
    """Return this path if it certainly leads to a page of ours, else `/`: links must not redirect elsewhere."""
    return text if _LOCAL_PATH.fullmatch(text) and not _DOT_SEGMENT.search(text) else "/"


def redirect(request: Request, path: str) -> Response:
    """Send the browser to another page of ours: `redirect(request, "/plants/3")`."""
    return RedirectResponse(public_path(request.scope) + path, status_code=303)
