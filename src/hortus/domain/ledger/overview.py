"""The ledger of one kit as people read it: per stream, in columns of time, with gaps between messages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hortus.domain.ledger.store import LedgerCounts, LedgerLine

HOUR = timedelta(hours=1)

ORDER_OF_STREAMS = ("raw", "aggregate", "media", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The counts of a span of time."""

    start: datetime
    end: datetime
    counts: LedgerCounts

    @property
    def not_stored(self) -> int:
        return self.counts.quarantined + self.counts.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A span of whole hours in which no message arrived, after one had."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOverview:
    """The messages of one stream. `first_hour` is the first one with a message, None if there is none."""

    stream: str
    first_hour: datetime | None
    total: LedgerCounts
    columns: tuple[Column, ...]
    gaps: tuple[Gap, ...]


def overview_of(
    lines: Iterable[LedgerLine], spans: Sequence[tuple[datetime, datetime]], now: datetime
) -> tuple[StreamOverview, ...]:
    """Return the streams of which anything arrived. The spans are in order and made of whole hours.

    The present hour is not over, so it is no gap.
    """
    by_stream: dict[str, dict[datetime, LedgerCounts]] = {}
    for line in lines:
        by_stream.setdefault(line.stream, {})[line.hour] = line.counts
    return tuple(
        StreamOverview(
            stream=stream,
            first_hour=min((hour for hour, counts in hours.items() if counts.received), default=None),
            total=_sum(hours.values()),
            columns=tuple(
                Column(
                    start=start,
                    end=end,
                    counts=_sum(counts for hour, counts in hours.items() if start <= hour < end),
                )
                for start, end in spans
            ),
            gaps=tuple(gaps_between(hours, now)),
        )
        for stream, hours in sorted(by_stream.items(), key=lambda item: ORDER_OF_STREAMS.index(item[0]))
    )


def gaps_between(hours: dict[datetime, LedgerCounts], now: datetime) -> Iterable[Gap]:
    """Yield the gaps after each hour in which messages arrived, up to the present hour."""
    heard = sorted(hour for hour, counts in hours.items() if counts.received)
    present = now - timedelta(minutes=now.minute, seconds=now.second, microseconds=now.microsecond)
    for hour, following in zip(heard, [*heard[1:], present], strict=True):
        if following - hour > HOUR:
            yield Gap(start=hour + HOUR, end=following)


def hourly(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the hours from `start` to `end`."""
    return [(start + number * HOUR, start + (number + 1) * HOUR) for number in range((end - start) // HOUR)]


def daily(
    start: datetime, end: datetime, day_of: Callable[[datetime], object]
) -> list[tuple[datetime, datetime]]:
    """Return the spans of hours that `day_of` gives the same day."""
    spans: list[tuple[datetime, datetime]] = []
    for hour, after in hourly(start, end):
        if spans and day_of(spans[-1][0]) == day_of(hour):
            spans[-1] = (spans[-1][0], after)
        else:
            spans.append((hour, after))
    return spans


def _sum(counts: Iterable[LedgerCounts]) -> LedgerCounts:
    total = LedgerCounts()
    for each in counts:
        total.add(each)
    return total
