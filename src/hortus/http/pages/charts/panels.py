"""The panels of a chart: one for each unit, below each other on one time axis. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hortus.base.language.translation import gettext
from hortus.domain.plants.bands import TargetBand
from hortus.domain.plants.state import Range
from hortus.domain.series.charts import Span
from hortus.http.pages.charts.answer import unit_of, whose
from hortus.http.pages.charts.drawing import Paths, paths_of, percent
from hortus.http.pages.charts.marks import CAUSES, Marks, cause_of
from hortus.http.pages.charts.scale import Scale, scale_of, ticks_of
from hortus.http.pages.charts.store import Drawing, DrawnSeries
from hortus.http.pages.charts.view import MOST_PANELS, MOST_PER_PANEL, ChartView
from hortus.http.pages.figures import bounds, with_unit
from hortus.http.pages.times import precise_duration
from hortus.http.pages.wording import quantity_name

_LABELLED_FROM_PERCENT = 15.0
"""A gap narrower than this has no room for words on a phone."""

_EXPLAINED_FROM_PERCENT = 60.0
"""In a narrower one, there is no room for its cause. The script and the list of marks tell it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series in a panel, in the colour of this number (from 1), and its line of the comparison.

    `quantity` tells series of one peripheral apart; it is empty if all of the panel have the same.
    """

    colour: int
    drawn: DrawnSeries
    name: str
    quantity: str
    paths: Paths
    before: Paths | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade:
    """A part of the picture, in percent from the left or the top; `label` may be empty."""

    start: float
    length: float
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPart:
    """A target band for as long as its range was the same, and which of its edges are inside the picture."""

    x: Shade
    y: Shade
    edges: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BandShape:
    """The target band of a plant: its parts, one after the other.

    `range` is the last one, with the unit, `whose` says to what it belongs, and `others` is how many more there
    are.
    """

    parts: tuple[BandPart, ...]
    range: str
    whose: str
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The series of one unit. `gaps` are those that all of them share."""

    unit: str
    title: str
    lines: tuple[Line, ...]
    is_log: bool
    ticks: tuple[tuple[float, str], ...]
    band: BandShape | None
    gaps: tuple[Shade, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(line.drawn.points.time_ms for line in self.lines)


def chosen_series(series: Sequence[tuple[int, str]]) -> list[int]:
    """Return the ids of those of these series (id and unit) for which there is room, in order of panels."""
    groups: dict[str, list[int]] = {}
    for id_, unit in series:
        if unit in groups or len(groups) < MOST_PANELS:
            groups.setdefault(unit, []).append(id_)
    return [id_ for ids in groups.values() for id_ in ids[:MOST_PER_PANEL]]


def panels_of(drawing: Drawing, view: ChartView, marks: Marks | None = None) -> list[Panel]:
    """Return the panels, ordered by their first series. `marks` tell why there are gaps."""
    groups: dict[str, list[DrawnSeries]] = {}
    for each in drawing.series:
        groups.setdefault(unit_of(each), []).append(each)
    return [_panel(unit, group, drawing, view, marks) for unit, group in groups.items()]


def _panel(
    unit: str, group: Sequence[DrawnSeries], drawing: Drawing, view: ChartView, marks: Marks | None
) -> Panel:
    quantities = list(dict.fromkeys(each.series.quantity_type.physical_quantity for each in group))
    bands = _bands_of(group, drawing.bands)
    band = shown_bands(bands)[-1].range if bands else Range()
    # An empty panel shows its target band.
    values = _values(group) or [each for each in (band.minimum, band.maximum) if each is not None]
    scale = scale_of(values, unit, band, from_zero=view.from_zero)
    return Panel(
        unit=unit,
        title=", ".join(map(quantity_name, quantities)),
        lines=tuple(
            Line(
                colour=number_,
                drawn=each,
                name=each.sensor,
                quantity=quantity_name(each.series.quantity_type.physical_quantity)
                if len(quantities) > 1
                else "",
                paths=paths_of(each.points, each.gap_seconds, drawing.span, scale),
                before=None
                if each.before is None
                else paths_of(each.before, each.gap_seconds, drawing.span, scale),
            )
            for number_, each in enumerate(group, start=1)
        ),
        is_log=scale.is_log,
        ticks=tuple((_from_top(scale, value), label) for value, label in ticks_of(scale)) if values else (),
        band=_band_shape(bands, scale, drawing.span, unit),
        gaps=_shared_gaps(group, drawing, marks),
    )


def _values(group: Sequence[DrawnSeries]) -> list[float]:
    values: list[float] = []
    for points in (points for each in group for points in (each.points, each.before) if points is not None):
        values += points.mean if points.minimum is None else [*points.minimum, *(points.maximum or ())]
    return values


def _bands_of(group: Sequence[DrawnSeries], bands: Sequence[TargetBand]) -> list[TargetBand]:
    """Return the bands of the first series of the panel that has any."""
    for each in group:
        found = [band for band in bands if band.series_id == each.series.id]
        if found:
            return found
    return []


def _band_shape(bands: Sequence[TargetBand], scale: Scale, span: Span, unit: str) -> BandShape | None:
    if not bands:
        return None
    shown = shown_bands(bands)
    last = shown[-1]
    return BandShape(
        parts=tuple(_band_part(each, scale, span) for each in shown),
        range=with_unit(bounds(last.range), unit),
        whose=whose(last),
        others=len({(each.range.minimum, each.range.maximum) for each in bands}) - 1,
    )


def shown_bands(bands: Sequence[TargetBand]) -> list[TargetBand]:
    """Return the bands of the first plant: a panel shows one."""
    return [each for each in bands if each.plant_id == bands[0].plant_id]


def _band_part(band: TargetBand, scale: Scale, span: Span) -> BandPart:
    range_ = band.range
    left = percent(band.since, span)
    right = 100.0 if band.until is None else percent(band.until, span)
    top = 0.0 if range_.maximum is None else _from_top(scale, range_.maximum)
    bottom = 100.0 if range_.minimum is None else _from_top(scale, range_.minimum)
    edges = [_from_top(scale, each) for each in (range_.maximum, range_.minimum) if each is not None]
    kept_top, kept_bottom = max(0.0, min(100.0, top)), max(0.0, min(100.0, bottom))
    return BandPart(
        x=Shade(start=left, length=round(right - left, 2)),
        y=Shade(start=kept_top, length=round(kept_bottom - kept_top, 2)),
        edges=tuple(edge for edge in edges if 0 <= edge <= 100),
    )


def _from_top(scale: Scale, value: float) -> float:
    return round(100 - scale.share(value) * 100, 2)


def _shared_gaps(group: Sequence[DrawnSeries], drawing: Drawing, marks: Marks | None) -> tuple[Shade, ...]:
    shared = group[0].gaps
    for each in group[1:]:
        shared = [
            Span(max(one.start, other.start), min(one.end, other.end))
            for one in shared
            for other in each.gaps
            if max(one.start, other.start) < min(one.end, other.end)
        ]
    names = {each.series.peripheral_name for each in group}
    causes = [cause_of(gap, names, marks, drawing.now) if marks else "" for gap in shared]
    return tuple(_gap_shade(gap, drawing.span, cause) for gap, cause in zip(shared, causes, strict=True))


def night_shade(night: Span, span: Span) -> Shade:
    """Return where a night is in the picture."""
    start = percent(night.start, span)
    return Shade(start=start, length=round(percent(night.end, span) - start, 2))


def _gap_shade(gap: Span, span: Span, cause: str) -> Shade:
    start = percent(gap.start, span)
    length = round(percent(gap.end, span) - start, 2)
    label = precise_duration(gap.end - gap.start) if length >= _LABELLED_FROM_PERCENT else ""
    if cause and length >= _EXPLAINED_FROM_PERCENT:
        label = gettext("%(length)s, %(cause)s", length=label, cause=gettext(CAUSES[cause]))
    return Shade(start=start, length=length, label=label)
