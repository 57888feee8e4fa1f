"""What a data check shows, as it stands in the address, and its words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from hortus.base.language.translation import gettext, ngettext
from hortus.domain.ledger.overview import daily, hourly
from hortus.domain.ledger.store import LedgerCounts, hour_of
from hortus.http.pages.figures import count
from hortus.http.pages.times import short_date
from hortus.http.pages.wording import accounted

RANGES = {"24h": 24, "7d": 7 * 24, "31d": 31 * 24}
"""Hours by the name of the range."""

_USUAL = "24h"
_HOUR = timedelta(hours=1)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The hours that are shown: the last ones, or those of a day where the kit stands."""

    key: str
    since: datetime
    before: datetime
    day: date | None = None

    @property
    def hours(self) -> int:
        return (self.before - self.since) // _HOUR

    @property
    def is_by_day(self) -> bool:
        """Whether a column is a day; it is an hour otherwise."""
        return self.hours > 2 * RANGES["24h"]

    @property
    def query(self) -> str:
        """The query of its address."""
        return f"r={self.key}" if self.day is None else f"day={self.day.isoformat()}"

    def spans(self, zone: tzinfo) -> list[tuple[datetime, datetime]]:
        """Return the columns of time."""
        if self.is_by_day:
            return daily(self.since, self.before, lambda hour: hour.astimezone(zone).date())
        return hourly(self.since, self.before)


def parse_period(query: QueryParams, now: datetime, zone: tzinfo) -> Period:
    """Return the period of an address. Raises HTTPException 400."""
    text = query.get("day")
    if text:
        day = _day(text)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        next_day = day + timedelta(days=1)
        next_midnight = datetime(next_day.year, next_day.month, next_day.day, tzinfo=zone)
        # The ledger has whole hours of UTC, so in some zones a day begins half an hour late.
        return Period(key="", since=_up(midnight), before=_up(next_midnight), day=day)
    key = query.get("r") or _USUAL
    if key not in RANGES:
        raise HTTPException(
            400,
            gettext(
                "There is no range '%(range)s'. Use one of %(ranges)s.",
                range=key[:20],
                ranges=", ".join(RANGES),
            ),
        )
    before = hour_of(now) + _HOUR
    return Period(key=key, since=before - RANGES[key] * _HOUR, before=before)


def _of_hours(counts: LedgerCounts, hours: int) -> str:
    if not counts.adds_up:
        return accounted(counts, hours)
    if counts.received == 0:
        return gettext("No messages were received in the last %(hours)s hours.", hours=hours)
    return ngettext(
        "The one message received in the last %(hours)s hours is accounted for.",
        "All %(messages)s messages received in the last %(hours)s hours are accounted for.",
        counts.received,
        messages=count(counts.received),
        hours=hours,
    )


def verdict(counts: LedgerCounts, period: Period) -> str:
    """Return the sentence about all messages of a period (P3)."""
    if period.key == _USUAL:
        return _of_hours(counts, RANGES[_USUAL])
    if period.day is not None:
        return _of_day(counts, short_date(period.day, with_year=True))
    days = period.hours // 24
    if not counts.adds_up:
        return gettext(
            "The counts of the last %(days)s days do not add up. "
            "This is a fault in Hortus. Report it with the output of `hortus ledger`.",
            days=days,
        )
    if counts.received == 0:
        return gettext("No messages were received in the last %(days)s days.", days=days)
    return ngettext(
        "The one message received in the last %(days)s days is accounted for.",
        "All %(messages)s messages received in the last %(days)s days are accounted for.",
        counts.received,
        messages=count(counts.received),
        days=days,
    )


def _of_day(counts: LedgerCounts, day: str) -> str:
    if not counts.adds_up:
        return gettext(
            "The counts of %(day)s do not add up. "
            "This is a fault in Hortus. Report it with the output of `hortus ledger`.",
            day=day,
        )
    if counts.received == 0:
        return gettext("No messages were received on %(day)s.", day=day)
    return ngettext(
        "The one message received on %(day)s is accounted for.",
        "All %(messages)s messages received on %(day)s are accounted for.",
        counts.received,
        messages=count(counts.received),
        day=day,
    )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise HTTPException(400, gettext("day cannot be read: a day looks like 2026-11-28.")) from error
    if not _EARLIEST <= day < _LATEST:
        raise HTTPException(400, gettext("There is no data check of that day."))
    return day


def _up(moment: datetime) -> datetime:
    """Return the start of the first whole hour that is not before this moment."""
    hour = hour_of(moment)
    return hour if hour == moment.astimezone(UTC) else hour + _HOUR
