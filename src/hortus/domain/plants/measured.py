"""The latest readings of linked kits and series, by plant and quantity.

Several series may measure the same quantity of a plant. A series that is linked individually takes precedence
over those of a whole kit, then a fresh one over a silent one, then names decide, so that a plant is not judged
by a different thermometer with each reading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plants.links import PlantLink
from hortus.domain.plants.state import Reading
from hortus.domain.plausibility.fragments import VERDICT, is_supported, limits_where
from hortus.domain.plausibility.limits import SeriesOfPeripheral, limits_of_peripherals
from hortus.domain.plausibility.rules import (
    UNLIMITED,
    ImplausibleReading,
    Limits,
    Verdict,
    implausible_reading,
)

_RECENTLY = timedelta(hours=3)
"""How far back single readings are searched; older ones have been rolled up by then (docs/series.md)."""

_OF_SERIES = """
m.kit_id = s.kit_id AND m.datetime > :since AND m.datetime <= :now
AND m.peripheral_id = s.peripheral_id AND m.quantity_type_id = s.quantity_type_id
"""

# For a silent series, all recent readings of its kit are searched in vain, so the period is short. Readings of
# the future are skipped, so that they cannot become the latest (P8). Only if the newest reading (`n`) is not
# plausible by itself, the last one that is (`r`) is sought before it: among those that are beyond doubt, and by
# hour among those that other readings of the hour support.
_LATEST = text(
    f"""
    WITH {limits_where("p.kit_id = ANY(:kit_ids)")}
    SELECT s.kit_id, s.peripheral_id, s.name, s.quantity_type_id,
        coalesce(r.value, h.last_value) AS value, coalesce(r.datetime, h.last_at) AS datetime,
        coalesce(n.value, w.last_implausible_value) AS newest_value,
        coalesce(n.datetime, w.last_implausible_at) AS newest_at,
        coalesce(n.datetime, w.last_implausible_at) > coalesce(r.datetime, h.last_at, '-infinity')
            AS is_implausible,
        q.physical_quantity AS quantity, coalesce(q.physical_unit_symbol, q.physical_unit) AS unit
    FROM (
        SELECT p.kit_id, p.id AS peripheral_id, p.name, e.quantity_type_id
        FROM peripherals p
        JOIN kit_configurations c ON c.id = p.kit_configuration_id AND c.active
        JOIN peripheral_definition_expected_quantity_types e
            ON e.peripheral_definition_id = p.peripheral_definition_id
        WHERE p.kit_id = ANY(:kit_ids)
    ) s
    JOIN quantity_types q ON q.id = s.quantity_type_id
    LEFT JOIN limits l ON l.peripheral_id = s.peripheral_id AND l.quantity_type_id = s.quantity_type_id
    LEFT JOIN LATERAL (
        SELECT m.value, m.datetime, {VERDICT} AS verdict FROM raw_measurements m
        WHERE {_OF_SERIES} ORDER BY m.datetime DESC, m.id DESC LIMIT 1
    ) n ON true
    LEFT JOIN LATERAL (
        SELECT n.value, n.datetime WHERE n.verdict = {Verdict.PLAUSIBLE:d}
        UNION ALL (
            SELECT m.value, m.datetime FROM raw_measurements m
            WHERE n.verdict <> {Verdict.PLAUSIBLE:d} AND {_OF_SERIES} AND {VERDICT} = {Verdict.PLAUSIBLE:d}
            ORDER BY m.datetime DESC, m.id DESC LIMIT 1
        ) UNION ALL (
            SELECT d.value, d.datetime
            FROM generate_series(date_bin('1 hour', :since, 'epoch'), :now, '1 hour') AS hour
            CROSS JOIN LATERAL (
                SELECT m.value, m.datetime FROM raw_measurements m
                WHERE {_OF_SERIES} AND m.value = l.lone_error_value
                    AND m.datetime >= hour AND m.datetime < hour + interval '1 hour'
                ORDER BY m.datetime DESC, m.id DESC LIMIT 1
            ) d
            WHERE n.verdict <> {Verdict.PLAUSIBLE:d} AND l.lone_error_value IS NOT NULL
                AND {is_supported("l", "hour")}
        )
        ORDER BY datetime DESC LIMIT 1
    ) r ON true
    LEFT JOIN LATERAL (
        SELECT last_value, last_at FROM series_hours
        WHERE r.value IS NULL
            AND peripheral_id = s.peripheral_id AND quantity_type_id = s.quantity_type_id
            AND hour <= :now AND last_at <= :now
        ORDER BY hour DESC, last_at DESC LIMIT 1
    ) h ON true
    LEFT JOIN LATERAL (
        SELECT last_implausible_value, last_implausible_at FROM series_hours
        WHERE n.value IS NULL
            AND peripheral_id = s.peripheral_id AND quantity_type_id = s.quantity_type_id
            AND hour >= coalesce(date_bin('1 hour', h.last_at, 'epoch'), '-infinity')
            AND hour <= :now AND last_implausible_at <= :now
        ORDER BY hour DESC LIMIT 1
    ) w ON true
    ORDER BY s.kit_id, s.name, s.quantity_type_id
    """  # noqa: S608  (our own constants)
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "now")))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSeries:
    """A series that measures a quantity of a plant, and its latest plausible reading, however old.

    `implausible` is a later reading that is not plausible: the sensor is faulty.
    """

    kit_id: int
    serial: str
    peripheral_name: str
    quantity_type_id: int
    reading: Reading | None
    implausible: ImplausibleReading | None = None


async def measured_by(
    connection: AsyncConnection, links: Iterable[PlantLink], *, now: datetime, freshness: timedelta
) -> dict[int, dict[int, MeasuredSeries]]:
    """Return, by plant and quantity type, the series that measures it through the plant's current links."""
    current = [link for link in links if link.until is None]
    of_kits = await latest_of_kits(connection, {link.source.kit_id for link in current}, now)
    candidates: dict[tuple[int, int], list[tuple[bool, MeasuredSeries]]] = {}
    for link in current:
        for each in _series_of_link(link, of_kits.get(link.source.kit_id, ())):
            whole_kit = link.source.quantity_type_id is None
            candidates.setdefault((link.plant_id, each.quantity_type_id), []).append((whole_kit, each))

    def rank(candidate: tuple[bool, MeasuredSeries]) -> tuple[bool, bool, bool, str, str]:
        whole_kit, each = candidate
        is_stale = each.reading is None or now - each.reading.at > freshness
        # Of several without a reading that counts, a faulty one: there is something to say about it.
        is_silent = is_stale and each.implausible is None
        return whole_kit, is_stale, is_silent, each.serial, each.peripheral_name

    chosen: dict[int, dict[int, MeasuredSeries]] = {}
    for (plant_id, quantity_type_id), series in candidates.items():
        chosen.setdefault(plant_id, {})[quantity_type_id] = min(series, key=rank)[1]
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestOfSeries:
    """The latest plausible reading of a series in a kit's active configuration; None before the first one.

    `implausible` is a later reading that is not plausible.
    """

    peripheral_name: str
    quantity_type_id: int
    reading: Reading | None
    implausible: ImplausibleReading | None = None

    @property
    def newest_value(self) -> float | None:
        """The value that was measured or sent last, whether it is plausible or not."""
        if self.implausible is not None:
            return self.implausible.value
        return None if self.reading is None else self.reading.value


async def latest_of_kits(
    connection: AsyncConnection, kit_ids: Collection[int], now: datetime
) -> dict[int, list[LatestOfSeries]]:
    """Return, by kit, the latest reading of each series of its active configuration, ordered by name."""
    found: dict[int, list[LatestOfSeries]] = {}
    if not kit_ids:
        return found
    parameters = {"kit_ids": sorted(kit_ids), "since": now - _RECENTLY, "now": now}
    rows = (await connection.execute(_LATEST, parameters)).mappings().all()
    in_trouble = {row["peripheral_id"] for row in rows if row["is_implausible"]}
    limits = await limits_of_peripherals(connection, in_trouble) if in_trouble else {}
    for row in rows:
        series = LatestOfSeries(
            peripheral_name=row["name"],
            quantity_type_id=row["quantity_type_id"],
            reading=None if row["datetime"] is None else Reading(value=row["value"], at=row["datetime"]),
            implausible=_implausible(row, limits) if row["is_implausible"] else None,
        )
        found.setdefault(row["kit_id"], []).append(series)
    return found


def _implausible(row: RowMapping, limits: Mapping[SeriesOfPeripheral, Limits]) -> ImplausibleReading:
    return implausible_reading(
        limits.get((row["peripheral_id"], row["quantity_type_id"]), UNLIMITED),
        value=row["newest_value"],
        at=row["newest_at"],
        quantity=row["quantity"],
        unit=row["unit"],
    )


def _series_of_link(link: PlantLink, of_kit: Sequence[LatestOfSeries]) -> list[MeasuredSeries]:
    """Return the series that a link covers. An individually linked series is included even if it is silent."""
    source = link.source
    if source.peripheral_name is None or source.quantity_type_id is None:
        wanted = list(of_kit)
    else:
        wanted = [
            each
            for each in of_kit
            if (each.peripheral_name, each.quantity_type_id)
            == (source.peripheral_name, source.quantity_type_id)
        ]
        wanted = wanted or [
            LatestOfSeries(
                peripheral_name=source.peripheral_name,
                quantity_type_id=source.quantity_type_id,
                reading=None,
            )
        ]
    return [
        MeasuredSeries(
            kit_id=source.kit_id,
            serial=link.serial,
            peripheral_name=each.peripheral_name,
            quantity_type_id=each.quantity_type_id,
            reading=each.reading,
            implausible=each.implausible,
        )
        for each in wanted
    ]
