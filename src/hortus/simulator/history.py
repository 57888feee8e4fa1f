"""A season of readings as a kit would have sent them, so that a demonstration starts with data to show.

The physics are those of the live kit: with the same layout and seed, the history ends where the live kit
continues.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hortus.base.errors import UsageError
from hortus.simulator.aggregates import Aggregate
from hortus.simulator.chamber import ChamberState
from hortus.simulator.devices import device_defined_as
from hortus.simulator.layouts import KitLayout, LayoutPeripheral
from hortus.simulator.sensors import SensorOutput


class RawReading(NamedTuple):
    """One reading; the quantity has the names used in the quantity types.

    A tuple rather than a dataclass: a season has half a million of them.
    """

    peripheral: str
    physical_quantity: str
    physical_unit: str
    datetime: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateReading:
    """The aggregated readings of one quantity in one window."""

    peripheral: str
    physical_quantity: str
    physical_unit: str
    datetime_start: datetime
    datetime_end: datetime
    count: int
    average: float
    minimum: float
    maximum: float


class HistorySpanError(UsageError):
    """The span or step of a history is invalid."""


def season_of_history(
    layout: KitLayout,
    start: datetime,
    end: datetime,
    step_seconds: int,
    seed: int,
    *,
    detailed_since: datetime | None = None,
) -> Iterator[RawReading | AggregateReading]:
    """Yield the kit's readings after `start` and up to `end`, in order of time.

    Raw readings come every `step_seconds`, so that a season stays small; from `detailed_since` on, each
    peripheral measures at its configured interval, as the live kit does. Aggregates cover the configured
    interval. A window truncated by `end` is omitted.
    """
    _check(start, end, step_seconds)
    # Seeded by text, because a tuple's hash is not a stable seed between Python versions.
    randomness = random.Random(f"{seed} {layout.key}")  # noqa: S311 - sensor noise, no secret
    climate = layout.climate(seed)
    sensors = _sensors(layout, start)
    state = climate.state_at(start.timestamp())
    end_seconds = end.timestamp()
    fine_step_seconds = math.gcd(*(sensor.interval_seconds for sensor in sensors))
    while True:
        is_detailed = detailed_since is not None and state.time_seconds >= detailed_since.timestamp()
        length_seconds = fine_step_seconds if is_detailed else step_seconds
        if state.time_seconds + length_seconds > end_seconds:
            return
        state = climate.advance(state, length_seconds)
        moment = datetime.fromtimestamp(state.time_seconds, UTC)
        for sensor in sensors:
            if not is_detailed or sensor.is_due(moment):
                yield from sensor.measure(state, moment, randomness)
        for sensor in sensors:
            yield from sensor.close_window(moment)


def _sensors(layout: KitLayout, start: datetime) -> list[_Sensor]:
    sensors = []
    for peripheral in layout.peripherals:
        channels = device_defined_as(peripheral.definition_name).channels
        if channels:
            sensors.append(_Sensor(peripheral, channels, start))
    return sensors


class _Sensor:
    """One measuring peripheral and its open window."""

    def __init__(
        self, peripheral: LayoutPeripheral, channels: tuple[SensorOutput, ...], window_start: datetime
    ) -> None:
        self._name = peripheral.name
        self._channels = [(channel, Aggregate()) for channel in channels]
        self._aggregate_seconds = _aggregate_seconds(peripheral.configuration)
        self._window_start = window_start
        self.interval_seconds = int(peripheral.configuration["intervals"]["measurementInterval"])
        self._measured_at = window_start

    def is_due(self, moment: datetime) -> bool:
        """Return whether a measuring interval has passed since the last reading."""
        return (moment - self._measured_at).total_seconds() >= self.interval_seconds

    def measure(self, state: ChamberState, moment: datetime, randomness: random.Random) -> Iterator[RawReading]:
        self._measured_at = moment
        for channel, aggregate in self._channels:
            value = channel.read(state, randomness)
            aggregate.add(value)
            yield RawReading(self._name, channel.physical_quantity, channel.physical_unit, moment, value)

    def close_window(self, moment: datetime) -> Iterator[AggregateReading]:
        if (moment - self._window_start).total_seconds() < self._aggregate_seconds:
            return
        for channel, aggregate in self._channels:
            yield AggregateReading(
                peripheral=self._name,
                physical_quantity=channel.physical_quantity,
                physical_unit=channel.physical_unit,
                datetime_start=self._window_start,
                datetime_end=moment,
                count=aggregate.count,
                average=aggregate.average,
                minimum=aggregate.minimum,
                maximum=aggregate.maximum,
            )
            aggregate.clear()
        self._window_start = moment


def _aggregate_seconds(configuration: Any) -> float:
    return float(configuration["intervals"]["aggregateInterval"])


def _check(start: datetime, end: datetime, step_seconds: int) -> None:
    if start.tzinfo is None or end.tzinfo is None:
        raise HistorySpanError("A history needs times with a time zone.")
    if end <= start:
        raise HistorySpanError("A history must end after it starts.")
    if step_seconds < 1:
        raise HistorySpanError("The step of a history must be at least one second.")
