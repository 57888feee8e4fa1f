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
from hortus.http.access.cookies import read_cookie, set_cookie
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
    name = canonical_username(username)
    set_cookie(request, response, COOKIE, tokens.device(name, uuid4()), DEVICE_LIFETIME)


def rename_device(
    request: HTTPConnection, response: Response, tokens: Tokens | None, before: str, username: str
) -> None:
    """Keep a device known that logged in with the name that its user had before."""
    if _known_device(request, tokens, before) is not None:
        remember_device(request, response, tokens, username)


def _known_device(request: HTTPConnection, tokens: Tokens | None, username: str) -> str | None:
    cookie = read_cookie(request, COOKIE)
    if not cookie or tokens is None:
        return None
    try:
        claims = tokens.read_device(cookie)
    except InvalidToken:
        return None
    return str(claims.token_id) if claims.username == canonical_username(username) else None
