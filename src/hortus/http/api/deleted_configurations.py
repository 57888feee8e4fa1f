"""Endpoints for deleted configurations: which can be brought back, and bringing one back."""

from __future__ import annotations

from fastapi import APIRouter, Request
from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.domain.kits.deleted_configurations import (
    DeletedConfiguration,
    deleted_configurations,
)
from hortus.domain.kits.documents import KitConfigurationWithPeripherals, configuration_with_peripherals
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.restoring import restore_and_replay
from hortus.http.access.services import UsedServices
from hortus.http.api.configurations import ConfigurationId
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED
from hortus.http.conventions.replies import JsonReply, TimeText
from hortus.http.documents.quarantine import Replayed, replayed_object

router = APIRouter(tags=["Configurations"])


class DeletedConfigurationObject(TypedDict):
    """A deleted configuration with the names of its peripherals.

    `wasActive`: it was the kit's active one when it was deleted.
    """

    id: int
    description: str | None
    deletedAt: TimeText
    restorableUntil: TimeText
    wasActive: bool
    neverUsed: bool
    peripherals: list[str]


class RestoredConfiguration(TypedDict):
    """The configuration as it is again, and what became of the messages that the kit sent meanwhile.

    `replayed` is null if they could not be replayed now. `waiting` are still in quarantine for a deleted
    configuration: `POST /kits/{kitSerial}/quarantine/replay?reason=deleted-configuration` replays them.
    """

    configuration: KitConfigurationWithPeripherals
    replayed: Replayed | None
    waiting: int | None


@router.get(
    "/kits/{kitSerial}/deleted-configurations",
    responses=GUARDED,
    summary="List a kit's deleted configurations",
)
async def list_deleted_configurations(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[list[DeletedConfigurationObject]]:
    """Lists the configurations that can be brought back, the last deleted first."""
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.EDIT_CONFIGURATION)
        found = await deleted_configurations(connection, access.kit_id)
    return JsonReply([_object(each) for each in found])


@router.post(
    "/kits/{kitSerial}/deleted-configurations/{kitConfigurationId}/restore",
    responses=GUARDED,
    summary="Bring back a deleted configuration",
)
async def restore_deleted_configuration(
    request: Request,
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    configuration_id: ConfigurationId,
) -> JsonReply[RestoredConfiguration]:
    """Brings back the configuration with its peripherals, readings and media, and replays what waits for it.

    It becomes active again if it was when it was deleted, unless another one has become active since.
    """
    restored = await restore_and_replay(request, services, caller, serial, configuration_id)
    return JsonReply(
        {
            "configuration": configuration_with_peripherals(restored.configuration, restored.peripherals),
            "replayed": None if restored.replayed is None else replayed_object(restored.replayed),
            "waiting": restored.waiting,
        }
    )


def _object(deleted: DeletedConfiguration) -> DeletedConfigurationObject:
    return {
        "id": deleted.id,
        "description": deleted.description,
        "deletedAt": format_time(deleted.deleted_at),
        "restorableUntil": format_time(deleted.restorable_until),
        "wasActive": deleted.was_active,
        "neverUsed": deleted.never_used,
        "peripherals": list(deleted.peripherals),
    }
