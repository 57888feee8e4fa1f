"""Endpoints for quantity types and peripheral definitions (http-api 4.3).

The front-end loads both lists with every page, so each fits on one page, and a browser that has a current copy
gets 304 (`ETag`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from typing_extensions import TypedDict

from hortus.domain.definitions.queries import list_definitions, list_quantity_types
from hortus.http.access.services import UsedServices
from hortus.http.conventions.documentation import next_page
from hortus.http.conventions.paging import x_next
from hortus.http.conventions.parameters import Boolean, IdInQuery
from hortus.http.conventions.replies import JsonReply

router = APIRouter(tags=["Definitions"])

PAGE_SIZE = 500

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Not modified: the copy named in `If-None-Match` is current."}
}


class QuantityType(TypedDict):
    """A physical quantity and its unit."""

    id: int
    physicalQuantity: str
    physicalUnit: str
    physicalUnitSymbol: str | None


class PeripheralDefinition(TypedDict):
    """A kind of peripheral. Its configuration and its commands are described by JSON Schemas."""

    id: int
    name: str
    description: str | None
    brand: str | None
    model: str | None
    symbolLocation: str
    symbol: str
    configurationSchema: Any
    commandSchema: Any | None
    expectedQuantityTypes: NotRequired[list[int]]


@router.get(
    "/quantity-types",
    response_model=list[QuantityType],
    responses=next_page("X-Next", "/quantity-types?after=500") | _NOT_MODIFIED,
    summary="List quantity types",
)
async def show_quantity_types(request: Request, services: UsedServices, after: IdInQuery = None) -> Response:
    """Lists every physical quantity that peripherals can measure, ordered by id."""
    async with services.reading() as connection:
        rows = await list_quantity_types(connection, after, PAGE_SIZE + 1)
    page: list[QuantityType] = [
        {
            "id": row["id"],
            "physicalQuantity": row["physical_quantity"],
            "physicalUnit": row["physical_unit"],
            "physicalUnitSymbol": row["physical_unit_symbol"],
        }
        for row in rows[:PAGE_SIZE]
    ]
    more = x_next("/quantity-types", {"after": page[-1]["id"]}) if len(rows) > PAGE_SIZE else {}
    return _unless_known(request, page, more)


@router.get(
    "/peripheral-definitions",
    response_model=list[PeripheralDefinition],
    responses=next_page("X-Next", "/peripheral-definitions?after=500&withExpectedQuantityTypes=true")
    | _NOT_MODIFIED,
    summary="List peripheral definitions",
)
async def show_definitions(
    request: Request,
    services: UsedServices,
    after: IdInQuery = None,
    with_expected: Annotated[Boolean, Query(alias="withExpectedQuantityTypes")] = False,
) -> Response:
    """Lists every supported kind of peripheral, ordered by id.

    `expectedQuantityTypes` is included only on request.
    """
    async with services.reading() as connection:
        rows, expected = await list_definitions(connection, after, PAGE_SIZE + 1)
    page: list[PeripheralDefinition] = []
    for row in rows[:PAGE_SIZE]:
        definition: PeripheralDefinition = {
            "id": row["id"],
            "name": row["name"],
            "description": row["description"],
            "brand": row["brand"],
            "model": row["model"],
            "symbolLocation": row["symbol_location"],
            "symbol": row["symbol"],
            "configurationSchema": row["configuration_schema"],
            "commandSchema": row["command_schema"],
        }
        if with_expected:
            definition["expectedQuantityTypes"] = expected.get(row["id"], [])
        page.append(definition)
    parameters = {"after": page[-1]["id"] if page else None, "withExpectedQuantityTypes": with_expected}
    more = x_next("/peripheral-definitions", parameters) if len(rows) > PAGE_SIZE else {}
    return _unless_known(request, page, more)


def _unless_known(request: Request, page: Sequence[object], headers: dict[str, str]) -> Response:
    digest = hashlib.sha256(orjson.dumps([page, headers])).hexdigest()[:32]
    headers = {**headers, "ETag": f'W/"{digest}"', "Cache-Control": "public, no-cache"}
    if digest in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return JsonReply(page, headers=headers)
