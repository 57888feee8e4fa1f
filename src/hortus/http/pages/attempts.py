"""Limits on log-in attempts per address and per user name, in bounded memory.

Each process counts separately. That is enough against guessing: N processes allow N times a few attempts.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

ATTEMPTS_PER_ADDRESS = 30
ATTEMPTS_PER_USER = 10
WINDOW_SECONDS = 300.0
_REMEMBERED = 10_000
_LONGEST_NAME = 64


@dataclass(slots=True)
class _Count:
    ends_at: float
    attempts: int = 0


class LoginAttempts:
    """Counts attempts in windows that start with the first attempt."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def begin(self, address: str, username: str) -> float:
        """Count an attempt. Return 0 if it is allowed, otherwise the number of seconds to wait."""
        now = self._clock()
        limits = (
            (("address", _network_of(address)), ATTEMPTS_PER_ADDRESS),
            (_user_key(username), ATTEMPTS_PER_USER),
        )
        waits = [
            count.ends_at - now for key, most in limits if (count := self._count(key, now)).attempts >= most
        ]
        if waits:
            return max(waits)
        for key, _ in limits:
            self._count(key, now).attempts += 1
        return 0.0

    def succeeded(self, username: str) -> None:
        """Reset this user's failures. The address keeps its count, or one valid account would reset it."""
        self._counts.pop(_user_key(username), None)

    def _count(self, key: tuple[str, str], now: float) -> _Count:
        count = self._counts.get(key)
        if count is None or count.ends_at <= now:
            count = self._counts[key] = _Count(now + WINDOW_SECONDS)
        self._counts.move_to_end(key)
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
        return count


def _user_key(username: str) -> tuple[str, str]:
    return ("user", username.lower()[:_LONGEST_NAME])


def _network_of(address: str) -> str:
    """Return the network of one subscriber: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
