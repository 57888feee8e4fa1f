"""Endpoints for alerts: lists, marking one as seen, snoozing it, and a plant's alert settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from sqlalchemy.engine import RowMapping

from hortus.domain.accounts.api_keys import Scope
from hortus.domain.alerts.attention import (
    AlertIsOver,
    SnoozeEndsTooEarly,
    end_snooze,
    mark_seen,
    snooze,
    unmark_seen,
)
from hortus.domain.alerts.plant_settings import (
    MOST_HOLD_SECONDS,
    MOST_HYSTERESIS_PERCENT,
    MOST_PAUSE_SECONDS,
    PlantAlertSettings,
    read_plant_settings,
    set_plant_settings,
)
from hortus.domain.alerts.store import alerts_of_person, alerts_of_plant
from hortus.domain.alerts.withdrawal import withdraw_alerts
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.plant_access import access_to_plant
from hortus.http.access.services import UsedServices
from hortus.http.api.plants import PlantId
from hortus.http.conventions.documentation import (
    GUARDED,
    HIDDEN,
    WITH_BODY,
    next_page,
    problems,
    request_body,
)
from hortus.http.conventions.json_body import JsonBody, json_body
from hortus.http.conventions.paging import x_next
from hortus.http.conventions.parameters import Identifier, IdInQuery, Time
from hortus.http.conventions.problems import (
    OTHER,
    Reason,
    conflict,
    in_range,
    invalid_parameters,
    not_found,
)
from hortus.http.conventions.replies import JsonReply
from hortus.http.documents.alerts import Alert, AlertSettings, alert_object, settings_object

router = APIRouter(tags=["Alerts"])

Number = TypeVar("Number", int, float)

PAGE_SIZE = 100

_State = Annotated[
    Literal["open", "all"],
    Query(description="`open` lists only alerts that have not closed; `all` lists every alert."),
]
_Percent = Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": MOST_HYSTERESIS_PERCENT})]
_Hold = Annotated[int, Field(json_schema_extra={"minimum": 0, "maximum": MOST_HOLD_SECONDS})]
_Pause = Annotated[int, Field(json_schema_extra={"minimum": 0, "maximum": MOST_PAUSE_SECONDS})]


AlertId = Annotated[Identifier, Path(alias="alertId")]


class SnoozeBody(JsonBody):
    """Until when nobody is reminded. Without `until`, until a user ends the snooze."""

    until: Time | None = None


class AlertSettingsBody(JsonBody):
    """The settings to change. A setting that is absent or null keeps its value."""

    enabled: bool | None = None
    hysteresis_percent: _Percent | None = None
    hold_seconds: _Hold | None = None
    pause_seconds: _Pause | None = None


@router.get(
    "/alerts",
    responses=problems(401, 403) | next_page("X-Next", "/alerts?state=all&before=100"),
    summary="List your alerts",
)
async def show_alerts(
    services: UsedServices, caller: CurrentCaller, state: _State = "open", before: IdInQuery = None
) -> JsonReply[list[Alert]]:
    """Lists alerts of the kits you are a member of, and of your plants measured by public kits.

    Newest first.
    """
    user_id = caller.require_scope(Scope.READ)
    async with services.reading() as connection:
        rows = await alerts_of_person(
            connection, user_id, open_only=state == "open", before=before, most=PAGE_SIZE + 1
        )
    return _page(rows, "/alerts", state)


@router.get(
    "/plants/{plantId}/alerts",
    responses=HIDDEN | problems(403) | next_page("X-Next", "/plants/1/alerts?state=all&before=100"),
    summary="List a plant's alerts",
)
async def show_alerts_of_plant(
    services: UsedServices,
    caller: CurrentCaller,
    plant_id: PlantId,
    state: _State = "open",
    before: IdInQuery = None,
) -> JsonReply[list[Alert]]:
    """Lists the plant's alerts from kits that you can see, newest first."""
    async with services.reading() as connection:
        access = await access_to_plant(connection, caller, plant_id)
        access.require_view()
        rows = await alerts_of_plant(
            connection,
            plant_id,
            {link.source.kit_id for link in access.links},
            open_only=state == "open",
            before=before,
            most=PAGE_SIZE + 1,
        )
    return _page(rows, f"/plants/{plant_id}/alerts", state)


@router.post(
    "/alerts/{alertId}/seen",
    responses=GUARDED,
    summary="Mark an alert as seen",
)
async def see_alert(
    services: UsedServices,
    caller: CurrentCaller,
    alert_id: AlertId,
) -> JsonReply[Alert]:
    """Stops reminders about the alert.

    The alert stays open until its cause is resolved. Marking it again has no effect.
    """
    user_id = caller.require_scope(Scope.CONFIGURE)
    async with services.writing() as connection:
        row = await mark_seen(connection, user_id, alert_id)
    return _changed_alert(row)


@router.delete(
    "/alerts/{alertId}/seen",
    responses=GUARDED,
    summary="Mark an alert as not seen",
)
async def unsee_alert(services: UsedServices, caller: CurrentCaller, alert_id: AlertId) -> JsonReply[Alert]:
    """Undoes `POST`, whoever did it: reminders go on. It has no effect if nobody had seen the alert."""
    user_id = caller.require_scope(Scope.CONFIGURE)
    async with services.writing() as connection:
        row = await unmark_seen(connection, user_id, alert_id)
    return _changed_alert(row)


@router.put(
    "/alerts/{alertId}/snooze",
    responses=GUARDED | problems(409) | WITH_BODY,
    openapi_extra=request_body(SnoozeBody, {"until": "2026-12-01T07:00:00Z"}),
    summary="Snooze an alert",
)
async def snooze_alert(
    services: UsedServices,
    body: Annotated[SnoozeBody, Depends(json_body(SnoozeBody))],
    caller: CurrentCaller,
    alert_id: AlertId,
) -> JsonReply[Alert]:
    """Nobody is reminded of the alert meanwhile. A second snooze replaces the first."""
    user_id = caller.require_scope(Scope.CONFIGURE)
    try:
        async with services.writing() as connection:
            row = await snooze(connection, user_id, alert_id, until=body.until, now=services.clock())
    except SnoozeEndsTooEarly as error:
        raise invalid_parameters({"until": [OTHER]}, str(error)) from error
    except AlertIsOver as error:
        raise conflict(str(error)) from error
    return _changed_alert(row)


@router.delete(
    "/alerts/{alertId}/snooze",
    responses=GUARDED,
    summary="End the snooze of an alert",
)
async def wake_alert(services: UsedServices, caller: CurrentCaller, alert_id: AlertId) -> JsonReply[Alert]:
    """Reminders go on. It has no effect if the alert was not snoozed."""
    user_id = caller.require_scope(Scope.CONFIGURE)
    async with services.writing() as connection:
        row = await end_snooze(connection, user_id, alert_id)
    return _changed_alert(row)


@router.get(
    "/plants/{plantId}/alert-settings",
    responses=HIDDEN | problems(403),
    summary="Get a plant's alert settings",
)
async def show_settings(
    services: UsedServices, caller: CurrentCaller, plant_id: PlantId
) -> JsonReply[AlertSettings]:
    """Settings that were never changed have their default values."""
    async with services.reading() as connection:
        access = await access_to_plant(connection, caller, plant_id)
        access.require_view()
        return JsonReply(settings_object(await read_plant_settings(connection, plant_id)))


@router.patch(
    "/plants/{plantId}/alert-settings",
    responses=GUARDED | WITH_BODY,
    openapi_extra=request_body(AlertSettingsBody, {"holdSeconds": 600, "pauseSeconds": 86400}),
    summary="Update a plant's alert settings",
)
async def change_settings(
    services: UsedServices,
    body: Annotated[AlertSettingsBody, Depends(json_body(AlertSettingsBody))],
    caller: CurrentCaller,
    plant_id: PlantId,
) -> JsonReply[AlertSettings]:
    """Changes apply from the next reading on. Turning alerts off closes those that are open."""
    async with services.writing() as connection:
        access = await access_to_plant(connection, caller, plant_id)
        access.require_edit()
        _require_valid(body)
        old = await read_plant_settings(connection, plant_id)
        settings = PlantAlertSettings(
            enabled=old.enabled if body.enabled is None else body.enabled,
            hysteresis_percent=_changed(body.hysteresis_percent, old.hysteresis_percent),
            hold_seconds=_changed(body.hold_seconds, old.hold_seconds),
            pause_seconds=_changed(body.pause_seconds, old.pause_seconds),
        )
        await set_plant_settings(connection, plant_id, settings)
        await withdraw_alerts(connection, plant_id)
    return JsonReply(settings_object(settings))


def _changed_alert(row: RowMapping | None) -> JsonReply[Alert]:
    if row is None:
        raise not_found()
    return JsonReply(alert_object(row))


def _page(rows: Sequence[RowMapping], path: str, state: str) -> JsonReply[list[Alert]]:
    page = rows[:PAGE_SIZE]
    more = {"state": state, "before": page[-1]["id"]} if len(rows) > PAGE_SIZE else None
    return JsonReply([alert_object(row) for row in page], headers=x_next(path, more) if more else None)


def _changed(new: Number | None, old: Number) -> Number:
    return old if new is None else new


def _require_valid(body: AlertSettingsBody) -> None:
    reasons: dict[str, list[Reason]] = {}
    for name, value, most in (
        ("hysteresisPercent", body.hysteresis_percent, MOST_HYSTERESIS_PERCENT),
        ("holdSeconds", body.hold_seconds, MOST_HOLD_SECONDS),
        ("pauseSeconds", body.pause_seconds, MOST_PAUSE_SECONDS),
    ):
        if value is not None and not (math.isfinite(value) and 0 <= value <= most):
            reasons[name] = [in_range(0, most)]
    if reasons:
        raise invalid_parameters(reasons)
