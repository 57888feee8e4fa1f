"""Which series a chart page draws. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hortus.domain.series.listing import ListedSeries
from hortus.http.pages.charts.answer import unit_of_type
from hortus.http.pages.charts.panels import chosen_series
from hortus.http.pages.charts.view import ChartView

_FIRST_FEW = 3


def chosen(view: ChartView, listed: Sequence[ListedSeries], with_target: frozenset[int]) -> list[int]:
    """Return the series to draw: those asked for, else those with a target, else the first few."""
    if view.series:
        known = {each.id: each for each in listed}
        wanted = [known[id_] for id_ in view.series if id_ in known]
    elif view.named:
        wanted = [each for each in listed if (each.peripheral_name, each.quantity_type.id) == view.named]
    else:
        active = [each for each in listed if each.active_peripheral_id is not None] or listed
        wanted = [each for each in active if each.id in with_target] or list(active[:_FIRST_FEW])
    return chosen_series([(each.id, unit_of_type(each.quantity_type)) for each in wanted])
