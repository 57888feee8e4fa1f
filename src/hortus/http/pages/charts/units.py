"""Charts in the units that their viewer chose: converted once, before anything is drawn or written."""

from __future__ import annotations

from dataclasses import asdict, replace

import orjson

from hortus.base.language.appearance import current_appearance
from hortus.domain.definitions.units import CONVERSIONS, Conversion
from hortus.domain.plants.bands import TargetBand
from hortus.domain.series.chart_store import Points
from hortus.domain.series.store import SeriesQuantity
from hortus.http.pages.charts.store import Drawing, DrawnSeries
from hortus.http.pages.figures import own_conversion, own_range


def stored_unit(quantity: SeriesQuantity) -> str:
    """Return the unit in which the values of a quantity type are stored."""
    return quantity.physical_unit_symbol or quantity.physical_unit


def in_own_units(drawing: Drawing) -> Drawing:
    """Return a drawing whose values are in the units of its viewer."""
    units = {each.series.id: stored_unit(each.series.quantity_type) for each in drawing.series}
    return replace(
        drawing,
        series=[_series(each) for each in drawing.series],
        bands=[_band(each, units.get(each.series_id, "")) for each in drawing.bands],
    )


def conversions_as_json() -> str:
    """Return the viewer's conversions by stored unit, for the script: new readings come as stored."""
    chosen = CONVERSIONS[current_appearance().temperature_unit]
    return orjson.dumps({unit: asdict(conversion) for unit, conversion in chosen.items()}).decode()


def _series(drawn: DrawnSeries) -> DrawnSeries:
    conversion = own_conversion(stored_unit(drawn.series.quantity_type))
    if conversion is None:
        return drawn
    before = _points(drawn.before, conversion) if drawn.before is not None else None
    return replace(drawn, points=_points(drawn.points, conversion), before=before)


def _points(points: Points, conversion: Conversion) -> Points:
    def converted(column: list[float] | None) -> list[float] | None:
        return None if column is None else [conversion.of(value) for value in column]

    return replace(
        points,
        mean=[conversion.of(value) for value in points.mean],
        minimum=converted(points.minimum),
        maximum=converted(points.maximum),
        implausible_value=converted(points.implausible_value),
    )


def _band(band: TargetBand, unit: str) -> TargetBand:
    return replace(band, range=own_range(band.range, unit))
