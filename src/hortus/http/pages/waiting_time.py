"""The sentence for whoever tries too often, and how long they wait."""

from __future__ import annotations

import math

from hortus.base.language.translation import ngettext

_SAID_IN_SECONDS = 90


def too_many_attempts(wait_seconds: float) -> str:
    """Return how long to wait: in seconds if that is short, else in minutes."""
    if wait_seconds <= _SAID_IN_SECONDS:
        return ngettext(
            "Too many attempts. Try again in %(n)s second.",
            "Too many attempts. Try again in %(n)s seconds.",
            math.ceil(wait_seconds),
        )
    return ngettext(
        "Too many attempts. Try again in %(n)s minute.",
        "Too many attempts. Try again in %(n)s minutes.",
        math.ceil(wait_seconds / 60),
    )


def retry_after(wait_seconds: float) -> dict[str, str]:
    """Return the header that says the same to programs."""
    return {"Retry-After": str(math.ceil(wait_seconds))}
