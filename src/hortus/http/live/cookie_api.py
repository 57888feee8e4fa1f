"""The cookie that identifies users of the existing front-end on the live feed (http-api 5).

A browser cannot add a header to a WebSocket upgrade, and that front-end sends no credentials of its own. So
logging in and refreshing, which it does every five minutes, set a cookie for the address of the feed only:
hidden from scripts, not sent by other sites, valid for 15 minutes and for nothing else.
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
    """Set the cookie that identifies the user on the live feed."""
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
    """Delete the cookie, so that the browser is anonymous on the live feed again."""
    response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict")


def _path(request: HTTPConnection) -> str:
    return f"{request.scope.get('root_path', '')}{SOCKET_PATH}"
