"""`--metrics-port` of processes without pages: `/metrics`, `/healthz` and `/readyz` (P9, P10)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hortus.base.supervision import Supervisor
from hortus.flow.broker.gate import GateState, KitGate
from hortus.flow.kafka.flow import Sink, SinkFlow
from hortus.http.monitoring.health import Flow, FlowWatch, TasksReport, Trouble, not_stored
from hortus.http.monitoring.metrics import HortusCollector
from hortus.http.server.server import bind, serving

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        min=0,
        max=65535,
        help="Serve /metrics, /healthz and /readyz on this port.",
        show_default=False,
    ),
]
MetricsHostOption = Annotated[str, typer.Option("--metrics-host", help="Address for --metrics-port.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsAddress:
    """The address to listen on. The figures concern the whole installation, so by default only this machine."""

    host: str
    port: int


def metrics_address(host: str, port: int | None) -> MetricsAddress | None:
    """Return the address for metrics, or None without a port."""
    return None if port is None else MetricsAddress(host=host, port=port)


@asynccontextmanager
async def observed(
    address: MetricsAddress | None,
    supervisor: Supervisor,
    flow: Flow | None = None,
    sink: Sink | None = None,
    gate: KitGate | None = None,
    trouble: Trouble = not_stored,
) -> AsyncIterator[None]:
    """Serve metrics and health of this process while the context lasts; do nothing without an address."""
    if address is None:
        yield
        return
    listener = bind(address.host, address.port, option="--metrics-port", host_option="--metrics-host")
    watched = flow
    if flow is not None and sink is not None:
        watched = of_sink = SinkFlow(flow, sink)
        trouble = of_sink.trouble
    app = observation(supervisor, watched, sink, lambda: datetime.now(UTC), gate, trouble)
    async with serving(app, listener):
        yield


def observation(
    supervisor: Supervisor,
    flow: Flow | None,
    sink: Sink | None,
    clock: Callable[[], datetime],
    gate: KitGate | None = None,
    trouble: Trouble = not_stored,
) -> Starlette:
    """Return the application that serves metrics and health of one process, and of its flow if it has one.

    A process to whose broker no kits are let in is unhealthy: nothing flows.
    """
    watch = FlowWatch(flow, clock, trouble) if flow is not None else None
    registry = CollectorRegistry()
    registry.register(HortusCollector(flow.metrics if flow else None, watch, None, supervisor=supervisor))
    if sink is not None:
        registry.register(_SinkCollector(sink))
    if gate is not None:
        registry.register(_GateCollector(gate))

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=_CONTENT_TYPE)

    async def health(_request: Request) -> Response:
        tasks = TasksReport(supervisor.look())
        parts = {"tasks": tasks.as_json()}
        is_healthy = tasks.is_healthy
        if watch is not None:
            report = watch.look()
            parts["flow"] = report.as_json() | _sink_counts(sink)
            is_healthy = is_healthy and report.is_healthy
        if gate is not None:
            parts["kits"] = gate.as_json()
            is_healthy = is_healthy and not gate.keeps_kits_out
        content = {"status": "healthy" if is_healthy else "unhealthy", "parts": parts}
        return JSONResponse(content, status_code=200 if is_healthy else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", health), Route("/readyz", health)])


def _sink_counts(sink: Sink | None) -> dict[str, Any]:
    if sink is None:
        return {}
    counts = sink.metrics
    return {
        "recordsWaitingInKafka": None if counts.fault else counts.total_lag,
        "kafka": counts.fault or "Kafka answers.",
        "paused": counts.paused,
        "partitions": counts.partitions,
    }


class _GateCollector(Collector):
    """Collects on request whether the broker lets kits in."""

    def __init__(self, gate: KitGate) -> None:
        self._gate = gate

    def collect(self) -> Iterator[Metric]:
        """Yield one figure for each state, of which the present one is 1."""
        states = GaugeMetricFamily(
            "hortus_broker_gate", "Whether the broker lets kits in (open) or keeps them out.", labels=("state",)
        )
        for state in GateState:
            states.add_metric((state.value,), float(state is self._gate.state))
        yield states


class _SinkCollector(Collector):
    """Collects the figures of a sink on request."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        sink = self._sink.metrics
        lag = GaugeMetricFamily(
            "hortus_sink_lag_records",
            "Records in Kafka that are not stored yet, of the partitions that this sink or no sink reads.",
            labels=("topic", "partition"),
        )
        for (topic, partition), records in sorted(sink.lag.items()):
            lag.add_metric((topic, str(partition)), records)
        yield lag
        yield GaugeMetricFamily(
            "hortus_sink_partitions", "Partitions that this sink reads.", value=sink.partitions
        )
        yield GaugeMetricFamily(
            "hortus_sink_lag_known",
            "Whether Kafka answered the last look completely; if not, the lag is that of an earlier one.",
            value=float(sink.fault is None),
        )
        yield GaugeMetricFamily("hortus_sink_paused", "Whether reading is paused.", value=float(sink.paused))
        for name, title, value in (
            ("consumed_records", "Records read.", sink.consumed),
            ("rebalances", "Times that partitions came or went.", sink.rebalances),
            ("commits", "Commits of offsets that Kafka confirmed.", sink.commits),
            ("failed_commits", "Commits of offsets that failed and were repeated.", sink.failed_commits),
            ("errors", "Errors that Kafka reported.", sink.errors),
            ("missed_records", "Records that Kafka deleted before they were stored.", sink.missed),
            ("log_resets", "Times that the log of a partition went back and was read again.", sink.went_back),
        ):
            yield CounterMetricFamily(f"hortus_sink_{name}", title, value=value)
