"""Rate limit of the answers to each kit (kit-mqtt 4.2): a leaky bucket per kit, in bounded memory. Pure."""

from __future__ import annotations

from collections import OrderedDict

AT_ONCE = 30
REFILL_SECONDS = 2.0

LONGEST_DELAY_SECONDS = 15.0
"""The kit's timeout; a later answer would be mistaken for that of a later question with the same id."""

_REMEMBERED_KITS = 10_000


class Pacing:
    """Computes how long each answer has to be delayed. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        # The time at which each kit will have its full allowance again.
        self._full_again_at: OrderedDict[str, float] = OrderedDict()

    def delay_seconds(self, serial: str, now: float) -> float | None:
        """Count one answer; return its delay in seconds, or None if it would come too late to be of use.

        A kit is never sent the rate-limit error: it crashes the kit's program (kit-mqtt 4.6).
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
