"""How a person can be reached, and what became of the last message on each way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import RowMapping

from hortus.base.language.translation import gettext
from hortus.domain.messages.service_forms import service_name
from hortus.domain.messages.tables import MessageState
from hortus.domain.messages.trial import MAIL
from hortus.http.pages.times import clock_text, own_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a message, in words. `sign` is a kind of `component.sign`."""

    sign: str
    words: str
    is_waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Email, or a service. `key` is what a form names it by; `id` is that of a service."""

    key: str
    id: int | None
    name: str
    detail: str
    is_on: bool
    last: Result | None


def ways_of(
    services: Sequence[RowMapping],
    messages: Sequence[RowMapping],
    *,
    email_address: str,
    by_mail: bool,
    sends_mail: bool,
    now: datetime,
) -> list[Way]:
    """Return the ways, email first if this server sends any. `messages` are the newest first."""
    latest: dict[int | None, RowMapping] = {}
    for message in messages:
        latest.setdefault(message["channel_id"], message)
    ways = []
    if sends_mail:
        ways.append(
            Way(
                key=MAIL,
                id=None,
                name=gettext("Email"),
                detail=email_address,
                is_on=by_mail,
                last=_last(latest.get(None), now),
            )
        )
    return ways + [
        Way(
            key=str(row["id"]),
            id=row["id"],
            name=row["name"],
            detail=gettext(service_name(row["scheme"])),
            is_on=row["enabled"],
            last=_last(latest.get(row["id"]), now),
        )
        for row in services
    ]


def result_of(message: RowMapping, now: datetime) -> Result:
    """Return what became of a message: what the next server said, never that it was read or arrived."""
    state, failure = message["state"], message["failure"]
    if state == MessageState.ACCEPTED:
        time = clock_text(message["finished_at"], own_zone(), now, seconds=True)
        words = (
            gettext("Accepted by the mail server %(time)s", time=time)
            if message["channel_id"] is None
            else gettext("Accepted by the service %(time)s", time=time)
        )
        return Result(sign="good", words=words, is_waiting=False)
    if state == MessageState.WAITING:
        if failure:
            words = gettext("Not accepted yet, trying again: %(failure)s", failure=gettext(failure))
            return Result(sign="waiting", words=words, is_waiting=True)
        return Result(sign="waiting", words=gettext("Waiting to be sent"), is_waiting=True)
    words = gettext("Given up: %(failure)s", failure=gettext(failure)) if failure else gettext("Given up")
    return Result(sign="failed", words=words, is_waiting=False)


def _last(message: RowMapping | None, now: datetime) -> Result | None:
    return None if message is None else result_of(message, now)
