"""What pages need from a request: its origin, its form, its address; and where they send the browser next."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hortus.base.language.translation import gettext
from hortus.http.server.public_path import path_below, public_path

SAID = "said"
"""The parameter that names what a page says after a change."""

_MOST_FORM_BYTES = 8192
_MOST_FIELDS = 20

# Printable ASCII after one slash. Browsers treat `//` and `/\` as another host, and drop tabs and line breaks.
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")
# Browsers resolve these, also when they are encoded; below a path they would lead out of it.
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)


class LogInNeeded(Exception):
    """Strangers have to log in for this page, whether or not there is something behind it."""


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


async def read_form(
    request: Request, *, most_bytes: int = _MOST_FORM_BYTES, most_fields: int = _MOST_FIELDS
) -> dict[str, str]:
    """Return the fields of a small form, the last value of each. Raises HTTPException 400 or 413."""
    fields = await read_fields(request, most_bytes=most_bytes, most_fields=most_fields)
    return {name: values[-1] for name, values in fields.items()}


async def read_fields(
    request: Request, *, most_bytes: int = _MOST_FORM_BYTES, most_fields: int = _MOST_FIELDS
) -> dict[str, list[str]]:
    """Return the fields of a form with all of their values. Raises HTTPException 400 or 413."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise HTTPException(413, gettext("The form is too large."))
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=most_fields, errors="strict")
    except ValueError as error:
        raise HTTPException(400, gettext("The form cannot be read.")) from error


def address_of(request: Request) -> str:
    """Return the path and query of this request, as our own pages are addressed."""
    return path_below(request.scope) + (f"?{request.url.query}" if request.url.query else "")


def to_log_in(request: Request) -> Response:
    """Send the browser to the log-in, which leads back to this address, or home after a form."""
    wanted = local_path(address_of(request)) if request.method in {"GET", "HEAD"} else "/"
    return redirect(request, f"/login?next={quote(wanted, safe='/')}")


def local_path(text: str) -> str:
    """Return this path if it certainly leads to a page of ours, else `/`: links must not redirect elsewhere."""
    return text if _LOCAL_PATH.fullmatch(text) and not _DOT_SEGMENT.search(text) else "/"


def redirect(request: Request, path: str, *, said: str = "") -> Response:
    """Send the browser to another page of ours: `redirect(request, "/plants/3")`.

    `said` is one of the words for which that page has a toast (see `Site.page`).
    """
    if said:
        path += f"{'&' if '?' in path else '?'}{SAID}={said}"
    return RedirectResponse(public_path(request.scope) + path, status_code=303)
