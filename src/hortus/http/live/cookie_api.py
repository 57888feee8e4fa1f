"""The cookie by which the existing front-end is known on the live feed (http-api 5).

A browser cannot add a header to the upgrade to a WebSocket, and that front-end sends nothing of its own. So
logging in and refreshing, which it does every five minutes, set a cookie for the address of the feed alone:
hidden from scripts, not sent by other sites, worth something for 15 minutes and for nothing else.
"""

from __future__ import annotations

from uuid import UUID

from starlette.requests import HTTPConnection
from starlette.responses import Response

from hortus.domain.accounts.tokens import LIVE_LIFETIME, Tokens

COOKIE = "hortus-live"
SOCKET_PATH = "/ws"


def set_live_cookie(
    request: HTTPConnection, response: Response, tokens: Tokens, *, user_id: int, token_id: UUID
) -> None:
    """Let the browser that gets this response show on the live feed that it is logged in."""
    response.set_cookie(
        COOKIE,
        tokens.live(user_id, token_id),
        max_age=int(LIVE_LIFETIME.total_seconds()),
        path=_path(request),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def forget_live_cookie(request: HTTPConnection, response: Response) -> None:
    """Let the browser that gets this response be unknown on the live feed again."""
    response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict")


def _path(request: HTTPConnection) -> str:
    return f"{request.scope.get('root_path', '')}{SOCKET_PATH}"
