"""Failed log-ins per address: each further one is answered later."""

from __future__ import annotations

from hortus.protocol.mqtt.endpoint.limits import EndpointLimits

# Enough for every address of a site; an attacker with more addresses only pushes out its own.
_MAX_ADDRESSES = 4096
_FORGET_AFTER_SECONDS = 600.0


class FailedLogins:
    """Counts failures per address. Right passwords wait never: kits behind one router share an address."""

    def __init__(self, limits: EndpointLimits) -> None:
        self._limits = limits
        self._failures: dict[str, tuple[int, float]] = {}

    def delay_after_failure(self, address: str, now: float) -> float:
        """Count a failure; return how many seconds its answer is to wait."""
        count, last = self._failures.pop(address, (0, now))
        count = 1 if now - last > _FORGET_AFTER_SECONDS else count + 1
        if len(self._failures) >= _MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = (count, now)
        beyond = count - self._limits.free_failed_logins
        if beyond <= 0:
            return 0.0
        # The exponent is held small; the limit is reached long before.
        return min(self._limits.max_failed_login_delay_seconds, 0.25 * 2.0 ** min(beyond, 16))
