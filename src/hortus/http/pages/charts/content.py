"""The values of the template of a chart page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.series.listing import ListedSeries
from hortus.http.pages.charts.answer import unit_of_type
from hortus.http.pages.charts.drawing import HEIGHT, WIDTH, percent
from hortus.http.pages.charts.moments import address_text
from hortus.http.pages.charts.panels import night_shade, panels_of
from hortus.http.pages.charts.store import ChartPage
from hortus.http.pages.charts.summary import extent_of, figures_of, range_words
from hortus.http.pages.charts.table import table_page
from hortus.http.pages.charts.time_axis import time_ticks
from hortus.http.pages.charts.view import COMPARISONS, RANGES, ChartView, moves
from hortus.http.pages.charts.words import script_words
from hortus.http.pages.figures import measured
from hortus.http.pages.times import clock_text, precise_duration

_RANGE_LABELS: dict[str, tuple[str, dict[str, int]]] = {
    "1h": (gettext_noop("%(hours)s h"), {"hours": 1}),
    "6h": (gettext_noop("%(hours)s h"), {"hours": 6}),
    "24h": (gettext_noop("%(hours)s h"), {"hours": 24}),
    "3d": (gettext_noop("%(days)s d"), {"days": 3}),
    "7d": (gettext_noop("%(days)s d"), {"days": 7}),
    "30d": (gettext_noop("%(days)s d"), {"days": 30}),
    "90d": (gettext_noop("%(days)s d"), {"days": 90}),
    "1y": (gettext_noop("1 y"), {}),
    "all": (gettext_noop("All"), {}),
}

_COMPARISON_LABELS = {
    "": gettext_noop("Nothing"),
    "day": gettext_noop("The day before"),
    "week": gettext_noop("The week before"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A link that changes one thing of the view."""

    label: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A series in the list of sensors."""

    id: int
    quantity: str
    unit: str
    is_shown: bool
    has_target: bool
    has_readings: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorGroup:
    """The series of one peripheral. `is_earlier`: it is not in the active configuration."""

    name: str
    is_earlier: bool
    sensors: Sequence[Sensor]


def page_values(page: ChartPage, view: ChartView, asked: ChartView) -> dict[str, Any]:
    """Return the values. `view` is what is shown, `asked` what the address asks for."""
    drawing = page.drawing
    span, zone, now = drawing.span, drawing.zone, drawing.now
    panels = panels_of(drawing, view)
    fixed = replace(view, start=span.start, end=span.end)
    return {
        "kit_name": page.kit.name,
        "view": view,
        "span": span,
        "now": now,
        "panels": panels,
        "figures": {
            line.drawn.series.id: figures_of(line.drawn, span, now) for panel in panels for line in panel.lines
        },
        "extent": extent_of(panels, span, now),
        "range_words": range_words(view, span, zone, now),
        "nights": [night_shade(night, span) for night in drawing.nights],
        "ticks": [(percent(at, span), label) for at, label in time_ticks(span, zone)],
        "neighbours": {
            id_: {"before": _around(each.before, fixed, page), "after": _around(each.after, fixed, page)}
            for id_, each in page.neighbours.items()
        },
        "never": {each.id for each in page.listed if each.last_at is None},
        "active": {each.id: each.active_peripheral_id for each in page.listed},
        "left_out": len(set(asked.series) - set(view.series)),
        "sensors": _sensor_groups(page, view),
        "ranges": [
            Choice(
                label=gettext(_RANGE_LABELS[range_][0], **_RANGE_LABELS[range_][1]),
                address=view.following(range_).address(),
                is_current=view.follows and view.range == range_,
            )
            for range_ in RANGES
        ],
        "moves": moves(view, span, now),
        "comparisons": [
            Choice(
                label=gettext(label),
                address=replace(view, versus=versus, table_page=1).address(),
                is_current=view.versus == versus,
            )
            for versus, label in _COMPARISON_LABELS.items()
        ],
        "zero": Choice(
            label=gettext("From zero"),
            address=replace(view, from_zero=not view.from_zero).address(),
            is_current=view.from_zero,
        ),
        "table": table_page(drawing, view.table_page),
        "table_address": lambda number: replace(fixed, table_page=number).address(),
        "fixed_address": fixed.address(),
        "zone_name": str(zone),
        "compared_days": COMPARISONS[view.versus].days if view.versus else 0,
        "clock": lambda moment, seconds=False: clock_text(moment, zone, now, seconds=seconds),
        "until": lambda moment, since, seconds=False: clock_text(moment, zone, since, seconds=seconds),
        "local_input": lambda moment: moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
        "address_text": address_text,
        "percent": percent,
        "duration": precise_duration,
        "words": script_words(view.versus),
        "shown": measured,
        "in_bdi": _in_bdi,
        "picture_width": WIDTH,
        "picture_height": HEIGHT,
    }


def _in_bdi(text: str) -> Markup:
    """Return a figure with its unit, which stays in order whatever is around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def _around(moment: Any, view: ChartView, page: ChartPage) -> dict[str, Any] | None:
    """Return a reading next to the range, and the view of the same length around it."""
    if moment is None:
        return None
    span = page.drawing.span
    half = (span.end - span.start) / 2
    there = view.at(replace(span, start=moment - half, end=moment + half), page.drawing.now)
    return {"at": moment, "address": there.address()}


def _sensor_groups(page: ChartPage, view: ChartView) -> list[SensorGroup]:
    groups: dict[tuple[bool, str], list[ListedSeries]] = {}
    for each in page.listed:
        groups.setdefault((each.active_peripheral_id is None, each.peripheral_name), []).append(each)
    return [
        SensorGroup(
            name=name,
            is_earlier=is_earlier,
            sensors=[
                Sensor(
                    id=each.id,
                    quantity=each.quantity_type.physical_quantity,
                    unit=unit_of_type(each.quantity_type),
                    is_shown=each.id in view.series,
                    has_target=each.id in page.with_target,
                    has_readings=each.last_at is not None,
                )
                for each in members
            ],
        )
        for (is_earlier, name), members in sorted(groups.items())
    ]
