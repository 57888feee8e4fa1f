"""The cookie by which a device is known that logged in before (see `log_in_limits`).

It proves nothing else: it logs nobody in, and says only for which name the device once knew the password.
"""

from __future__ import annotations

from uuid import uuid4

from starlette.requests import HTTPConnection
from starlette.responses import Response

from hortus.domain.accounts.tokens import DEVICE_LIFETIME, InvalidToken, Tokens
from hortus.domain.accounts.usernames import canonical_username
from hortus.http.access.addresses import network_of
from hortus.http.access.log_in_limits import Guesser

COOKIE = "hortus-device"


def guesser_of(request: HTTPConnection, tokens: Tokens | None, username: str) -> Guesser:
    """Return where an attempt to log in with this name comes from."""
    return Guesser(
        network=network_of(request), username=username, known_device=_known_device(request, tokens, username)
    )


def remember_device(request: HTTPConnection, response: Response, tokens: Tokens | None, username: str) -> None:
    """Set the cookie of a device that has logged in, unless it has one for this name."""
    if tokens is None or _known_device(request, tokens, username) is not None:
        return
    response.set_cookie(
        COOKIE,
        tokens.device(canonical_username(username), uuid4()),
        max_age=int(DEVICE_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def rename_device(
    request: HTTPConnection, response: Response, tokens: Tokens | None, before: str, username: str
) -> None:
    """Keep a device known that logged in with the name that its user had before."""
    if _known_device(request, tokens, before) is not None:
        remember_device(request, response, tokens, username)


def _known_device(request: HTTPConnection, tokens: Tokens | None, username: str) -> str | None:
    cookie = request.cookies.get(COOKIE)
    if not cookie or tokens is None:
        return None
    try:
        claims = tokens.read_device(cookie)
    except InvalidToken:
        return None
    return str(claims.token_id) if claims.username == canonical_username(username) else None
