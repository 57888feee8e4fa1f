"""Marking listed readings and aggregates that are implausible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, DateTime, Double, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.domain.plausibility.fragments import is_supported
from hortus.domain.plausibility.limits import SeriesOfPeripheral, limits_of_peripherals
from hortus.domain.plausibility.rules import UNLIMITED, Limits, Verdict, is_implausible_aggregate

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HourOfSeries = tuple[int, int, datetime]


async def implausible_readings(connection: AsyncConnection, rows: Sequence[Mapping[Any, Any]]) -> list[bool]:
    """Return for each of these rows of raw_measurements whether it is implausible."""
    limits = await _limits(connection, rows)
    verdicts = [limits.get(_series(row), UNLIMITED).verdict(row["value"]) for row in rows]
    doubtful = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is Verdict.DOUBTFUL]
    supported = await _supported(connection, doubtful, limits) if doubtful else set()
    return [
        verdict is Verdict.IMPLAUSIBLE or (verdict is Verdict.DOUBTFUL and _hour(row) not in supported)
        for row, verdict in zip(rows, verdicts, strict=True)
    ]


async def implausible_aggregates(connection: AsyncConnection, rows: Sequence[Mapping[Any, Any]]) -> list[bool]:
    """Return for each of these rows of aggregate_measurements whether it is implausible."""
    limits = await _limits(connection, rows)
    return [is_implausible_aggregate(limits.get(_series(row), UNLIMITED), _figures(row)) for row in rows]


def _figures(row: Mapping[Any, Any]) -> dict[str, float]:
    # 1e308 comes back as a whole number of 309 digits, which is not quite the double that was sent.
    return {name: float(value) for name, value in row["values"].items()}


async def _limits(
    connection: AsyncConnection, rows: Sequence[Mapping[Any, Any]]
) -> dict[SeriesOfPeripheral, Limits]:
    return await limits_of_peripherals(connection, {row["peripheral_id"] for row in rows}) if rows else {}


async def _supported(
    connection: AsyncConnection,
    doubtful: Sequence[Mapping[Any, Any]],
    limits: Mapping[SeriesOfPeripheral, Limits],
) -> set[_HourOfSeries]:
    """Return the hours of these readings in which their series has measured its lone error value."""
    hours = {_hour(row): row["kit_id"] for row in doubtful}
    of_series = [limits[peripheral_id, quantity_type_id] for peripheral_id, quantity_type_id, _ in hours]
    parameters = {
        "kit_ids": list(hours.values()),
        "peripheral_ids": [peripheral_id for peripheral_id, _, _ in hours],
        "quantity_type_ids": [quantity_type_id for _, quantity_type_id, _ in hours],
        "hours": [hour for _, _, hour in hours],
        "values": [each.lone_error_value for each in of_series],
        "within": [each.lone_error_within for each in of_series],
    }
    rows = await connection.execute(_SUPPORTED, parameters)
    return {(row.peripheral_id, row.quantity_type_id, row.hour) for row in rows}


def _series(row: Mapping[Any, Any]) -> SeriesOfPeripheral:
    return row["peripheral_id"], row["quantity_type_id"]


def _hour(row: Mapping[Any, Any]) -> _HourOfSeries:
    at = row["datetime"]
    return row["peripheral_id"], row["quantity_type_id"], at - (at - _EPOCH) % timedelta(hours=1)


_SUPPORTED = text(
    f"""
    SELECT d.peripheral_id, d.quantity_type_id, d.hour
    FROM unnest(:kit_ids, :peripheral_ids, :quantity_type_ids, :hours, :values, :within)
         AS d(kit_id, peripheral_id, quantity_type_id, hour, lone_error_value, lone_error_within)
    WHERE {is_supported("d", "d.hour")}
    """  # noqa: S608  (our own constants)
).bindparams(
    *(bindparam(name, type_=ARRAY(Integer)) for name in ("kit_ids", "peripheral_ids", "quantity_type_ids")),
    bindparam("hours", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=ARRAY(Double)) for name in ("values", "within")),
)
