"""Bringing back a deleted configuration on behalf of a request, with what the kit sent for it meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import RowMapping
from starlette.requests import Request

from hortus.domain.kits.configurations import NoRoom
from hortus.domain.kits.deleted_configurations import (
    NotRestorable,
    peripherals_of_configuration,
    restore_configuration,
)
from hortus.flow.quarantine.replay import ReplayResult
from hortus.flow.quarantine.store import count_quarantine, quarantine_ids, waiting_for_deleted
from hortus.http.access.caller import Caller
from hortus.http.access.kit_access import KitAccess, access_to_kit, lock_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.replays import replay_for
from hortus.http.access.services import Services
from hortus.http.conventions.problems import Problem, forbidden
from hortus.http.server.database_access import DatabaseNotAnswering

MOST_REPLAYED = 20_000
"""Messages that are replayed by the request itself, for which its sender waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A configuration that is back. `replayed` and `waiting` are None if nothing could be replayed now."""

    configuration: RowMapping
    peripherals: Sequence[RowMapping]
    replayed: ReplayResult | None
    waiting: int | None


async def restore_and_replay(
    request: Request, services: Services, caller: Caller, serial: str, configuration_id: int
) -> Restored:
    """Bring back a configuration of this kit, and replay what waits for it.

    Raises Problem 401, 403 or 404, or DatabaseNotAnswering.
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
    return Restored(configuration=row, peripherals=peripherals, replayed=replayed, waiting=waiting)


async def _replay_waiting(request: Request, services: Services, access: KitAccess) -> tuple[ReplayResult, int]:
    """Replay what waits for the kit's deleted configurations; return the outcome and how many still wait."""
    wanted = waiting_for_deleted(access.kit_id)
    async with services.reading() as connection:
        ids = await quarantine_ids(connection, wanted, most=MOST_REPLAYED)
    replayed = await replay_for(request, services, access.caller.user_id, ids)
    async with services.reading() as connection:
        return replayed, await count_quarantine(connection, wanted)
