"""The mail with which somebody who forgot their password chooses a new one."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import CONNECTION_FAILURES
from hortus.base.errors import OperationalError
from hortus.domain.accounts.tables import UserRow
from hortus.domain.accounts.tokens import PASSWORD_RESET_LIFETIME
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.queue import NewMessage, count_recent, put_in
from hortus.domain.messages.tables import MessageKind

log = logging.getLogger(__name__)

# Whoever asks over and over, from however many places, fills nobody's mailbox.
MOST_PER_HOUR = 5

_MINUTES = round(PASSWORD_RESET_LIFETIME.total_seconds() / 60)


class QueuedResetMailer:
    """Puts the mail into the queue; the token lies there encrypted, and not after the mail was sent."""

    def __init__(self, engine: AsyncEngine, access: MessageAccess) -> None:
        self._engine = engine
        self._access = access

    async def send(self, *, email_address: str, username: str, token: str) -> None:
        """Queue the mail. Raises OperationalError if the database does not answer."""
        try:
            await self._queue(email_address, username, token)
        except (SQLAlchemyError, *CONNECTION_FAILURES) as error:
            raise OperationalError("The database does not answer at the moment.") from error

    async def _queue(self, email_address: str, username: str, token: str) -> None:
        async with self._engine.begin() as connection:
            # Locked, so that requests at the same moment count each other.
            user_id = await connection.scalar(
                select(UserRow.id).where(UserRow.username == username).with_for_update(key_share=True)
            )
            if user_id is None:
                return
            since = datetime.now(UTC) - timedelta(hours=1)
            if await count_recent(connection, user_id, MessageKind.PASSWORD_RESET, since) >= MOST_PER_HOUR:
                log.warning("user %s: no further mail that resets the password within this hour", username)
                return
            message = NewMessage(
                user_id=user_id,
                recipient=email_address,
                kind=MessageKind.PASSWORD_RESET,
                subject="Choose a new password",
                body=self._body(username, token),
            )
            await put_in(connection, self._access.seal, [message])

    def _body(self, username: str, token: str) -> str:
        if self._access.public_url:
            way = f"Choose a new one here:\n\n{self._access.public_url}/password-reset?token={quote(token)}\n"
        else:
            way = f"Choose a new one with this token, where you asked for it:\n\n{token}\n"
        return (
            f"Hello {username},\n\nsomebody, probably you, said that you forgot your password.\n{way}\n"
            f"This works once, within {_MINUTES} minutes. If it was not you, do nothing: your password stays "
            "as it is.\n"
        )
