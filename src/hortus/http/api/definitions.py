"""Endpoints about quantity types and peripheral definitions (http-api 4.3).

The front-end loads both lists with every page, so each is one page, and a browser that has it already is told
so (`ETag`).
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

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "As the `If-None-Match` says."}}


class QuantityType(TypedDict):
    """A physical quantity in a unit."""

    id: int
    physicalQuantity: str
    physicalUnit: str
    physicalUnitSymbol: str | None


class PeripheralDefinition(TypedDict):
    """A kind of peripheral. The schemas are JSON Schemas of its configuration and its commands."""

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
    summary="What can be measured",
)
async def show_quantity_types(request: Request, services: UsedServices, after: IdInQuery = None) -> Response:
    """In the order of their ids."""
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
    summary="Which peripherals there are",
)
async def show_definitions(
    request: Request,
    services: UsedServices,
    after: IdInQuery = None,
    with_expected: Annotated[Boolean, Query(alias="withExpectedQuantityTypes")] = False,
) -> Response:
    """In the order of their ids; `expectedQuantityTypes` is there only if it is asked for."""
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
