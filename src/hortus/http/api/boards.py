"""Endpoints for boards that send over plain HTTP: registering them, and naming those that were heard."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.accounts.store import find_user
from hortus.flow.gateway.board_intake import DatabaseAway
from hortus.flow.gateway.boards import (
    LONGEST_BOARD_NAME,
    BoardNotHeard,
    SeveralGateways,
    WaitingBoard,
    forget_waiting_board,
    list_waiting_boards,
)
from hortus.flow.gateway.gateways import LONGEST_NAME as LONGEST_GATEWAY_NAME
from hortus.flow.gateway.owned_boards import (
    adopt_board_for,
    register_owned_board,
    release_kept_readings,
)
from hortus.flow.gateway.readings import LARGEST_SENSOR_ID
from hortus.http.access.caller import Caller, CurrentCaller
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.accounts import current_profile
from hortus.http.conventions.documentation import WITH_BODY, problems, request_body
from hortus.http.conventions.json_body import JsonBody, json_body, parse_body, read_json
from hortus.http.conventions.problems import (
    conflict,
    forbidden,
    invalid_parameters,
    length_between,
    not_found,
    unauthorized,
    unavailable,
)
from hortus.http.conventions.replies import JsonReply, TimeText
from hortus.http.conventions.texts import NAME

router = APIRouter(tags=["Boards"])

SensorId = Annotated[int, Path(alias="sensorId", ge=1, le=LARGEST_SENSOR_ID)]

_RETRY_SECONDS = 5
_Name = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_BOARD_NAME}), NAME]


class NewBoardBody(JsonBody):
    """The board to register."""

    name: _Name


class AdoptedBoardBody(JsonBody):
    """The name for a board that was heard; `gateway` says which one is meant if several have its number."""

    name: _Name
    gateway: Annotated[str | None, Field(json_schema_extra={"maxLength": LONGEST_GATEWAY_NAME})] = None


class Board(TypedDict):
    """A board. `sensorId` is the number to type into it, and `kitSerial` its kit."""

    sensorId: int
    kitSerial: str


class AdoptedBoard(Board):
    """`readings` is how many kept readings are stored now. More may follow when the board is heard again."""

    readings: int


class UnknownBoard(TypedDict):
    """A board that sends and has no name. Its newest readings are kept; `dropped` counts older ones."""

    sensorId: int
    gateway: str
    firstHeardAt: TimeText
    lastHeardAt: TimeText
    address: str | None
    kept: int
    dropped: int


class Forgotten(TypedDict):
    """How many kept readings were thrown away."""

    readings: int


@router.post(
    "/boards",
    status_code=201,
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(NewBoardBody, {"name": "Fern in the hall"}),
    summary="Register a board",
)
async def register_board(request: Request, services: UsedServices, caller: CurrentCaller) -> JsonReply[Board]:
    """You become the first member of its kit. Type the number into the board."""
    profile = await current_profile(services, caller.require_scope(Scope.MANAGE))
    # Parsed only now: a caller who may not do this gets that answer whatever they send (http-api 2.3).
    wanted = parse_body(NewBoardBody, await read_json(request))
    _require_length(wanted.name)
    try:
        async with services.writing() as connection:
            board = await register_owned_board(
                *(connection, profile.id),
                name=wanted.name,
                quotas=services.parts.quotas,
                now=services.clock(),
            )
    except QuotaReached as error:
        raise forbidden(str(error)) from error
    return JsonReply({"sensorId": board.sensor_id, "kitSerial": board.serial}, status_code=201)


@router.get("/boards/unknown", responses=problems(401, 403), summary="List boards without a name")
async def list_unknown_boards(services: UsedServices, caller: CurrentCaller) -> JsonReply[list[UnknownBoard]]:
    """Lists the boards that were heard and have no name. For administrators."""
    await _require_administrator(services, caller, Scope.READ)
    async with services.reading() as connection:
        waiting = await list_waiting_boards(connection)
    return JsonReply([_unknown(board) for board in waiting])


@router.post(
    "/boards/unknown/{sensorId}",
    status_code=201,
    responses=problems(401, 403, 404, 409) | WITH_BODY,
    openapi_extra=request_body(AdoptedBoardBody, {"name": "Fern in the hall"}),
    summary="Name a board that was heard",
)
async def adopt_board(
    services: UsedServices,
    caller: CurrentCaller,
    sensor_id: SensorId,
    wanted: Annotated[AdoptedBoardBody, Depends(json_body(AdoptedBoardBody))],
) -> JsonReply[AdoptedBoard]:
    """The board becomes a kit of yours, and the readings kept of it are stored. For administrators."""
    user_id = await _require_administrator(services, caller, Scope.MANAGE)
    _require_length(wanted.name)
    try:
        async with services.writing() as connection:
            board = await adopt_board_for(
                *(connection, user_id, sensor_id),
                name=wanted.name,
                gateway=wanted.gateway,
                quotas=services.parts.quotas,
                now=services.clock(),
            )
        released = await release_kept_readings(services.parts.engine, services.parts.intake, board)
    except BoardNotHeard as error:
        raise not_found() from error
    except SeveralGateways as error:
        raise conflict(
            f"Several gateways hear a board with this number: {', '.join(error.names)}. Name one as `gateway`."
        ) from error
    except DatabaseAway as error:
        raise unavailable(str(error), _RETRY_SECONDS) from error
    return JsonReply(
        {"sensorId": board.sensor_id, "kitSerial": board.serial, "readings": released}, status_code=201
    )


@router.delete(
    "/boards/unknown/{sensorId}", responses=problems(401, 403, 404), summary="Forget a board without a name"
)
async def forget_board(
    services: UsedServices, caller: CurrentCaller, sensor_id: SensorId
) -> JsonReply[Forgotten]:
    """Throws away what was kept of it. It is listed again when it is heard again. For administrators."""
    await _require_administrator(services, caller, Scope.MANAGE)
    try:
        async with services.writing() as connection:
            readings = await forget_waiting_board(connection, sensor_id)
    except BoardNotHeard as error:
        raise not_found() from error
    return JsonReply({"readings": readings})


async def _require_administrator(services: Services, caller: Caller, scope: Scope) -> int:
    """Return the id of an administrator: a board that has no name could be anybody's."""
    user_id = caller.require_scope(scope)
    async with services.reading() as connection:
        user = await find_user(connection, user_id)
    if user is None:
        raise unauthorized("expired")
    if not user.is_admin:
        raise forbidden("Only administrators can see boards that have no name.")
    return user_id


def _require_length(name: str) -> None:
    if not 1 <= len(name) <= LONGEST_BOARD_NAME:
        raise invalid_parameters({"name": [length_between(1, LONGEST_BOARD_NAME)]})


def _unknown(board: WaitingBoard) -> UnknownBoard:
    return {
        "sensorId": board.sensor_id,
        "gateway": board.gateway,
        "firstHeardAt": format_time(board.first_contact_at),
        "lastHeardAt": format_time(board.last_contact_at),
        "address": board.last_address,
        "kept": board.kept,
        "dropped": board.dropped,
    }
