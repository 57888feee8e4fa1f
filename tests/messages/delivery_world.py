"""What the tests of messages share: people, queued messages, a delivery that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.accounts.tables import UserRow
from hortus.domain.messages.access import MessageAccess
from hortus.domain.messages.delivery import DeliveryLimits, MessageDelivery
from hortus.domain.messages.outcome import OutgoingMessage
from hortus.domain.messages.queue import (
    NewMessage,
    list_messages,
    put_in,
)
from hortus.domain.messages.sealing import Seal
from hortus.domain.messages.tables import MessageKind

SEAL = Seal(b"the key of an installation, for tests")

QUICK = DeliveryLimits(first_pause_seconds=0.02, longest_pause_seconds=0.05, poll_seconds=0.02)


async def add_person(engine: AsyncEngine, name: str = "flora") -> int:
    async with engine.begin() as connection:
        statement = insert(UserRow).values(
            username=name,
            display_name=name,
            password_hash="none",
            email_address=f"{name}@example.org",
            gravatar_alternative=name,
        )
        user_id = await connection.scalar(statement.returning(UserRow.id))
    assert user_id is not None
    return user_id


async def queue(engine: AsyncEngine, user_id: int, **changes: Any) -> None:
    values: dict[str, Any] = {
        "user_id": user_id,
        "recipient": "flora@example.org",
        "kind": MessageKind.TEST,
        "subject": "Monty needs attention!",
        "body": "Dry.\n",
    }
    async with engine.begin() as connection:
        await put_in(connection, SEAL, [NewMessage(**(values | changes))])


@asynccontextmanager
async def delivering(
    engine: AsyncEngine, access: MessageAccess, limits: DeliveryLimits = QUICK
) -> AsyncIterator[None]:
    task = asyncio.create_task(MessageDelivery(engine, SEAL, access.carriers(), limits=limits).run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def states(engine: AsyncEngine) -> list[tuple[str, str | None]]:
    async with engine.connect() as connection:
        rows = await list_messages(connection, most=100)
    return [(row["state"], row["failure"]) for row in reversed(rows)]


async def no_longer_waiting(engine: AsyncEngine) -> bool:
    return all(state != "waiting" for state, _ in await states(engine))


async def sealed_bodies(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(sealed_body) FROM messages")) or 0)


def letter(**changes: str) -> OutgoingMessage:
    values = {"message_id": "1", "recipient": "flora@example.org", "subject": "Hello", "body": "Hello.\n"}
    return OutgoingMessage(**(values | changes))
