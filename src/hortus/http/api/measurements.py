"""Endpoints for measurements (http-api 4.8): paged lists of readings and aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator, Field
from sqlalchemy.engine import RowMapping

from hortus.domain.measurements.store import Order, Wanted, page_of_aggregates, page_of_readings
from hortus.domain.plausibility.marking import implausible_aggregates, implausible_readings
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import HIDDEN, next_page, problems
from hortus.http.conventions.paging import PageCursor, next_link
from hortus.http.conventions.parameters import IdInQuery, TimeInQuery, integer_text, require_order
from hortus.http.conventions.replies import JsonReply
from hortus.http.documents.measurements import (
    ListedAggregate,
    ListedReading,
    aggregate_object,
    reading_object,
)

router = APIRouter(tags=["Measurements"])

PAGE_SIZE = 50
MOST_ON_A_PAGE = 1000

Limit = Annotated[
    Annotated[int, BeforeValidator(integer_text), Field(ge=1, le=MOST_ON_A_PAGE)],
    Query(description="Maximum number of items per page."),
]


# A coroutine although it awaits nothing: dependencies that are plain functions each run in a thread.
async def wanted_measurements(
    configuration: IdInQuery = None,
    peripheral: IdInQuery = None,
    quantity_type: Annotated[IdInQuery, Query(alias="quantityType")] = None,
    start: Annotated[TimeInQuery, Query(alias="from")] = None,
    end: Annotated[TimeInQuery, Query(alias="to")] = None,
    order: Annotated[Order, Query(description="`desc` for newest first, `asc` for oldest first.")] = Order.DESC,
    cursor: Annotated[str | None, Query()] = None,
) -> Wanted:
    """Return the parsed query of a list of measurements. Raises Problem 400."""
    require_order(start, end)
    position = None if cursor is None else PageCursor.parse(cursor)
    return Wanted(
        configuration_id=configuration,
        peripheral_id=peripheral,
        quantity_type_id=quantity_type,
        start=start,
        end=end,
        order=order,
        after=(position.at, position.id) if position else None,
    )


WantedMeasurements = Annotated[Wanted, Depends(wanted_measurements)]


@router.get(
    "/kits/{kitSerial}/aggregate-measurements",
    responses=HIDDEN
    | problems(403)
    | next_page("Link", '</kits/k-3467-bcdf-ghjk/aggregate-measurements?cursor=…&peripheral=7>; rel="next"'),
    summary="List a kit's aggregates",
)
async def list_aggregates(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    wanted: WantedMeasurements,
    limit: Limit = PAGE_SIZE,
) -> JsonReply[list[ListedAggregate]]:
    """By default newest first and 50 per page. `from` and `to` refer to the start time of an aggregate."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        rows = await page_of_aggregates(connection, access.kit_id, wanted, limit + 1)
        marks = await implausible_aggregates(connection, rows[:limit])
    headers = _next(
        rows, "datetime_start", f"/kits/{access.kit['serial']}/aggregate-measurements", wanted, limit
    )
    page: list[ListedAggregate] = [
        {**aggregate_object(row), "implausible": mark} for row, mark in zip(rows[:limit], marks, strict=True)
    ]
    return JsonReply(page, headers=headers)


@router.get(
    "/kits/{kitSerial}/raw-measurements",
    responses=HIDDEN
    | problems(403)
    | next_page("Link", '</kits/k-3467-bcdf-ghjk/raw-measurements?cursor=…&peripheral=7>; rel="next"'),
    summary="List a kit's readings",
)
async def list_readings(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    wanted: WantedMeasurements,
    limit: Limit = PAGE_SIZE,
) -> JsonReply[list[ListedReading]]:
    """By default newest first and 50 per page. `from` is inclusive, `to` is exclusive."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        rows = await page_of_readings(connection, access.kit_id, wanted, limit + 1, services.clock())
        marks = await implausible_readings(connection, rows[:limit])
    headers = _next(rows, "datetime", f"/kits/{access.kit['serial']}/raw-measurements", wanted, limit)
    page: list[ListedReading] = [
        {**reading_object(row), "implausible": mark} for row, mark in zip(rows[:limit], marks, strict=True)
    ]
    return JsonReply(page, headers=headers)


def _next(rows: Sequence[RowMapping], at: str, path: str, wanted: Wanted, limit: int) -> dict[str, str]:
    """Return the header that links to the next page, if there is one. Default parameters are left out."""
    if len(rows) <= limit:
        return {}
    last = rows[limit - 1]
    return next_link(
        path,
        {
            "cursor": PageCursor(at=last[at], id=last["id"]),
            "configuration": wanted.configuration_id,
            "peripheral": wanted.peripheral_id,
            "quantityType": wanted.quantity_type_id,
            "from": wanted.start,
            "to": wanted.end,
            "order": None if wanted.order is Order.DESC else wanted.order,
            "limit": None if limit == PAGE_SIZE else limit,
        },
    )
