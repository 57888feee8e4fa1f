"""The time zone that a request asks for: that of a kit, or one by its name."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hortus.base.time_zones import fault_of_time_zone, time_zone_or
from hortus.http.access.kit_access import KitAccess
from hortus.http.access.services import Services
from hortus.http.conventions.problems import Problem


def zone_asked_for(services: Services, access: KitAccess, local: str) -> ZoneInfo:
    """Return the zone of the parameter `local`. Raises Problem 422 if there is none of this name."""
    if local == "kit":
        return time_zone_or(access.kit["time_zone"], services.messages.time_zone)
    fault = fault_of_time_zone(local)
    if fault is not None:
        raise Problem(422, detail=f"local: {fault}.")
    return ZoneInfo(local)
