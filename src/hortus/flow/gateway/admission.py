"""Admission control: which readings to accept from boards, which cannot authenticate themselves (G14)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from hortus.flow.gateway.limits import AdmissionRules, Rate
from hortus.flow.gateway.readings import RefusedRequest

_REMEMBERED = 20_000


class BoardAdmission:
    """Decides by address, board and rate. `pinned` maps boards to the addresses they were first heard from."""

    def __init__(
        self, rules: AdmissionRules, pinned: dict[int, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rules = rules
        self._pinned = pinned
        self._of_address = _Buckets(rules.per_address, clock)
        self._of_sensor = _Buckets(rules.per_sensor, clock)

    def admit_address(self, address: str) -> None:
        """Check the source address of a request and its rate. Raises RefusedRequest 403 or 429."""
        parsed = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        if not any(parsed in network for network in self._rules.networks):
            raise RefusedRequest(403, "address-not-allowed", "This gateway takes no readings from your address")
        if not self._of_address.take(address):
            raise RefusedRequest(429, "address-too-fast", "Too many requests from your address")

    def admit_sensor(self, sensor_id: int) -> None:
        """Check the rate at which a board sends. Raises RefusedRequest 429."""
        if not self._of_sensor.take(str(sensor_id)):
            raise RefusedRequest(429, "sensor-too-fast", "Too many readings of this sensor")

    def why_set_aside(self, sensor_id: int, address: str) -> tuple[str, str] | None:
        """Return reason and detail if a reading must be set aside instead of forwarded; otherwise None."""
        known = self._rules.known_sensors
        if known is not None and sensor_id not in known:
            return "unknown-sensor", f"Sensor {sensor_id} is not in HORTUS_GATEWAY_KNOWN_SENSORS."
        if self._rules.pin_addresses:
            pinned = self._pinned.setdefault(sensor_id, address)
            if pinned != address:
                return "other-address", f"Sensor {sensor_id} was first heard from {pinned}, now from {address}."
        return None


class _Buckets:
    """Token buckets by key, in bounded memory: the least recently used are evicted first."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._full_again_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> bool:
        """Take a token if there is one; return whether there was."""
        now = self._clock()
        full_again_at = max(self._full_again_at.get(key, now), now)
        if full_again_at - now > (self._rate.at_once - 1) * self._rate.refill_seconds:
            return False
        self._full_again_at[key] = full_again_at + self._rate.refill_seconds
        self._full_again_at.move_to_end(key)
        if len(self._full_again_at) > _REMEMBERED:
            self._full_again_at.popitem(last=False)
        return True
