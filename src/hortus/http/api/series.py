"""Endpoints for series: what a kit measures, and the points of its charts (docs/series.md)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, NotRequired

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from hortus.base.time_zones import MOST_ZONE_CHARACTERS
from hortus.base.times import format_time
from hortus.domain.series.catching_up import StillRollingUp, is_far_behind
from hortus.domain.series.chart_store import Points, chart
from hortus.domain.series.charts import EARLIEST, EPOCH, ChartSource, Span, finest_rolled_up
from hortus.domain.series.freshness import Freshness
from hortus.domain.series.listing import ListedSeries, list_series
from hortus.domain.series.rollups import HoursToRollUp
from hortus.domain.series.store import (
    Series,
    SeriesQuantity,
    ensure_series_of_kit,
    find_series,
    series_are_missing,
)
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.api.zones import zone_asked_for
from hortus.http.conventions.documentation import HIDDEN, problems
from hortus.http.conventions.parameters import Identifier, TimeInQuery, integer_text, require_order
from hortus.http.conventions.problems import not_found, unavailable
from hortus.http.conventions.replies import JsonReply, TimeText
from hortus.http.documents.implausible import ImplausibleObject, implausible_object
from hortus.http.server.database_access import database_failures_translated

router = APIRouter(tags=["Series"])

MOST_POINTS = 5000
_DEFAULT_POINTS = 500
_DEFAULT_SPAN = timedelta(hours=24)
_RETRY_SECONDS = 5

SeriesId = Annotated[Identifier, Path(alias="seriesId")]
PointsInQuery = Annotated[
    Annotated[int, BeforeValidator(integer_text), Field(ge=1, le=MOST_POINTS)],
    Query(description="Maximum number of points."),
]


class SeriesQuantityType(TypedDict):
    """The quantity and its unit; `symbol` is the unit as people write it."""

    id: int
    quantity: str
    unit: str
    symbol: str | None


class SeriesObject(TypedDict):
    """One quantity measured by a kit's peripheral of this name, across all configurations of the kit.

    `peripheralId` is that of the peripheral with this name in the active configuration. `lastTime` is the
    device time of the last plausible reading whose time is not in the future. `implausible` is a later reading
    that is not plausible, or null: while there is one, something is wrong with the sensor.
    """

    id: int
    peripheralName: str
    peripheralId: int | None
    inActiveConfiguration: bool
    quantityType: SeriesQuantityType
    lastValue: float | None
    lastTime: TimeText | None
    ageSeconds: float | None
    measurementIntervalSeconds: float
    freshness: Freshness
    implausible: ImplausibleObject | None


class SeriesColumns(TypedDict):
    """Arrays of equal length, ordered by `time` (milliseconds since the epoch; for a bucket, its start).

    Buckets without plausible readings are left out. For single readings, `mean` holds their values, and the
    other columns are null. `end` is only there for local days, whose lengths differ.
    """

    time: list[int]
    end: NotRequired[list[int]]
    mean: list[float]
    minimum: list[float] | None
    maximum: list[float] | None
    count: list[int] | None


class ImplausibleColumns(TypedDict):
    """The readings that no other figure includes: arrays of equal length, ordered by `time`.

    They have their values if the points are single readings, else their number by bucket (`time` is its start).
    """

    time: list[int]
    value: list[float] | None
    count: list[int] | None


_Span = TypedDict("_Span", {"from": TimeText, "to": TimeText})


class SeriesPoints(_Span, TypedDict):
    """The points of a chart. `bucketSeconds` is null if they are single readings.

    `from` and `to` are the range that the points cover. It consists of whole buckets, so it may be slightly
    wider than the range requested.
    """

    id: int
    peripheralName: str
    quantityType: SeriesQuantityType
    source: ChartSource
    bucketSeconds: int | None
    columns: SeriesColumns
    implausible: ImplausibleColumns


@router.get(
    "/kits/{kitSerial}/series",
    responses=HIDDEN | problems(403),
    summary="List a kit's series",
)
async def list_series_of_kit(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[list[SeriesObject]]:
    """Lists what the kit has measured or is configured to measure, with latest values and freshness.

    Answers 503 with `Retry-After` if many readings have to be rolled up first.
    """
    now = services.clock()
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        backlog = HoursToRollUp(kit_id=access.kit_id, start=EARLIEST, end=_this_hour(now))
        is_behind = await is_far_behind(connection, backlog)
    if is_behind:
        await _catch_up(services, backlog)
    async with services.reading() as connection:
        if await series_are_missing(connection, access.kit_id):
            async with services.long_change() as writing:
                await ensure_series_of_kit(writing, access.kit_id)
        listed = await list_series(connection, access.kit_id, now)
    return JsonReply([_series_object(series, now) for series in listed])


@router.get(
    "/kits/{kitSerial}/series/{seriesId}",
    responses=HIDDEN | problems(403),
    summary="Get the points of a chart",
)
async def chart_series(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    series_id: SeriesId,
    start: Annotated[TimeInQuery, Query(alias="from")] = None,
    end: Annotated[TimeInQuery, Query(alias="to")] = None,
    points: PointsInQuery = _DEFAULT_POINTS,
    local: Annotated[str | None, Query(max_length=MOST_ZONE_CHARACTERS)] = None,
) -> JsonReply[SeriesPoints]:
    """Returns single readings if they are few enough, otherwise statistics per bucket of equal width.

    `from` is inclusive, `to` is exclusive. `to` defaults to now, `from` to 24 hours before `to`. With `local`,
    which is `kit` or the name of a time zone such as `Europe/Amsterdam`, buckets of days are local days, which
    are not all of one length: `columns` then has their `end`. Answers 503 with `Retry-After` if many readings
    have to be rolled up first.
    """
    require_order(start, end)
    now = services.clock()
    end = end or max(now, start or now)
    span = Span(start or end - _DEFAULT_SPAN, end).within_reason(now)
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        zone = None if local is None else zone_asked_for(services, access, local)
        series = await find_series(connection, access.kit_id, series_id)
        if series is None:
            raise not_found()
        whole = finest_rolled_up(span, points, zone).covering(span)
        start = whole.widened(3600).start
        backlog = HoursToRollUp(kit_id=access.kit_id, start=start, end=min(whole.end, _this_hour(now)))
        is_behind = await is_far_behind(connection, backlog)
    if is_behind:
        await _catch_up(services, backlog)
    async with services.reading() as connection:
        found = await chart(connection, series, span, points, zone)
    return JsonReply(_points_object(series, found))


def _this_hour(now: datetime) -> datetime:
    """Return the start of the current hour, which is not rolled up yet: each reading touches it."""
    return now - (now - EPOCH) % timedelta(hours=1)


async def _catch_up(services: Services, backlog: HoursToRollUp) -> None:
    """Roll up the hours the answer needs. Raises Problem 503 if it takes too long, DatabaseNotAnswering."""
    try:
        with database_failures_translated():
            await services.rollups.catch_up(backlog)
    except StillRollingUp as error:
        raise unavailable(str(error), _RETRY_SECONDS) from error


def _series_object(series: ListedSeries, now: datetime) -> SeriesObject:
    return {
        "id": series.id,
        "peripheralName": series.peripheral_name,
        "peripheralId": series.active_peripheral_id,
        "inActiveConfiguration": series.active_peripheral_id is not None,
        "quantityType": _quantity_type_object(series.quantity_type),
        "lastValue": series.last_value,
        "lastTime": None if series.last_at is None else format_time(series.last_at),
        "ageSeconds": series.age_seconds(now),
        "measurementIntervalSeconds": series.interval_seconds,
        "freshness": series.freshness(now),
        "implausible": implausible_object(series.implausible),
    }


def _points_object(series: Series, points: Points) -> SeriesPoints:
    columns: SeriesColumns = {
        "time": points.time_ms,
        "mean": points.mean,
        "minimum": points.minimum,
        "maximum": points.maximum,
        "count": points.count,
    }
    if points.end_ms is not None:
        columns["end"] = points.end_ms
    return {
        "id": series.id,
        "peripheralName": series.peripheral_name,
        "quantityType": _quantity_type_object(series.quantity_type),
        "source": points.source,
        "bucketSeconds": points.width_seconds,
        "from": format_time(points.span.start),
        "to": format_time(points.span.end),
        "columns": columns,
        "implausible": {
            "time": points.implausible_time_ms,
            "value": points.implausible_value,
            "count": points.implausible_count,
        },
    }


def _quantity_type_object(quantity_type: SeriesQuantity) -> SeriesQuantityType:
    return {
        "id": quantity_type.id,
        "quantity": quantity_type.physical_quantity,
        "unit": quantity_type.physical_unit,
        "symbol": quantity_type.physical_unit_symbol,
    }
