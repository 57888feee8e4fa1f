"""Count, average, minimum and maximum of the readings in one window."""

from __future__ import annotations


class Aggregate:
    """Collects the readings of one quantity until the window closes."""

    __slots__ = ("count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start a new window."""
        self.count = 0
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")

    def add(self, value: float) -> None:
        """Add a reading to the window."""
        self.count += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)

    @property
    def average(self) -> float:
        """The mean of the window, which must not be empty."""
        # Rounding in the division must not put the mean of equal values outside their range.
        return min(self.maximum, max(self.minimum, self.total / self.count))
