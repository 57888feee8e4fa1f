"""Endpoints for deleted configurations: which can be brought back, and bringing one back."""

from __future__ import annotations

import contextlib

from fastapi import APIRouter, Request
from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.domain.kits.configurations import NoRoom
from hortus.domain.kits.deleted_configurations import (
    DeletedConfiguration,
    NotRestorable,
    deleted_configurations,
    peripherals_of_configuration,
    restore_configuration,
)
from hortus.domain.kits.documents import KitConfigurationWithPeripherals, configuration_with_peripherals
from hortus.flow.quarantine.store import count_quarantine, quarantine_ids, waiting_for_deleted
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import KitAccess, access_to_kit, lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.replays import replay_for
from hortus.http.access.services import Services, UsedServices
from hortus.http.api.configurations import ConfigurationId
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED
from hortus.http.conventions.problems import Problem, forbidden
from hortus.http.conventions.replies import JsonReply, TimeText
from hortus.http.documents.quarantine import Replayed, replayed_object
from hortus.http.server.database_access import DatabaseNotAnswering

router = APIRouter(tags=["Configurations"])

MOST_REPLAYED = 20_000
"""Messages that are replayed by the request itself, for which its sender waits."""


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
    try:
        async with services.writing() as connection:
            access = await access_to_kit(connection, caller, serial)
            access.require(Permission.EDIT_CONFIGURATION)
            await lock_kit(connection, access.kit_id)
            row = await restore_configuration(connection, access.kit_id, configuration_id)
            peripherals = await peripherals_of_configuration(connection, configuration_id)
    except NotRestorable as error:
        raise Problem(404, detail=str(error)) from error
    except NoRoom as error:
        raise forbidden(str(error)) from error
    replayed, waiting = None, None
    # If it fails, the configuration is back all the same; the answer says what stays in quarantine.
    with contextlib.suppress(Problem, DatabaseNotAnswering):
        replayed, waiting = await _replay_waiting(request, services, access)
    return JsonReply(
        {
            "configuration": configuration_with_peripherals(row, peripherals),
            "replayed": replayed,
            "waiting": waiting,
        }
    )


async def _replay_waiting(request: Request, services: Services, access: KitAccess) -> tuple[Replayed, int]:
    """Replay what waits for the kit's deleted configurations; return the outcome and how many still wait."""
    wanted = waiting_for_deleted(access.kit_id)
    async with services.reading() as connection:
        ids = await quarantine_ids(connection, wanted, most=MOST_REPLAYED)
    replayed = replayed_object(await replay_for(request, services, access.caller.user_id, ids))
    async with services.reading() as connection:
        return replayed, await count_quarantine(connection, wanted)


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
