"""The demonstration's kits, and the season of readings that comes with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hortus.simulator.devices import UnknownDefinitionError, device_defined_as
from hortus.simulator.history import AggregateReading, HistorySpanError, RawReading, season_of_history
from hortus.simulator.layouts import KitLayout, demo_layouts
from hortus.simulator.live_chamber import LiveChamber

END = datetime(2026, 6, 10, 15, 0, tzinfo=UTC)
START = END - timedelta(days=4)
SEED = 11


@pytest.fixture(params=demo_layouts(), ids=lambda layout: layout.key)
def layout(request: pytest.FixtureRequest) -> KitLayout:
    assert isinstance(request.param, KitLayout)
    return request.param


def raw_readings(layout: KitLayout, seed: int = SEED) -> list[RawReading]:
    history = season_of_history(layout, START, END, 300, seed)
    return [reading for reading in history if isinstance(reading, RawReading)]


def test_there_are_at_least_three_layouts_and_no_two_share_a_name() -> None:
    layouts = demo_layouts()
    assert len({layout.key for layout in layouts}) == len({layout.name for layout in layouts}) >= 3


def test_a_layout_names_each_peripheral_once_and_all_of_them_are_known(layout: KitLayout) -> None:
    names = [peripheral.name for peripheral in layout.peripherals]
    assert len(names) == len(set(names))
    assert all(len(name) <= 40 for name in names)
    for peripheral in layout.peripherals:
        assert device_defined_as(peripheral.definition_name)


def test_an_unknown_definition_is_named() -> None:
    with pytest.raises(UnknownDefinitionError, match="“Sundial”"):
        device_defined_as("Sundial")


def test_history_comes_in_order_and_ends_at_its_end(layout: KitLayout) -> None:
    readings = raw_readings(layout)
    assert all(before.datetime <= after.datetime for before, after in pairwise(readings))
    assert readings[0].datetime == START + timedelta(seconds=300)
    assert readings[-1].datetime == END


def test_the_detailed_end_is_measured_as_often_as_the_kit_measures(layout: KitLayout) -> None:
    since = END - timedelta(hours=1)
    history = season_of_history(layout, END - timedelta(hours=3), END, 300, SEED, detailed_since=since)
    times: dict[str, set[datetime]] = {}
    for reading in history:
        if isinstance(reading, RawReading):
            times.setdefault(reading.peripheral, set()).add(reading.datetime)
    for peripheral in layout.peripherals:
        if peripheral.name in times:
            detailed = sorted(moment for moment in times[peripheral.name] if moment >= since)
            interval = timedelta(seconds=peripheral.configuration["intervals"]["measurementInterval"])
            assert {after - before for before, after in pairwise(detailed)} == {interval}
            assert END - detailed[-1] < interval


def test_history_is_the_same_for_the_same_seed_and_another_for_another(layout: KitLayout) -> None:
    assert raw_readings(layout) == raw_readings(layout)
    assert raw_readings(layout) != raw_readings(layout, seed=SEED + 1)


def test_aggregates_summarize_the_readings_of_their_window(layout: KitLayout) -> None:
    history = list(season_of_history(layout, START, END, 300, SEED))
    aggregates = [entry for entry in history if isinstance(entry, AggregateReading)]
    assert aggregates
    for aggregate in aggregates[-20:]:
        window = [
            entry.value
            for entry in history
            if isinstance(entry, RawReading)
            and (entry.peripheral, entry.physical_quantity)
            == (aggregate.peripheral, aggregate.physical_quantity)
            and aggregate.datetime_start < entry.datetime <= aggregate.datetime_end
        ]
        assert aggregate.count == len(window)
        assert (aggregate.minimum, aggregate.maximum) == (min(window), max(window))
        assert aggregate.average == pytest.approx(sum(window) / len(window))


def test_the_live_kit_goes_on_where_the_history_ends(layout: KitLayout) -> None:
    climate = layout.climate(SEED)
    lived = climate.advance(climate.state_at(START.timestamp()), (END - START).total_seconds())
    live = LiveChamber(
        climate, has_past=True, begin_seconds=END.timestamp(), monotonic_seconds=100.0, speed=1.0
    )
    now = live.state_now(100.0, {})
    assert now.time_seconds == pytest.approx(END.timestamp())
    assert now.temperature_celsius == pytest.approx(lived.temperature_celsius, abs=0.1)
    assert now.humidity_percent == pytest.approx(lived.humidity_percent, abs=1)
    assert now.carbon_dioxide_ppm == pytest.approx(lived.carbon_dioxide_ppm, abs=5)
    assert now.light_lux == pytest.approx(lived.light_lux, abs=1)
    assert now.pressure_hpa == pytest.approx(lived.pressure_hpa)


@pytest.mark.parametrize(
    ("start", "end", "step_seconds"),
    [
        (END, START, 300),
        (START, START, 300),
        (START, END, 0),
        (START.replace(tzinfo=None), END, 300),
    ],
)
def test_an_impossible_span_is_refused(start: datetime, end: datetime, step_seconds: int) -> None:
    with pytest.raises(HistorySpanError):
        next(season_of_history(demo_layouts()[0], start, end, step_seconds, SEED))
