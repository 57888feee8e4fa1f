"""The password reset mail."""

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

# Keeps repeated requests, from any number of clients, from flooding a mailbox.
MOST_PER_HOUR = 5

_MINUTES = round(PASSWORD_RESET_LIFETIME.total_seconds() / 60)


class QueuedResetMailer:
    """Queues the mail; the token is stored encrypted, and deleted once the mail was sent."""

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
            # Locked, so that concurrent requests count each other's mails.
            user_id = await connection.scalar(
                select(UserRow.id).where(UserRow.username == username).with_for_update(key_share=True)
            )
            if user_id is None:
                return
            since = datetime.now(UTC) - timedelta(hours=1)
            if await count_recent(connection, user_id, MessageKind.PASSWORD_RESET, since) >= MOST_PER_HOUR:
                log.warning("user %s: too many password reset mails within an hour, sending no more", username)
                return
            message = NewMessage(
                user_id=user_id,
                recipient=email_address,
                kind=MessageKind.PASSWORD_RESET,
                subject="Reset your Hortus password",
                body=self._body(username, token),
            )
            await put_in(connection, self._access.seal, [message])

    def _body(self, username: str, token: str) -> str:
        if self._access.public_url:
            way = (
                "To choose a new password, open this link:\n\n"
                f"{self._access.public_url}/password-reset?token={quote(token)}\n\n"
                f"The link works once, for {_MINUTES} minutes.\n"
            )
        else:
            way = (
                "To choose a new password, enter this token on the page where you asked for the reset:\n\n"
                f"{token}\n\n"
                f"The token works once, for {_MINUTES} minutes.\n"
            )
        return (
            f"Hello {username},\n\nSomeone asked to reset your password. {way}\n"
            "If it was not you, ignore this email; your password stays the same.\n"
        )
