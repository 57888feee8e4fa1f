"""The endpoint for the presence of kits."""

from __future__ import annotations

from fastapi import APIRouter
from typing_extensions import TypedDict

from hortus.base.times import format_optional_time
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.presence.store import read_presences
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import HIDDEN, problems
from hortus.http.conventions.problems import not_found
from hortus.http.conventions.replies import JsonReply, TimeText

router = APIRouter(tags=["Kits"])


class KitPresence(TypedDict):
    """The presence of a kit. `since` is when this state began, as far as known.

    `accountShared`: two clients take turns under the kit's account, so their readings mix.
    """

    state: PresenceState
    since: TimeText | None
    lastContact: TimeText | None
    accountShared: bool


@router.get(
    "/kits/{kitSerial}/presence",
    responses=HIDDEN | problems(403),
    summary="Get a kit's presence",
)
async def kit_presence(
    services: UsedServices, caller: CurrentCaller, serial: KitSerial
) -> JsonReply[KitPresence]:
    """Whether the kit is online, late, offline or was never seen, judged by its own reporting interval.

    Silence counts only for the time during which this server was listening.
    """
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
        access.require(Permission.VIEW)
        found = await read_presences(connection, services.clock(), [access.kit_id])
    presence = found.get(access.kit_id)
    if presence is None:
        raise not_found()  # deleted in between
    return JsonReply(
        {
            "state": presence.judgement.state,
            "since": format_optional_time(presence.judgement.since),
            "lastContact": format_optional_time(presence.judgement.last_contact_at),
            "accountShared": presence.is_shared,
        }
    )
