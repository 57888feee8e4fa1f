"""Endpoints about which configuration a kit is running."""

from __future__ import annotations

from fastapi import APIRouter
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time
from hortus.flow.rpc.fetched import configuration_state
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import HIDDEN, problems
from hortus.http.conventions.replies import JsonReply, TimeText

router = APIRouter(tags=["Configurations"])


class ConfigurationState(TypedDict):
    """Whether the kit runs its active configuration, judged by what it last fetched and what it sends.

    `advice` is a sentence for the user about what to do; null if nothing needs doing. If the configuration that
    the kit runs was deleted, `runningDeletedAt` is when, and until `runningRestorableUntil` it can be brought
    back.
    """

    activeConfigurationId: int | None
    runningConfigurationId: int | None
    fetchedConfigurationId: int | None
    fetchedAt: TimeText | None
    runningDeletedAt: TimeText | None
    runningRestorableUntil: TimeText | None
    isCurrent: bool
    advice: str | None


@router.get(
    "/kits/{kitSerial}/configuration-state",
    responses=HIDDEN | problems(403),
    summary="Check whether a kit runs its active configuration",
)
async def show_configuration_state(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[ConfigurationState]:
    """Kits fetch their configuration only when they start; a change cannot be pushed to them."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        state = await configuration_state(connection, access.kit_id, access.kit["serial"])
    return JsonReply(
        {
            "activeConfigurationId": state.active_id,
            "runningConfigurationId": state.running_id,
            "fetchedConfigurationId": state.fetched_id,
            "fetchedAt": format_optional_time(state.fetched_at),
            "runningDeletedAt": format_optional_time(state.running_deleted_at),
            "runningRestorableUntil": format_optional_time(state.restorable_until),
            "isCurrent": state.is_current,
            "advice": state.advice,
        }
    )
