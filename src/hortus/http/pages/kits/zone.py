"""The time zone in which a kit's times are shown."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hortus.base.database.prepared import Row


def zone_of_kit(_kit: Row) -> ZoneInfo:
    """Return the kit's time zone. Kits have none of their own yet, so it is UTC."""
    return ZoneInfo("UTC")
