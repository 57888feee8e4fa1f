"""How often a series was to be measured in the past, by the configurations that were active then."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ARRAY, DateTime, Integer, String, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.series.charts import Span
from hortus.domain.series.freshness import configured_interval_seconds


async def longest_intervals(
    connection: AsyncConnection, kit_id: int, peripheral_names: Collection[str], span: Span
) -> dict[str, float]:
    """Return by name the longest interval, in seconds, that was valid within the span.

    Names without an interval in any of these configurations are left out: boards, for example, have none.

    Only the first activation of a configuration is recorded, so each is taken to be valid until the next one's,
    and the active one in any case.
    """
    parameters = {
        "kit_id": kit_id,
        "names": list(peripheral_names),
        "start": span.start,
        "end": span.end,
    }
    longest: dict[str, float] = {}
    for row in await connection.execute(_VALID_WITHIN, parameters):
        seconds = configured_interval_seconds(row.interval)
        if seconds is not None:
            longest[row.name] = max(longest.get(row.name, 0.0), seconds)
    return longest


_VALID_WITHIN = text(
    """
    SELECT p.name, p.configuration #>> '{intervals,measurementInterval}' AS interval
    FROM (
        SELECT id, active, deleted_at, first_activated_at AS valid_from,
               lead(first_activated_at) OVER (ORDER BY first_activated_at) AS valid_until
        FROM kit_configurations
        WHERE kit_id = :kit_id AND first_activated_at IS NOT NULL
    ) AS c
    JOIN peripherals p ON p.kit_configuration_id = c.id
    WHERE p.name = ANY(:names) AND c.deleted_at IS NULL
      AND (c.active OR (c.valid_from < :end AND (c.valid_until IS NULL OR c.valid_until > :start)))
    """
).bindparams(
    bindparam("kit_id", type_=Integer()),
    bindparam("names", type_=ARRAY(String)),
    bindparam("start", type_=DateTime(timezone=True)),
    bindparam("end", type_=DateTime(timezone=True)),
)
