"""The freshness of a series, judged by how often its peripheral measures. Pure."""

from __future__ import annotations

from enum import StrEnum

UNKNOWN_INTERVAL_SECONDS = 300.0
"""For peripherals whose configuration does not define how often they measure."""

_LONGEST_INTERVAL_SECONDS = 7 * 86_400.0


class Freshness(StrEnum):
    """The freshness of a series, by the age of its last reading."""

    LIVE = "live"
    """Readings come as often as they should; one may be missing."""
    LATE = "late"
    """Some readings are missing."""
    STALE = "stale"
    """So many are missing that the peripheral, the kit or its connection is probably down."""
    NEVER = "never"
    """There is no reading yet."""


def measurement_interval_seconds(text: str | None) -> float:
    """Return the interval in a peripheral's configuration, or a default if it has none that is usable."""
    return configured_interval_seconds(text) or UNKNOWN_INTERVAL_SECONDS


def configured_interval_seconds(text: str | None) -> float | None:
    """Return the interval in a peripheral's configuration; None if it has none that is usable."""
    try:
        seconds = float(text) if text is not None else 0.0
    except ValueError:
        seconds = 0.0
    usable = 0.0 < seconds < float("inf")
    return min(seconds, _LONGEST_INTERVAL_SECONDS) if usable else None


def freshness(age_seconds: float | None, interval_seconds: float) -> Freshness:
    """Judge the age of the last reading (None: there is none). Allows 15 s for transport."""
    if age_seconds is None:
        return Freshness.NEVER
    if age_seconds <= 2 * interval_seconds + 15:
        return Freshness.LIVE
    return Freshness.LATE if age_seconds <= 10 * interval_seconds + 60 else Freshness.STALE
