"""Web sessions: a signed cookie that names a log-in, which is kept with those to the API.

A session ends when its row does: on logging out, when it is ended from elsewhere (`DELETE /me/log-ins…`), and
with a new password. The cookie is signed with the installation's key, hidden from scripts, not sent with
requests from other sites (SameSite=Lax), and limited to https if the log-in used it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection
from starlette.responses import Response

from hortus.base.language.appearance import adopt
from hortus.domain.accounts.log_ins import Place, end_log_in, note_use, start_log_in, user_of_session
from hortus.domain.accounts.store import User
from hortus.domain.accounts.tokens import RefreshClaims
from hortus.http.access.cookies import delete_cookie, read_cookie, set_cookie
from hortus.http.access.viewer import ANONYMOUS, Viewer
from hortus.http.server.database_access import change, snapshot

COOKIE = "hortus-session"
LIFETIME = timedelta(days=14)

# Recording each use would turn every page into a write.
_LAST_USED_RESOLUTION = timedelta(hours=1)


def _now() -> datetime:
    return datetime.now(UTC)


class Sessions:
    """Writes and reads the cookie. `secret_key` must be the same in all processes of an installation.

    `usual_zone` is the time zone of kits and people that have named none.
    """

    def __init__(
        self,
        secret_key: str,
        engine: AsyncEngine,
        clock: Callable[[], datetime] = _now,
        usual_zone: ZoneInfo = ANONYMOUS.usual_zone,
    ) -> None:
        self._serializer = URLSafeTimedSerializer(secret_key, salt="hortus log-in")
        self._engine = engine
        self._clock = clock
        self._anonymous = replace(ANONYMOUS, usual_zone=usual_zone)

    async def start(self, request: HTTPConnection, response: Response, user: User) -> None:
        """Record a log-in and set its cookie. Raises DatabaseNotAnswering."""
        async with change(self._engine) as connection:
            token_id = await start_log_in(connection, user, self._clock(), LIFETIME, Place.PAGES)
        set_cookie(request, response, COOKIE, self._serializer.dumps([user.id, str(token_id)]), LIFETIME)

    async def end(self, request: HTTPConnection, response: Response) -> None:
        """End the log-in and delete its cookie. Raises DatabaseNotAnswering."""
        claims = self.claims_of(request)
        if claims is not None:
            async with change(self._engine) as connection:
                await end_log_in(connection, claims.user_id, claims.token_id)
        delete_cookie(request, response, COOKIE)

    async def viewer_of(self, request: HTTPConnection) -> Viewer:
        """Return the sender of the request, with their current rights; anonymous without a valid session.

        From then on, the page is written as that person has chosen. Raises DatabaseNotAnswering.
        """
        claims = self.claims_of(request)
        if claims is None:
            return self._anonymous
        now = self._clock()
        async with snapshot(self._engine) as connection:
            found = await user_of_session(connection, claims, now)
        if found is None:
            return self._anonymous
        user, last_used_at = found
        if now - last_used_at > _LAST_USED_RESOLUTION:
            async with change(self._engine) as connection:
                await note_use(connection, claims, now)
        adopt(user.appearance)
        return replace(self._anonymous, user=user)

    def claims_of(self, request: HTTPConnection) -> RefreshClaims | None:
        """Return the user and log-in of the cookie; whether the log-in still exists is still to be checked."""
        cookie = read_cookie(request, COOKIE)
        if not cookie:
            return None
        try:
            user_id, token_id = self._serializer.loads(cookie, max_age=int(LIFETIME.total_seconds()))
            return RefreshClaims(user_id=int(user_id), token_id=UUID(token_id))
        except (BadSignature, ValueError, TypeError, AttributeError):
            return None
