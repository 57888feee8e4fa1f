"""The points of several series as one JSON document (docs/charts.md). Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from hortus.domain.definitions.precision import decimals_of, places_for
from hortus.domain.plants.bands import TargetBand
from hortus.domain.series.chart_store import Points
from hortus.domain.series.store import SeriesQuantity
from hortus.http.pages.charts.store import Drawing, DrawnSeries
from hortus.http.pages.figures import own_unit
from hortus.http.pages.moments import address_text


def document_of(drawing: Drawing) -> tuple[bytes, str]:
    """Return the document and the tag of its content. The tag does not depend on `now`.

    A client that has the same content keeps it, and reads the time from the response's `Date`.
    """
    compared = [_compared(each) for each in drawing.series if each.before is not None]
    content: dict[str, Any] = {
        "from": address_text(drawing.span.start),
        "to": address_text(drawing.span.end),
        "series": [_series(each) for each in drawing.series],
        **({"before": compared} if compared else {}),
        "bands": [_band(each) for each in drawing.bands],
        "nights": [[_seconds(night.start), _seconds(night.end)] for night in drawing.nights],
        "gaps": [
            {"series": each.series.id, "from": _seconds(gap.start), "to": _seconds(gap.end)}
            for each in drawing.series
            for gap in each.gaps
        ],
    }
    tag = hashlib.sha256(orjson.dumps(content)).hexdigest()[:32]
    return orjson.dumps({**content, "now": _seconds(drawing.now)}), f'W/"{tag}"'


def unit_of(drawn: DrawnSeries) -> str:
    """Return the unit as people write it."""
    return unit_of_type(drawn.series.quantity_type)


def unit_of_type(quantity: SeriesQuantity) -> str:
    """Return the unit in which the viewer sees a quantity type, as people write it."""
    return own_unit(quantity.physical_unit_symbol or quantity.physical_unit)


def rounded(points: Points, physical_quantity: str) -> Points:
    """Return the points with values as precise as they can be seen."""
    columns = (points.mean, points.minimum or [], points.maximum or [])
    places = places_of(points, physical_quantity)
    mean, minimum, maximum = ([round(value, places) for value in column] for column in columns)
    return replace(
        points,
        mean=mean,
        minimum=minimum if points.minimum is not None else None,
        maximum=maximum if points.maximum is not None else None,
    )


def places_of(points: Points, physical_quantity: str) -> int:
    """Return to how many places all figures of these points are rounded."""
    values = [*points.mean, *(points.minimum or ()), *(points.maximum or ())]
    return places_for(physical_quantity, values)


def _series(drawn: DrawnSeries) -> dict[str, Any]:
    quantity = drawn.series.quantity_type
    return {
        "id": drawn.series.id,
        "name": drawn.sensor,
        "quantity": quantity.physical_quantity,
        "unit": unit_of(drawn),
        "decimals": decimals_of(quantity.physical_quantity),
        "source": drawn.points.source,
        "gapSeconds": drawn.gap_seconds,
        "coverage": round(drawn.coverage, 4),
        **_columns(rounded(drawn.points, quantity.physical_quantity)),
    }


def _compared(drawn: DrawnSeries) -> dict[str, Any]:
    """Return the points of the comparison, at the times of this range; only the mean is drawn."""
    assert drawn.before is not None
    columns = _columns(rounded(drawn.before, drawn.series.quantity_type.physical_quantity))
    del columns["min"], columns["max"], columns["count"]
    return {"id": drawn.series.id, "gapSeconds": drawn.gap_seconds, **columns}


def _columns(points: Points) -> dict[str, Any]:
    start, step, index = _times(points)
    lengths = [_short((end - at) / 1000) for at, end in zip(points.time_ms, points.end_ms or (), strict=False)]
    return {
        "bucketSeconds": points.width_seconds,
        "start": start,
        "stepSeconds": step,
        "index": index,
        # Local days are not all of one length.
        **({"lengths": lengths} if points.end_ms is not None else {}),
        "mean": points.mean,
        "min": points.minimum,
        "max": points.maximum,
        "count": points.count,
    }


def _times(points: Points) -> tuple[float, float, list[int]]:
    """Return times as a start, a step in seconds and multiples of it: a third of the bytes of whole times."""
    if not points.time_ms:
        return 0, points.width_seconds or 1, []
    start_ms = points.time_ms[0]
    step_ms = (points.width_seconds or 0) * 1000
    if any((at - start_ms) % (step_ms or 1) for at in points.time_ms):
        # Local days, or hours on both sides of a change of clocks.
        step_ms = 900_000
    if not step_ms or any((at - start_ms) % step_ms for at in points.time_ms):
        step_ms = 1000 if all((at - start_ms) % 1000 == 0 for at in points.time_ms) else 1
    index = [(at - start_ms) // step_ms for at in points.time_ms]
    return _short(start_ms / 1000), _short(step_ms / 1000), index


def _band(band: TargetBand) -> dict[str, Any]:
    return {
        "series": band.series_id,
        "plant": band.plant_id,
        "from": _seconds(band.since),
        "to": None if band.until is None else _seconds(band.until),
        "low": band.range.minimum,
        "high": band.range.maximum,
        "whose": whose(band),
    }


def whose(band: TargetBand) -> str:
    """Return what a target range belongs to: a plant, or the species of one."""
    return (
        band.plant_name
        if band.is_own or band.species_name is None
        else f"{band.plant_name}, {band.species_name}"
    )


def _seconds(moment: datetime) -> float:
    return _short(round(moment.timestamp(), 3))


def _short(number: float) -> float:
    return int(number) if number == int(number) else number
