"""Rate limits for callers who have not identified themselves: token buckets, in bounded memory.

Each process counts separately. That is enough against guessing: N processes allow N times a few.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from hortus.http.conventions.problems import rate_limited

_REMEMBERED = 10_000
_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A token bucket: `at_once` requests, and one more each `refill_seconds`."""

    at_once: int
    refill_seconds: float


class RateLimit:
    """Counts per key. When there are too many keys, the least recently used is dropped first."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowance = allowance
        self._clock = clock
        # When each key will have its whole allowance again, in seconds of the clock.
        self._full_again_at: OrderedDict[str, float] = OrderedDict()

    def wait_seconds(self, key: str) -> float:
        """Return the seconds until something may be taken; 0 if that is now."""
        missing_seconds = self._full_again_at.get(_shortened(key), 0.0) - self._clock()
        return max(0.0, missing_seconds - (self._allowance.at_once - 1) * self._allowance.refill_seconds)

    def take(self, key: str) -> None:
        """Take one token. Raises Problem 429 if there is none."""
        wait_seconds = self.wait_seconds(key)
        if wait_seconds > 0:
            raise rate_limited(wait_seconds)
        key = _shortened(key)
        full_again_at = max(self._full_again_at.get(key, 0.0), self._clock())
        self._full_again_at[key] = full_again_at + self._allowance.refill_seconds
        self._full_again_at.move_to_end(key)
        if len(self._full_again_at) > _REMEMBERED:
            self._full_again_at.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Undo one `take`."""
        key = _shortened(key)
        if key in self._full_again_at:
            self._full_again_at[key] -= self._allowance.refill_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """The limits for callers who have not identified themselves, or are about to.

    They apply per network, and for log-ins also per network and user name (see `log_in_limits`). Successful
    log-ins do not count. `known_accounts` are answers that tell whether someone has an account. Test messages
    count per person: each makes this server contact another.
    """

    anonymous: Allowance = Allowance(at_once=600, refill_seconds=0.05)
    log_ins: Allowance = Allowance(at_once=30, refill_seconds=5.0)
    log_ins_per_user: Allowance = Allowance(at_once=10, refill_seconds=5.0)
    sign_ups: Allowance = Allowance(at_once=60, refill_seconds=60.0)
    known_accounts: Allowance = Allowance(at_once=5, refill_seconds=720.0)
    password_resets: Allowance = Allowance(at_once=5, refill_seconds=300.0)
    test_messages: Allowance = Allowance(at_once=5, refill_seconds=600.0)
    live_requests: Allowance = Allowance(at_once=200, refill_seconds=0.05)


def _shortened(key: str) -> str:
    return key[:_LONGEST_KEY]
