"""Two clients with one client id, each of which throws the other out (section 3.1.4), again and again."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.identity import Identity
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.occasional import Occasional

logger = logging.getLogger(__name__)

# A client that returns after this time is not throwing another one out all the time.
_FORGET_AFTER_SECONDS = 60.0
_MAX_CLIENTS = 4096


@dataclass(frozen=True, slots=True)
class _Series:
    count: int
    last_at: float


class Takeovers:
    """Counts how often each client id is taken over, and makes those wait whose turn is too short.

    A client that reconnects after its network failed takes its own dead connection over. That is normal, so the
    first takeovers are free.
    """

    def __init__(self, limits: EndpointLimits, counters: EndpointCounters) -> None:
        self._limits = limits
        self._counters = counters
        self._series: dict[tuple[Identity, str], _Series] = {}
        self._log = Occasional()

    def pause_seconds(self, identity: Identity, client_id: str, now: float) -> float:
        """Return how long a client that would take a connection over has to wait before."""
        series = self._series.get((identity, client_id))
        if series is None or now - series.last_at > _FORGET_AFTER_SECONDS:
            return 0.0
        beyond = series.count - self._limits.free_takeovers
        if beyond < 0:
            return 0.0
        # The exponent is capped; the limit is reached long before.
        return min(self._limits.max_takeover_pause_seconds, 0.25 * 2.0 ** min(beyond, 16))

    def record(self, identity: Identity, client_id: str, older: str, newer: str, now: float) -> bool:
        """Count a takeover: a connection from the address `older` by one from `newer`. Log it now and then.

        Returns whether it is one of so many that there must be two clients.
        """
        self._counters.connections_taken_over += 1
        key = (identity, client_id)
        series = self._series.pop(key, None)
        is_going_on = series is not None and now - series.last_at <= _FORGET_AFTER_SECONDS
        count = series.count + 1 if series is not None and is_going_on else 1
        if len(self._series) >= _MAX_CLIENTS:
            del self._series[next(iter(self._series))]
        self._series[key] = _Series(count, now)
        are_two = count > self._limits.free_takeovers
        if are_two and self._log.is_due(key, now):
            logger.warning(
                "Two clients of %s with the client id %r, at %s and %s, throw each other out (%d times now); "
                "give each a client id of its own.",
                *(identity.name, client_id, older, newer, count),
            )
        return are_two
