"""Endpoints about measurements (contract, 4.8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from hortus.api.caller import CurrentCaller
from hortus.api.documentation import HIDDEN, next_page, problems
from hortus.api.kit_access import access_to_kit
from hortus.api.objects import ApiObject
from hortus.api.paging import Cursor, next_link
from hortus.api.parameters import IdInQuery
from hortus.api.parts import UsedServices
from hortus.api.permissions import Permission
from hortus.api.replies import JsonReply, format_time
from hortus.kits.api import KitSerial
from hortus.measurements.store import AggregateFilter, newest_aggregates

router = APIRouter(tags=["Measurements"])

PAGE_SIZE = 50


class AggregateMeasurement(ApiObject):
    """Figures that a kit computed over a time: `count`, `average`, `minimum`, `maximum`, maybe others."""

    id: UUID
    peripheral_id: int
    kit_id: int
    kit_configuration_id: int
    quantity_type_id: int
    datetime_start: datetime
    datetime_end: datetime
    values: dict[str, float]


@router.get(
    "/kits/{kitSerial}/aggregate-measurements",
    response_model=list[AggregateMeasurement],
    responses=HIDDEN
    | problems(403)
    | next_page("Link", '</kits/k-3467-bcdf-ghjk/aggregate-measurements?cursor=…&peripheral=7>; rel="next"'),
    summary="A kit's aggregates",
)
async def list_aggregates(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    configuration: IdInQuery = None,
    peripheral: IdInQuery = None,
    quantity_type: Annotated[IdInQuery, Query(alias="quantityType")] = None,
    cursor: Annotated[str | None, Query()] = None,
) -> Response:
    """Newest first, 50 at a time."""
    position = None if cursor is None else Cursor.parse(cursor)
    wanted = AggregateFilter(
        configuration_id=configuration, peripheral_id=peripheral, quantity_type_id=quantity_type
    )
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        before = (position.at, position.id) if position else None
        rows = await newest_aggregates(connection, access.kit_id, wanted, before, PAGE_SIZE + 1)
    page = rows[:PAGE_SIZE]
    headers = {}
    if len(rows) > PAGE_SIZE:
        last = page[-1]
        headers = next_link(
            f"/kits/{access.kit['serial']}/aggregate-measurements",
            {
                "cursor": Cursor(at=last["datetime_start"], id=last["id"]),
                "configuration": configuration,
                "peripheral": peripheral,
                "quantityType": quantity_type,
            },
        )
    return JsonReply([aggregate_object(row) for row in page], headers=headers)


def aggregate_object(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return an aggregate as the contract writes it (4.1), from its row."""
    return {
        "id": str(row["id"]),
        "peripheralId": row["peripheral_id"],
        "kitId": row["kit_id"],
        "kitConfigurationId": row["kit_configuration_id"],
        "quantityTypeId": row["quantity_type_id"],
        "datetimeStart": format_time(row["datetime_start"]),
        "datetimeEnd": format_time(row["datetime_end"]),
        # The database may have kept a whole number without its `.0`.
        "values": {name: float(value) for name, value in row["values"].items()},
    }
