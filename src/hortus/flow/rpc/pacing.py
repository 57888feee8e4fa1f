"""How many answers a kit may have (kit-mqtt 4.2): a leaky bucket for each kit, in bounded memory. Pure."""

from __future__ import annotations

from collections import OrderedDict

AT_ONCE = 30
REFILL_SECONDS = 2.0

LONGEST_DELAY_SECONDS = 15.0
"""After this a kit has given up; an answer would be taken for one to a later question with the same id."""

_REMEMBERED_KITS = 10_000


class Pacing:
    """Tells how long each answer has to be held back. Times are of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        # When each kit will have its whole allowance back.
        self._full_again_at: OrderedDict[str, float] = OrderedDict()

    def delay_seconds(self, serial: str, now: float) -> float | None:
        """Take one answer; return in how many seconds it may be given, None if that is too late to be of use.

        Never is a kit told to wait: the error for that ends its program (kit-mqtt 4.6).
        """
        full_again_at = max(self._full_again_at.get(serial, 0.0), now) + REFILL_SECONDS
        delay_seconds = max(0.0, full_again_at - now - AT_ONCE * REFILL_SECONDS)
        if delay_seconds > LONGEST_DELAY_SECONDS:
            return None
        self._full_again_at[serial] = full_again_at
        self._full_again_at.move_to_end(serial)
        if len(self._full_again_at) > _REMEMBERED_KITS:
            self._full_again_at.popitem(last=False)
        return delay_seconds
