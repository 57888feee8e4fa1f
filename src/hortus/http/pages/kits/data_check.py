"""`/kits/{serial}/data-check`: what became of every message of a kit (P3)."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hortus.base.language.translation import current_language, gettext, gettext_noop
from hortus.domain.ledger.overview import overview_of
from hortus.domain.ledger.store import LedgerCounts, LedgerLine, read_ledger_between
from hortus.flow.quarantine.store import QuarantineFilter, list_quarantine, quarantined_by_reason
from hortus.http.access.permissions import Permission
from hortus.http.conventions.problems import Problem
from hortus.http.pages.kits.data_check_view import RANGES, Period, parse_period, verdict
from hortus.http.pages.kits.frame import kit_page, kit_path, reading_kit
from hortus.http.pages.kits.opened import OpenedKit
from hortus.http.pages.kits.reason_words import reason_title, stream_name, waiting_advice
from hortus.http.pages.kits.tabs import require_people_of_kit
from hortus.http.pages.site import Site
from hortus.http.pages.status import explained, explanation_of
from hortus.http.pages.times import clock_text, short_date, time_of_day
from hortus.protocol.reasons import Reason

PAGE_SIZE = 25


class DataCheckPages:
    """The check itself, and the part of it that renews itself."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """Return the routes of these pages."""
        return [
            Route("/kits/{serial}/data-check", self.show, methods=["GET"]),
            Route("/kits/{serial}/data-check/counts", self.counts, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Answer with the page."""
        return await check_page(self._site, request)

    async def counts(self, request: Request) -> Response:
        """Answer with the counts, or 204 if they are those that the page shows."""
        async with reading_kit(self._site, request) as (connection, kit):
            require_insider(kit)
            values = await _counts(self._site, request, connection, kit)
        if request.query_params.get("known") == values["fingerprint"]:
            return Response(status_code=204)
        return self._site.templates.page("kits/_data_check_counts.html", viewer=kit.viewer, kit=kit, **values)


def require_insider(kit: OpenedKit) -> None:
    """Raise Problem 401 or 403 for those who see the kit only because it is public."""
    require_people_of_kit(kit, gettext("Only members of this kit see what became of its messages."))


async def check_page(
    site: Site, request: Request, *, status_code: int = 200, refusal: Problem | None = None
) -> Response:
    """Return the whole page; `refusal` is why something could not be done just now."""
    async with reading_kit(site, request) as (connection, kit):
        require_insider(kit)
        values = await _counts(site, request, connection, kit)
        aside = await _set_aside(request, connection, kit) if values["may_mend"] else {}
    return kit_page(
        site,
        request,
        kit,
        "data-check",
        "kits/data_check.html",
        status_code=status_code,
        headers=refusal.headers if refusal else None,
        toasts=_TOASTS,
        refusal=gettext(refusal.detail) if refusal and refusal.detail else "",
        retry_seconds=int(refusal.headers.get("Retry-After", "0")) if refusal else 0,
        tried=_tried(request.query_params.get("tried", "")),
        ranges=list(RANGES),
        **values,
        **aside,
    )


_TOASTS = {"discarded": gettext_noop("Discarded. It stays counted as set aside.")}


async def _counts(site: Site, request: Request, connection: AsyncConnection, kit: OpenedKit) -> dict[str, Any]:
    now = site.clock()
    period = parse_period(request.query_params, now, kit.zone)
    # One snapshot for all, or the figures would not add up while messages arrive.
    lines = await read_ledger_between(connection, period.since, period.before, {kit.id})
    total = LedgerCounts.sum_of(lines)
    return {
        "now": now,
        "period": period,
        "total": total,
        "verdict": verdict(total, period),
        "reasons": explained(total),
        "streams": overview_of(lines, period.spans(kit.zone), now),
        "last_seen": kit.row["datetime_last_seen"],
        "may_mend": kit.may(Permission.EDIT_CONFIGURATION),
        "fingerprint": _fingerprint(lines, period),
        "path": kit_path(kit, "/data-check"),
        "stream_name": stream_name,
        "reason_title": reason_title,
        "clock": lambda moment, beside=None: clock_text(moment, kit.zone, beside or now),
        "local": lambda moment: moment.astimezone(kit.zone),
        "hour_label": time_of_day if _has_half_hours(period, kit) else lambda local: f"{local:%H}",
        "day_label": short_date,
    }


def _has_half_hours(period: Period, kit: OpenedKit) -> bool:
    """Return whether hours of the ledger begin at half past where the kit stands."""
    return period.since.astimezone(kit.zone).minute != 0


async def _set_aside(request: Request, connection: AsyncConnection, kit: OpenedKit) -> dict[str, Any]:
    reason = known_reason(request.query_params.get("reason", ""))
    wanted = QuarantineFilter(
        kit_id=kit.id,
        reason=None if reason is None else str(reason),
        before_id=_number(request.query_params.get("before", "")),
    )
    found = await list_quarantine(connection, wanted, limit=PAGE_SIZE + 1)
    return {
        "reason": reason,
        "by_reason": await quarantined_by_reason(connection, kit.id),
        "set_aside": found[:PAGE_SIZE],
        "more_before": found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None,
        "explanation_of": explanation_of,
        "waiting_advice": waiting_advice,
    }


def known_reason(text: str) -> Reason | None:
    """Return the reason with this name; an unknown one restricts nothing."""
    return next((reason for reason in Reason if reason.value == text), None)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _tried(text: str) -> tuple[int, ...]:
    """Return the three numbers of a finished attempt: stored, known already, still wrong."""
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return ()
    return tuple(int(part) for part in parts)


def _fingerprint(lines: list[LedgerLine], period: Period) -> str:
    # In another language or an hour later, the same counts look different.
    shown = repr((lines, period, current_language().tag))
    return hashlib.sha256(shown.encode()).hexdigest()[:16]
