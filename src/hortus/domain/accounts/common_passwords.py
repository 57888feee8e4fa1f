"""Passwords that are guessed first: the 30,000 most common ones of known leaks (NIST SP 800-63B, 3.1.1.2)."""

from __future__ import annotations

from functools import cache


def is_common(password: str) -> bool:
    """Return whether this password, in any case, is among the most common ones."""
    return password.strip().lower() in _common()


@cache
def _common() -> frozenset[str]:
    # Deferred to the first new password: the lists take 80 ms to load, and 18 MB.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
