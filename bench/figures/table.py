"""All measurements, by their names on the command line, in the order of a complete run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from figures.alerts import alerts
from figures.api_kit import api_kit
from figures.archive import archive
from figures.boot_storm import boot_storm
from figures.endpoint import endpoint
from figures.full_table import full_table
from figures.gateway import gateway
from figures.latency import latency
from figures.live import live
from figures.media import media
from figures.memory import memory
from figures.rpc import rpc
from figures.series import aggregates_pages, series_day, series_local_days, series_year
from figures.start import start
from figures.throughput import throughput
from rig.bench import Bench

FIGURES: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "throughput": throughput,
    "memory": memory,
    "latency": latency,
    "endpoint": endpoint,
    "start": start,
    "api-kit": api_kit,
    "media": media,
    "gateway": gateway,
    "archive": archive,
    "live": live,
    "rpc": rpc,
    "boot-storm": boot_storm,
    "alerts": alerts,
    "series-year": series_year,
    "series-day": series_day,
    "series-local-days": series_local_days,
    "aggregates-pages": aggregates_pages,
    "full-table": full_table,
}
