"""Quantiles of Student's t distribution. Pure."""

from __future__ import annotations

import math
from functools import cache

_BISECTIONS = 60


@cache
def two_sided_t(confidence: float, degrees_of_freedom: int) -> float:
    """Return the t between whose negative and positive value lies this share of the distribution, 0 to below 1.

    With 0.8, that is the 0.9 quantile.
    """
    if not 0 <= confidence < 1 or degrees_of_freedom < 1:
        raise ValueError("Confidence must be from 0 to below 1, and there must be a degree of freedom.")
    low, high = 0.0, math.pi / 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _share_within(middle, degrees_of_freedom) < confidence:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees_of_freedom) * math.tan(low)


def _share_within(angle: float, degrees_of_freedom: int) -> float:
    """Return the share between −t and t for tan(angle) = t/√degrees.

    Source: Abramowitz & Stegun 1964, eq. 26.7.3 and 26.7.4.
    """
    is_odd = degrees_of_freedom % 2
    sine, cosine = math.sin(angle), math.cos(angle)
    term = sine * cosine if is_odd else sine
    total = 0.0
    for step in range(2 + is_odd, degrees_of_freedom + 1, 2):
        total += term
        term *= cosine**2 * (step - 1) / step
    return (angle + total) * 2 / math.pi if is_odd else total
