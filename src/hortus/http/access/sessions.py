"""Web sessions: a signed cookie that names a user, with no state on the server.

The cookie is bound to the password by a stamp: a new password ends all sessions of a user. It is signed with
the installation's key, hidden from scripts, not sent with requests from other sites (SameSite=Lax), and limited
to https if the log-in used it.
"""

from __future__ import annotations

import hmac

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection
from starlette.responses import Response

from hortus.domain.accounts.store import User, find_user
from hortus.http.access.viewer import ANONYMOUS, Viewer
from hortus.http.server.database_access import snapshot

COOKIE = "hortus-session"
LIFETIME_SECONDS = 14 * 86_400


class Sessions:
    """Writes and reads the cookie. `secret_key` must be the same in all processes of an installation."""

    def __init__(self, secret_key: str, engine: AsyncEngine) -> None:
        self._serializer = URLSafeTimedSerializer(secret_key, salt="hortus session")
        self._engine = engine

    def start(self, request: HTTPConnection, response: Response, user: User) -> None:
        """Set the cookie that logs the user in."""
        response.set_cookie(
            COOKIE,
            self._serializer.dumps([user.id, user.password_stamp]),
            max_age=LIFETIME_SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )

    def end(self, response: Response) -> None:
        """Delete the cookie, which logs the user out."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    async def viewer_of(self, request: HTTPConnection) -> Viewer:
        """Return the sender of the request, with their current rights; anonymous without a valid session.

        Raises DatabaseNotAnswering.
        """
        claims = self.claims_of(request)
        if claims is None:
            return ANONYMOUS
        user_id, stamp = claims
        async with snapshot(self._engine) as connection:
            user = await find_user(connection, user_id)
        if user is None or not hmac.compare_digest(user.password_stamp, stamp):
            return ANONYMOUS
        return Viewer(user=user)

    def claims_of(self, request: HTTPConnection) -> tuple[int, str] | None:
        """Return the user's id and password stamp from the cookie; they are still to be checked."""
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            user_id, stamp = self._serializer.loads(cookie, max_age=LIFETIME_SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        return (user_id, stamp) if isinstance(user_id, int) and isinstance(stamp, str) else None
