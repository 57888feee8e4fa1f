"""Reading alerts with what they are about now, and with what became of the messages about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.alerts.inbox import deliveries, present_readings
from hortus.http.pages.alerts.lines import AlertLine, alert_lines
from hortus.http.pages.site import Site


async def read_lines(
    connection: AsyncConnection, site: Site, user_id: int, rows: Sequence[RowMapping], now: datetime
) -> list[AlertLine]:
    """Return these rows of the inbox as lines, in their order."""
    readings = await present_readings(connection, rows, now, site.services.parts.plant_freshness)
    return alert_lines(rows, readings, await deliveries(connection, user_id, rows))
