"""Endpoints for kits (http-api 4.4)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.accounts.room import QuotaReached
from hortus.domain.kits.creation import create_kit_for
from hortus.domain.kits.details import (
    MOST_DESCRIPTION_CHARACTERS,
    MOST_LATITUDE,
    MOST_LONGITUDE,
    MOST_NAME_CHARACTERS,
    change_details,
    coordinate,
    list_kits_on_map,
)
from hortus.domain.kits.position import kits_of_member
from hortus.domain.kits.store import NewKit
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.accounts import current_profile
from hortus.http.conventions.documentation import (
    GUARDED,
    HIDDEN,
    WITH_BODY,
    next_page,
    problems,
    request_body,
)
from hortus.http.conventions.json_body import JsonBody, json_body, parse_body, read_json
from hortus.http.conventions.paging import x_next
from hortus.http.conventions.parameters import IdInQuery, TimeInQuery
from hortus.http.conventions.problems import (
    Reason,
    forbidden,
    in_range,
    invalid_parameters,
    length_between,
)
from hortus.http.conventions.replies import JsonReply, empty_reply
from hortus.http.conventions.texts import LINES, NAME, TimeZoneText
from hortus.http.documents.kits import CreatedKit, Kit, kit_object

router = APIRouter(tags=["Kits"])

PAGE_SIZE = 100

KitSerial = Annotated[str, Path(alias="kitSerial")]

_Name = Annotated[
    str | None, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_NAME_CHARACTERS}), NAME
]
_Description = Annotated[
    str | None, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_DESCRIPTION_CHARACTERS}), LINES
]
_Latitude = Annotated[
    float | None, Field(json_schema_extra={"minimum": -MOST_LATITUDE, "maximum": MOST_LATITUDE})
]
_Longitude = Annotated[
    float | None, Field(json_schema_extra={"minimum": -MOST_LONGITUDE, "maximum": MOST_LONGITUDE})
]

_EXAMPLE = {
    "name": "Basil on the roof",
    "description": "Under the *south* window.",
    "latitude": 52.37,
    "longitude": 4.9,
    "privacyPublicDashboard": True,
    "privacyShowOnMap": False,
}


class NewKitBody(JsonBody):
    """The kit to create."""

    name: _Name = None
    description: _Description = None
    latitude: _Latitude = None
    longitude: _Longitude = None
    privacy_public_dashboard: bool
    privacy_show_on_map: bool
    time_zone: TimeZoneText = None


class KitChangeBody(JsonBody):
    """The fields to change. Null clears a text, a coordinate or the zone, and leaves a flag unchanged."""

    name: _Name = None
    description: _Description = None
    latitude: _Latitude = None
    longitude: _Longitude = None
    privacy_public_dashboard: bool | None = None
    privacy_show_on_map: bool | None = None
    time_zone: TimeZoneText = None


@router.get(
    "/kits",
    responses=next_page("X-Next", "/kits?lastSeenSince=2026-11-22T12%3A24%3A18Z&after=100"),
    summary="List the kits on the map",
)
async def list_kits(
    services: UsedServices,
    caller: CurrentCaller,
    last_seen_since: Annotated[TimeInQuery, Query(alias="lastSeenSince")] = None,
    after: IdInQuery = None,
) -> JsonReply[list[Kit]]:
    """Lists public kits that are shown on the map, ordered by id.

    Positions are rounded to about 1 km, but for those of your own kits.
    """
    user_id = caller.user_id if Scope.READ in caller.scopes else None
    async with services.reading() as connection:
        rows = await list_kits_on_map(
            connection, after=after, last_seen_since=last_seen_since, most=PAGE_SIZE + 1
        )
        own = await kits_of_member(connection, user_id)
    page = rows[:PAGE_SIZE]
    more = {"lastSeenSince": last_seen_since, "after": page[-1]["kit_id"]} if len(rows) > PAGE_SIZE else None
    kits = [kit_object(row, is_exact=own is None or row["kit_id"] in own) for row in page]
    return JsonReply(kits, headers=x_next("/kits", more) if more else None)


@router.post(
    "/kits",
    status_code=201,
    responses=problems(401, 403) | WITH_BODY,
    openapi_extra=request_body(NewKitBody, _EXAMPLE),
    summary="Create a kit",
)
async def create_kit(request: Request, services: UsedServices, caller: CurrentCaller) -> JsonReply[CreatedKit]:
    """You become the kit's first member. The response contains its password, which is not shown again."""
    profile = await current_profile(services, caller.require_scope(Scope.MANAGE))
    # Parsed only now: a caller who may not create kits gets that answer whatever they send (http-api 2.3).
    wanted = parse_body(NewKitBody, await read_json(request))
    _require_valid(wanted)
    new = NewKit(
        name=wanted.name,
        description=wanted.description,
        latitude=coordinate(wanted.latitude),
        longitude=coordinate(wanted.longitude),
        public_dashboard=wanted.privacy_public_dashboard,
        show_on_map=wanted.privacy_show_on_map,
        time_zone=wanted.time_zone,
    )
    try:
        async with services.writing() as connection:
            kit = await create_kit_for(
                *(connection, services.kits, profile.id, new),
                quotas=services.parts.quotas,
                now=services.clock(),
            )
    except QuotaReached as error:
        raise forbidden(str(error)) from error
    return JsonReply({"kitSerial": kit.serial, "password": kit.password}, status_code=201)


@router.get("/kits/{kitSerial}", responses=HIDDEN | problems(403), summary="Get a kit")
async def show_kit(services: UsedServices, caller: CurrentCaller, serial: KitSerial) -> JsonReply[Kit]:
    """Private and nonexistent kits are answered alike: 401 without a valid token, 404 with one."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
    access.require(Permission.VIEW)
    return JsonReply(kit_object(access.kit, is_exact=access.sees_exact_position))


@router.patch(
    "/kits/{kitSerial}",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(KitChangeBody, _EXAMPLE),
    summary="Update a kit's details",
)
async def change_kit(
    services: UsedServices,
    body: Annotated[KitChangeBody, Depends(json_body(KitChangeBody))],
    caller: CurrentCaller,
    serial: KitSerial,
) -> JsonReply[Kit]:
    """Fields that are absent keep their values."""
    async with services.writing() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.EDIT_DETAILS)
        _require_valid(body)
        await change_details(
            connection, access.kit_id, _changed_columns(body), by=caller.user_id, now=services.clock()
        )
        access = await access_to_kit(connection, caller, serial)
    # Whoever may change the position has to see what became of it.
    return JsonReply(kit_object(access.kit, is_exact=True))


@router.delete("/kits/{kitSerial}", response_class=Response, responses=GUARDED, summary="Delete a kit")
async def delete_kit(services: UsedServices, caller: CurrentCaller, serial: KitSerial) -> Response:
    """Permanently deletes the kit with its configurations, readings and media."""
    async with services.long_change() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.DELETE)
        await services.kits.delete(connection, access.kit["serial"])
    return empty_reply()


@router.post(
    "/kits/{kitSerial}/password",
    responses=GUARDED,
    summary="Reset a kit's password",
)
async def reset_kit_password(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[str]:
    """Returns the new password, which is not shown again.

    The old password stops working immediately, and the kit is disconnected.
    """
    async with services.writing() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.RESET_PASSWORD)
        password = await services.kits.set_password(connection, access.kit["serial"])
    return JsonReply(password)


def _require_valid(details: NewKitBody | KitChangeBody) -> None:
    reasons: dict[str, list[Reason]] = {}
    for name, text, most in (
        ("name", details.name, MOST_NAME_CHARACTERS),
        ("description", details.description, MOST_DESCRIPTION_CHARACTERS),
    ):
        if text is not None and not 1 <= len(text) <= most:
            reasons[name] = [length_between(1, most)]
    for name, degrees, limit in (
        ("latitude", details.latitude, MOST_LATITUDE),
        ("longitude", details.longitude, MOST_LONGITUDE),
    ):
        if degrees is not None and not -limit <= degrees <= limit:
            reasons[name] = [in_range(-limit, limit)]
    if reasons:
        raise invalid_parameters(reasons)


def _changed_columns(body: KitChangeBody) -> dict[str, object]:
    values: dict[str, object] = {}
    for name in body.model_fields_set:
        value = getattr(body, name)
        if name in {"latitude", "longitude"}:
            values[name] = coordinate(value)
        elif value is not None or name in {"name", "description", "time_zone"}:
            values[name] = value
    return values
