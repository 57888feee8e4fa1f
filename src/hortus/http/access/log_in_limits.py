"""Slows guessing passwords down, without locking anybody out of their account.

Each wrong password costs a token of a bucket; a right one costs nothing. Without a token, an attempt waits for
the next one, and is refused only if that takes longer than a person waits. Strangers have buckets per network,
and per network and user name, so that nobody's guesses affect another network. A device that logged in before,
as its cookie says, has a bucket of its own, so that it does not share one with guesses from the same network.
Guesses from many networks for one name make strangers wait a little, and nothing more.

Each process counts separately, in bounded memory.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hortus.domain.accounts.usernames import canonical_username
from hortus.http.access.rate_limits import Allowance, RateLimit
from hortus.http.conventions.problems import rate_limited

MOST_WAIT_SECONDS = 5.0
"""With the time that the database may take, this is what a person waits for at most."""

_MOST_WAITING = 500
_UNDER_ATTACK_SECONDS = 2.0

# Of one name, over all networks: more wrong passwords than people type.
_PER_NAME = Allowance(at_once=30, refill_seconds=10.0)


@dataclass(slots=True)
class Attempt:
    """An attempt to log in. It costs a token only if it `was_wrong`: a failing database is nobody's guess."""

    was_wrong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesser:
    """Where an attempt comes from: `known_device` is set for one that logged in with this name before."""

    network: str
    username: str
    known_device: str | None = None


class PacedLimit:
    """Token buckets whose callers wait for a token, and get back those that they did not need."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = RateLimit(allowance, clock)
        self._running: Counter[str] = Counter()
        self._ended: dict[str, asyncio.Event] = {}
        self._waiting = 0

    @asynccontextmanager
    async def attempt(self, key: str, attempt: Attempt, deadline: float) -> AsyncIterator[None]:
        """Take a token for as long as the attempt lasts, and keep it if it was wrong.

        Raises Problem 429 if none is left until `deadline`, a time of the event loop's clock.
        """
        await self._take(key, deadline)
        self._running[key] += 1
        try:
            yield
        finally:
            if not attempt.was_wrong:
                self._limit.give_back(key)
            self._running -= Counter([key])  # drops the key at zero
            if (ended := self._ended.pop(key, None)) is not None:
                ended.set()

    async def _take(self, key: str, deadline: float) -> None:
        while (wait_seconds := self._limit.wait_seconds(key)) > 0:
            left_seconds = deadline - asyncio.get_running_loop().time()
            # An attempt that still runs may give its token back.
            in_time = wait_seconds <= left_seconds or (self._running[key] > 0 and left_seconds > 0)
            if not in_time or self._waiting >= _MOST_WAITING:
                break
            await self._wait(key, min(wait_seconds, left_seconds))
        self._limit.take(key)

    async def _wait(self, key: str, seconds: float) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._ended.setdefault(key, asyncio.Event()).wait()
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1


class LogInLimits:
    """The limits on wrong passwords of one API or of the pages."""

    def __init__(self, per_network: Allowance, per_user: Allowance) -> None:
        self._networks = PacedLimit(per_network)
        self._strangers = PacedLimit(per_user)
        self._devices = PacedLimit(per_user)
        self._names = RateLimit(_PER_NAME)
        self._held_back = 0

    @asynccontextmanager
    async def attempt(self, guesser: Guesser) -> AsyncIterator[Attempt]:
        """Wait until this attempt may be made. Raises Problem 429 if that takes too long."""
        attempt = Attempt()
        name = canonical_username(guesser.username)
        deadline = asyncio.get_running_loop().time() + MOST_WAIT_SECONDS
        buckets = [(self._networks, guesser.network), (self._strangers, f"{guesser.network} {name}")]
        if guesser.known_device is not None:
            buckets = [(self._devices, guesser.known_device)]
        else:
            await self._hold_back(name)
        async with AsyncExitStack() as taken:
            for limit, key in buckets:
                await taken.enter_async_context(limit.attempt(key, attempt, deadline))
            yield attempt
        if attempt.was_wrong and guesser.known_device is None and self._names.wait_seconds(name) == 0:
            self._names.take(name)

    async def _hold_back(self, name: str) -> None:
        """Delay a stranger while others, elsewhere, guess the password of this user."""
        if self._names.wait_seconds(name) == 0:
            return
        if self._held_back >= _MOST_WAITING:
            raise rate_limited(_UNDER_ATTACK_SECONDS)
        self._held_back += 1
        try:
            await asyncio.sleep(_UNDER_ATTACK_SECONDS)
        finally:
            self._held_back -= 1
