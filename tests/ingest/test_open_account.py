"""OpenAccount: bounds, relief callbacks, and waiting until it is empty."""

from __future__ import annotations

import asyncio

from hortus.flow.ingest.open_account import OpenAccount


async def test_it_is_full_at_either_bound() -> None:
    account = OpenAccount(max_messages=2, max_bytes=100)
    account.add(10)
    assert not account.is_full
    account.add(10)
    assert account.is_full
    account.remove(2, 20)
    assert not account.is_full
    account.add(100)
    assert account.is_full
    assert (account.messages, account.payload_bytes) == (1, 100)


async def test_who_waits_is_told_once_when_there_is_room() -> None:
    account = OpenAccount(max_messages=2, max_bytes=100)
    told: list[str] = []
    account.when_relieved(lambda: told.append("at once"))
    for _ in range(3):
        account.add(1)
    account.when_relieved(lambda: told.append("later"))
    account.remove(1, 1)
    assert told == ["at once"]
    account.remove(1, 1)
    assert told == ["at once", "later"]
    account.remove(1, 1)
    assert told == ["at once", "later"]


async def test_who_is_told_may_fill_it_and_wait_again() -> None:
    account = OpenAccount(max_messages=1, max_bytes=100)
    told: list[int] = []

    def take() -> None:
        told.append(account.messages)
        account.add(1)
        account.when_relieved(take)

    account.add(1)
    account.when_relieved(take)
    account.remove(1, 1)
    account.remove(1, 1)
    assert told == [0, 0]


async def test_the_end_is_waited_for_no_longer_than_asked() -> None:
    account = OpenAccount(max_messages=1, max_bytes=1)
    assert await account.is_emptied(0)
    account.add(1)
    assert not await account.is_emptied(0)
    waiting = asyncio.create_task(account.is_emptied(90))
    await asyncio.sleep(0)
    account.remove(1, 1)
    assert await waiting
