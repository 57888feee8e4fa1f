"""Sizes in bytes as people read them."""

from __future__ import annotations

from hortus.http.pages.figures import fixed

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(value: int) -> str:
    """Return a number of bytes in the largest unit of which there is one, by powers of 1000."""
    amount, unit = float(value), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    decimals = 0 if unit == 0 or amount >= 10 else 1
    return f"{fixed(amount, decimals)}\u00a0{_UNITS[unit]}"
