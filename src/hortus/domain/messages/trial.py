"""Test messages, with which people try whether they can be reached."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.base.errors import UsageError
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.channels import find_reachable
from hortus.domain.messages.queue import put_in
from hortus.domain.messages.tables import MessageKind

MAIL = "mail"
"""The way that is no service."""


class NoSuchWay(UsageError):
    """The person has no way, or not this one, to be told anything."""

    def __init__(self) -> None:
        super().__init__("You have no notification channel. Add a service or turn on email.")


async def queue_test(
    connection: AsyncConnection,
    access: MessageAccess,
    user_id: int,
    display_name: str,
    way: int | str | None = None,
) -> list[UUID]:
    """Queue a test message through one way, `MAIL` or the id of a service, or through all; return the ids.

    The caller commits. Raises NoSuchWay.
    """
    person = (await find_reachable(connection, [user_id])).get(user_id)
    messages = (
        person.messages(
            MessageKind.TEST,
            "Test message",
            f"Hello {display_name},\n\nthis is the test message that you asked for.\n",
            mail=access.mail is not None,
        )
        if person
        else []
    )
    chosen = [
        message
        for message in messages
        if way is None or way == (MAIL if message.channel_id is None else message.channel_id)
    ]
    if not chosen:
        raise NoSuchWay
    return await put_in(connection, access.seal, chosen)
