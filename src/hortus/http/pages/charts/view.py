"""What a chart shows, as it stands in the address. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from hortus.base.language.translation import gettext
from hortus.base.time_zones import day_start
from hortus.domain.events.event import EventKind
from hortus.domain.series.charts import EARLIEST, Span
from hortus.http.access.viewer import UTC, Viewer
from hortus.http.conventions.parameters import LARGEST_ID
from hortus.http.pages.moments import UnreadableMoment, address_text, moment_in

RANGES: dict[str, timedelta | None] = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
    "all": None,
    "today": None,
    "week": None,
}
"""Ranges that end now; None begins with the first reading, or with a day of the calendar."""

DEFAULT_RANGE = "24h"
CALENDAR = ("today", "week")
"""Ranges that begin at midnight, of today or of Monday, and end now."""

COMPARISONS = {"day": 1, "week": 7}
"""By how many local days the compared readings are older."""

TIMES = ("kit", "own", "utc")
"""Whose clock the times are told by: that of the kit, of the viewer, or UTC."""

POINTS = (200, 400, 800, 1600)
DEFAULT_POINTS = 400
NO_MARKS = "none"
MOST_PANELS = 8
MOST_PER_PANEL = 6
MOST_SERIES = MOST_PANELS * MOST_PER_PANEL

MOST_KITS = 8
"""As many as one connection to the live feed may follow."""

_SHORTEST = timedelta(minutes=1)
_MOST_SERIAL_CHARACTERS = 64
_MOST_TABLE_PAGES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartView:
    """The state of a chart page. `start` and `end` are None while it follows the present.

    `named` chooses one series by the name of its peripheral and its quantity type, for links from other pages.
    `marks` are the kinds of events in the lane; None: all.
    `is_of_all`: the page may show several kits, and `kits` has the serial of the kit of each series.
    """

    series: tuple[int, ...] = ()
    range: str = DEFAULT_RANGE
    start: datetime | None = None
    end: datetime | None = None
    versus: str = ""
    from_zero: bool = False
    points: int = DEFAULT_POINTS
    table_page: int = 1
    named: tuple[str, int] | None = None
    marks: frozenset[EventKind] | None = None
    times: str = "kit"
    is_of_all: bool = False
    kits: tuple[str, ...] = ()

    @property
    def follows(self) -> bool:
        """Whether the range ends now, whenever that is."""
        return self.start is None

    def span(self, now: datetime, earliest: datetime | None, zone: ZoneInfo) -> Span:
        """Return the range of time; `earliest` is when the readings begin, None if there are none."""
        if self.start is not None and self.end is not None:
            return Span(self.start, self.end)
        if self.range in CALENDAR:
            today = now.astimezone(zone).date()
            first = today if self.range == "today" else today - timedelta(days=today.weekday())
            return Span(min(day_start(first, zone), now - _SHORTEST), now)
        length = RANGES[self.range]
        if length is None:
            start = max(earliest or now - timedelta(hours=24), EARLIEST)
            return Span(min(start, now - _SHORTEST), now)
        return Span(now - length, now)

    @property
    def names(self) -> tuple[str, ...]:
        """The series as they stand in addresses."""
        if self.is_of_all:
            return tuple(f"{kit}:{id_}" for kit, id_ in zip(self.kits, self.series, strict=True))
        return tuple(map(str, self.series))

    def address(self) -> str:
        """Return the query of this view's address, without its question mark."""
        pairs = {
            "s": ",".join(self.names),
            "r": self.range,
            "from": address_text(self.start) if self.start else "",
            "to": address_text(self.end) if self.end else "",
            "vs": self.versus,
            "y": "zero" if self.from_zero else "",
            "tz": self.times if self.times != "kit" else "",
            "marks": "" if self.marks is None else ",".join(sorted(self.marks)) or NO_MARKS,
            "points": str(self.points) if self.points != DEFAULT_POINTS else "",
            "rows": str(self.table_page) if self.table_page != 1 else "",
        }
        return urlencode({name: value for name, value in pairs.items() if value}, safe=",:", quote_via=quote)

    def at(self, span: Span, now: datetime) -> ChartView:
        """Return this view at another range of time; one that reaches the present ends there."""
        start, end = span.start, span.end
        if end > now:
            start, end = start - (end - now), now
        start = max(start, EARLIEST)
        if end >= now and RANGES[self.range] == end - start:
            return self.following()
        return replace(self, start=start, end=max(end, start + _SHORTEST), table_page=1)

    def following(self, range_: str | None = None) -> ChartView:
        """Return this view of a range that ends now."""
        return replace(self, start=None, end=None, range=range_ or self.range, table_page=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Where the five buttons of the range lead, as views."""

    earlier: ChartView
    later: ChartView
    wider: ChartView
    closer: ChartView
    present: ChartView


def moves(view: ChartView, span: Span, now: datetime) -> Moves:
    """Return the neighbouring views: back and forth by the shown length, twice and half of it, and now."""
    length = span.end - span.start
    half = length / 2
    closer = max(length / 4, _SHORTEST / 2)
    middle = span.start + half
    return Moves(
        earlier=view.at(Span(span.start - length, span.end - length), now),
        later=view.at(Span(span.start + length, span.end + length), now),
        wider=view.at(Span(span.start - half, span.end + half), now),
        closer=view.at(Span(_whole(middle - closer), _whole(middle + closer)), now),
        present=view.following(),
    )


def parse_view(query: QueryParams, zone: tzinfo) -> ChartView:
    """Return the view of an address. Raises HTTPException 400 with what is wrong."""
    range_ = query.get("r") or DEFAULT_RANGE
    if range_ not in RANGES:
        raise _bad(
            gettext(
                "There is no range '%(range)s'. Use one of %(ranges)s.",
                range=range_[:20],
                ranges=", ".join(RANGES),
            )
        )
    versus = query.get("vs", "")
    if versus and versus not in COMPARISONS:
        raise _bad(
            gettext("A chart can be compared with the day before (vs=day) or the week before (vs=week).")
        )
    times = query.get("tz", "kit")
    if times not in TIMES:
        raise _bad(gettext("tz is one of %(names)s.", names=", ".join(TIMES)))
    start, end = _moment(query, "from", zone), _moment(query, "to", zone)
    if (start is None) != (end is None):
        raise _bad(gettext("Give both from and to, or neither."))
    if start is not None and end is not None and start >= end:
        raise _bad(gettext("from must be before to."))
    return ChartView(
        series=series_ids(query.getlist("s")),
        range=range_,
        start=start,
        end=end,
        versus=versus,
        from_zero=query.get("y") == "zero",
        points=points_in(query.get("points")),
        table_page=_table_page(query.get("rows")),
        named=_named(query),
        times=times,
        marks=marks_in(query.get("marks")),
    )


def zone_of_view(query: QueryParams, of_kit: ZoneInfo, viewer: Viewer) -> ZoneInfo:
    """Return the zone by which an address tells its times."""
    if query.get("tz") == "own":
        return viewer.own_zone or viewer.usual_zone
    return UTC if query.get("tz") == "utc" else of_kit


def marks_in(text: str | None) -> frozenset[EventKind] | None:
    """Return the kinds of events in a text such as `alerts,commands`; None: all. Raises HTTPException 400."""
    if not text:
        return None
    names = {each for each in text.split(",") if each not in {"", NO_MARKS}}
    if not names <= set(EventKind):
        raise _bad(gettext("Marks are of these kinds: %(kinds)s.", kinds=", ".join(EventKind)))
    return frozenset(map(EventKind, names))


def series_ids(texts: Iterable[str]) -> tuple[int, ...]:
    """Return the ids in texts such as `7,9`, each once. Raises HTTPException 400."""
    ids: dict[int, None] = {}
    for text in ",".join(texts).split(","):
        if not text:
            continue
        if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > LARGEST_ID:
            raise _bad(gettext("Series are named by their numbers: 7,9."))
        ids[int(text)] = None
        if len(ids) > MOST_SERIES:
            raise _bad(gettext("At most %(most)s series can be shown at once.", most=MOST_SERIES))
    return tuple(ids)


def series_of_kits(texts: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return the serial and id of each series in texts such as `SERIAL:7`, each once. Raises HTTPException 400.

    Those beyond the kits that fit a page are left out.
    """
    found: dict[int, str] = {}
    for text in ",".join(texts).split(","):
        if not text:
            continue
        serial, colon, number = text.rpartition(":")
        if not colon or not serial or len(serial) > _MOST_SERIAL_CHARACTERS:
            raise _bad(gettext("Series of several kits are named by the serial of the kit and a number."))
        for id_ in series_ids([number]):
            found[id_] = serial
        if len(found) > MOST_SERIES:
            raise _bad(gettext("At most %(most)s series can be shown at once.", most=MOST_SERIES))
    kits = list(dict.fromkeys(found.values()))[:MOST_KITS]
    return tuple((serial, id_) for id_, serial in found.items() if serial in kits)


def points_in(text: str | None) -> int:
    """Return the number of points asked for. Few steps, so that answers are shared. Raises HTTPException."""
    if not text:
        return DEFAULT_POINTS
    if text not in map(str, POINTS):
        raise _bad(gettext("points must be one of %(numbers)s.", numbers=", ".join(map(str, POINTS))))
    return int(text)


def _moment(query: QueryParams, name: str, zone: tzinfo) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return moment_in(text, zone)
    except UnreadableMoment as error:
        raise _bad(
            gettext("%(name)s cannot be read: a time looks like 2026-11-28T09:00Z.", name=name)
        ) from error
    except (ValueError, OverflowError) as error:
        raise _bad(gettext("%(name)s cannot be read: there is no such time.", name=name)) from error


def _named(query: QueryParams) -> tuple[str, int] | None:
    name, quantity = query.get("of"), query.get("quantity", "")
    if name is None:
        return None
    if not quantity.isascii() or not quantity.isdigit() or len(quantity) > 10:
        raise _bad(gettext("quantity is the number of a quantity type."))
    return name, int(quantity)


def _table_page(text: str | None) -> int:
    if not text:
        return 1
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= _MOST_TABLE_PAGES:
        raise _bad(gettext("rows is the number of a page of the table, from 1 on."))
    return int(text)


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _bad(sentence: str) -> HTTPException:
    return HTTPException(400, sentence)
