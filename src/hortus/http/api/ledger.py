"""The endpoint that accounts for every message of a kit (P3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from typing_extensions import TypedDict

from hortus.base.times import format_time
from hortus.domain.ledger.store import LedgerCounts, LedgerLine, hour_of, read_ledger_between
from hortus.http.access.caller import CurrentCaller
from hortus.http.access.kit_access import access_to_kit
from hortus.http.access.permissions import Permission
from hortus.http.access.services import UsedServices
from hortus.http.api.kits import KitSerial
from hortus.http.conventions.documentation import GUARDED
from hortus.http.conventions.parameters import TimeInQuery
from hortus.http.conventions.problems import bad_request
from hortus.http.conventions.replies import JsonReply, TimeText
from hortus.http.server.database_access import snapshot
from hortus.protocol.reasons import explanation_of

router = APIRouter(tags=["Ledger and quarantine"])

MOST_HOURS = 31 * 24
_HOUR = timedelta(hours=1)
_USUAL_HOURS = 24


class LedgerReason(TypedDict):
    """Why messages were quarantined or refused, and how many. No copy is kept of those `purged`."""

    outcome: str
    reason: str
    explanation: str
    count: int


class LedgerSum(TypedDict):
    """How many messages arrived and how they ended: `received` is the sum of the other four."""

    received: int
    stored: int
    duplicate: int
    quarantined: int
    refused: int
    reasons: list[LedgerReason]


class LedgerHour(LedgerSum):
    """Messages of one stream (`raw`, `aggregate`, `media`, `other`) that arrived within one hour."""

    hour: TimeText
    stream: str


_Span = TypedDict("_Span", {"from": TimeText, "to": TimeText})


class Ledger(LedgerSum, _Span):
    """The hours from `from` (inclusive) to `to` (exclusive), oldest first, and their total."""

    addsUp: bool
    hours: list[LedgerHour]


@router.get(
    "/kits/{kitSerial}/ledger",
    responses=GUARDED,
    summary="Get a kit's message ledger",
)
async def show_ledger(
    services: UsedServices,
    caller: CurrentCaller,
    serial: KitSerial,
    start: Annotated[TimeInQuery, Query(alias="from")] = None,
    end: Annotated[TimeInQuery, Query(alias="to")] = None,
) -> JsonReply[Ledger]:
    """Counts the kit's messages per hour of arrival, by how they ended.

    The hours containing `from` and `to` are included. Without them, the last 24 hours are returned.
    """
    since, before = _hours(start, end, services.clock())
    async with services.reading() as connection:
        access = await access_to_kit(connection, caller, serial)
    access.require(Permission.EDIT_CONFIGURATION)
    # One snapshot for all, or the figures would not add up while messages arrive.
    async with snapshot(services.parts.engine) as connection:
        lines = await read_ledger_between(connection, since, before, {access.kit_id})
    total = LedgerCounts.sum_of(lines)
    return JsonReply(
        {
            "from": format_time(since),
            "to": format_time(before),
            "addsUp": total.adds_up,
            **_counts(total),
            "hours": [_line(line) for line in lines],
        }
    )


def _hours(start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    last = now if end is None else end
    before = hour_of(last)
    if end is None or before != end:
        before += _HOUR
    since = before - _USUAL_HOURS * _HOUR if start is None else hour_of(start)
    if since > before:
        raise bad_request("from is later than to.")
    if before - since > MOST_HOURS * _HOUR:
        raise bad_request(f"The range is longer than {MOST_HOURS} hours; request it in parts.")
    return since, before


def _line(line: LedgerLine) -> LedgerHour:
    return {"hour": format_time(line.hour), "stream": line.stream, **_counts(line.counts)}


def _counts(counts: LedgerCounts) -> LedgerSum:
    return {
        "received": counts.received,
        "stored": counts.stored,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
        "refused": counts.refused,
        "reasons": [
            {"outcome": outcome, "reason": reason, "explanation": explanation_of(reason), "count": count}
            for (outcome, reason), count in sorted(counts.reasons.items())
        ],
    }
