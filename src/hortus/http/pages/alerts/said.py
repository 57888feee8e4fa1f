"""What pages say after something was done about alerts, and how to undo it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from hortus.base.language.translation import gettext_noop
from hortus.domain.alerts.attention import MOST_AT_ONCE
from hortus.http.pages.requests import SAID, address_of, local_path, redirect

ALERT_TOASTS = {
    "seen": gettext_noop("Reminders stopped"),
    "unseen": gettext_noop("Reminders go on"),
    "snoozed": gettext_noop("Snoozed: reminders stopped meanwhile"),
    "unsnoozed": gettext_noop("Snooze ended: reminders go on"),
}
"""What every page that has buttons of alerts says."""

_ALERTS = "alerts"
_UNDONE_BY = {"seen": "unseen", "snoozed": "unsnoozed"}
_IDS = re.compile(r"[1-9]\d{0,17}(?:-[1-9]\d{0,17})*")


def alert_ids_of(text: str) -> list[int]:
    """Return the ids in a text such as `3-5-8`; nothing if it is another text, or has too many."""
    ids = [int(each) for each in text.split("-")] if _IDS.fullmatch(text) else []
    return ids if len(ids) <= MOST_AT_ONCE else []


def back_with(request: Request, path: str, said: str, alert_ids: Sequence[int]) -> Response:
    """Send the browser back to a page of ours, which says what was done and how to undo it."""
    parts = urlsplit(local_path(path))
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in {SAID, _ALERTS}]
    if alert_ids and said in _UNDONE_BY:
        query.append((_ALERTS, "-".join(map(str, alert_ids))))
    return redirect(request, parts.path + (f"?{urlencode(query)}" if query else ""), said=said)


def undo_address(request: Request) -> str:
    """Return the address to which the toast's *Undo* posts, or an empty text if there is nothing to undo."""
    ids = alert_ids_of(request.query_params.get(_ALERTS, ""))
    undone_by = _UNDONE_BY.get(request.query_params.get(SAID, ""))
    if not ids or undone_by is None:
        return ""
    return f"/alerts/{undone_by}?{urlencode({_ALERTS: '-'.join(map(str, ids)), 'from': address_of(request)})}"
