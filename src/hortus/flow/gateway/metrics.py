"""The gateway's metrics in Prometheus' text format. They are described in docs/gateway.md."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hortus.flow.gateway.health import GatewayHealth, GatewayReport

# The disk may hang; the other metrics must be served all the same.
_LOOK_SECONDS = 1.0


class GatewayCollector(Collector):
    """The metrics of one report."""

    def __init__(self, report: GatewayReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as called by the Prometheus client."""
        report = self._report
        events = CounterMetricFamily(
            "hortus_gateway_events",
            "What became of requests and readings since the spool was made.",
            labels=("event", "reason"),
        )
        for name, count in report.counters.items():
            event, _, reason = name.partition(":")
            events.add_metric((event, reason), count)
        yield events
        for name, title, value in (
            ("waiting_readings", "Readings that wait for their target.", report.depth.waiting),
            ("oldest_wait_seconds", "For how long the oldest of them waits.", report.oldest_waiting_seconds),
            ("set_aside_readings", "Readings that a person has to look at.", report.depth.set_aside),
            ("spool_bytes", "What the spool holds.", report.depth.used_bytes),
            ("spool_damages", "Damages of the spool that no operator has seen yet.", len(report.damages)),
            ("healthy", "Whether readings flow: 1 or 0.", int(report.fault is None)),
        ):
            yield GaugeMetricFamily(f"hortus_gateway_{name}", title, value=value)


class GatewayFigures:
    """The metrics of a gateway that is part of this process, and may not be running."""

    def __init__(self) -> None:
        self.health: GatewayHealth | None = None

    async def text(self) -> bytes:
        """Return the metrics, or nothing while they are unavailable."""
        if self.health is None:
            return b""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return metrics_text(await self.health.report())
        except TimeoutError:
            return b""  # `fault` tells

    @property
    def is_running(self) -> bool:
        """Whether this process has a gateway."""
        return self.health is not None

    async def fault(self) -> str | None:
        """Return a sentence on what an operator has to fix, if anything."""
        if self.health is None:
            return None
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return (await self.health.report()).fault
        except TimeoutError:
            return "The spool does not answer: see whether the disk hangs."


def metrics_text(report: GatewayReport) -> bytes:
    """Return the metrics of a report as text."""
    registry = CollectorRegistry()
    registry.register(GatewayCollector(report))
    return generate_latest(registry)
