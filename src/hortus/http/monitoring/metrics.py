"""`/metrics`: the counters of this process, in Prometheus' text format.

Totals only: a label per kit would grow with the installation and reveal to outsiders which kits exist. The
counts of each kit are on the status page and in `hortus ledger`, for those who may see them.
"""

from __future__ import annotations

import dataclasses
import hmac
import ipaddress
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hortus import __version__
from hortus.base.supervision import Supervisor, TaskReport
from hortus.flow.gateway.metrics import GatewayFigures
from hortus.flow.ingest.media_lane import MediaLane
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.http.access.addresses import address_of
from hortus.http.access.sessions import Sessions
from hortus.http.monitoring.backlog import Backlog, BacklogReader
from hortus.http.monitoring.health import FlowReport, FlowWatch, LiveFeed

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

# The endpoint's counters that are gauges; the others only grow.
_ENDPOINT_GAUGES = frozenset({"connections", "publishers_held"})


class HortusCollector(Collector):
    """Reads the figures of this process when they are collected."""

    def __init__(
        self,
        ingest: IngestMetrics | None,
        watch: FlowWatch | None,
        endpoint_counters: object | None,
        live: LiveFeed | None = None,
        media: MediaLane | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._ingest = ingest
        self._watch = watch
        self._endpoint_counters = endpoint_counters
        self._live = live
        self._media = media
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield InfoMetricFamily("hortus_build", "The running version.", value={"version": __version__})
        if self._ingest is not None:
            yield from _ingest_totals(self._ingest)
        if self._watch is not None:
            yield from _flow(self._watch.look())
        if self._endpoint_counters is not None:
            yield from _endpoint(self._endpoint_counters)
        if self._live is not None:
            yield from _live_feed(self._live)
        if self._media is not None:
            yield from _media(self._media)
        if self._supervisor is not None:
            yield from _tasks(self._supervisor.look())


class MetricsEndpoint:
    """Serves the metrics to authorized clients.

    These are programs on this machine (the usual place of a collector), holders of the token that the operator
    set, and administrators. The figures show how much an installation does, which is not meant for the public.
    A request passed on by a proxy on this machine does not count as coming from this machine.
    """

    def __init__(
        self,
        collector: Collector,
        sessions: Sessions,
        token: str | None,
        gateway: GatewayFigures | None = None,
        backlog: BacklogReader | None = None,
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        self._sessions = sessions
        self._token = token
        self._gateway = gateway or GatewayFigures()
        self._backlog = backlog

    async def show(self, request: Request) -> Response:
        """Answer with all metrics, or 403."""
        if not (self._has_token(request) or _comes_from_this_machine(request)):
            viewer = await self._sessions.viewer_of(request)
            if not viewer.is_admin:
                raise HTTPException(
                    403,
                    "Metrics are for programs on this machine, holders of the token, and administrators.",
                )
        figures = generate_latest(self._registry) + await self._gateway.text()
        if self._backlog is not None:
            figures += _backlog_text(await self._backlog.look())
        return Response(figures, media_type=_CONTENT_TYPE)

    def _has_token(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if not self._token or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self._token.encode())


class _BacklogCollector(Collector):
    """The figures of the backlog; if it is None, only that they are not known."""

    def __init__(self, backlog: Backlog | None) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield GaugeMetricFamily(
            "hortus_backlog_known",
            "Whether the backlog can be read from the database: 1 or 0.",
            value=int(self._backlog is not None),
        )
        if self._backlog is None:
            return
        for name, title in (
            ("waiting", "Items waiting for background work; at most 10,000 are counted."),
            ("failing", "Waiting items that failed at least once."),
            ("oldest_seconds", "How long the oldest item has been waiting."),
            (
                "overdue_seconds",
                "How long the first due item has been due; for rollups, since they last became fewer.",
            ),
        ):
            metric = GaugeMetricFamily(f"hortus_backlog_{name}", title, labels=("queue",))
            for queue in self._backlog.queues:
                value = getattr(queue, name)
                if value is not None:
                    metric.add_metric((queue.name,), value)
            yield metric
        yield GaugeMetricFamily(
            "hortus_messages_given_up",
            "Messages to people in the last 24 hours that could not be delivered.",
            value=self._backlog.messages_given_up,
        )
        yield GaugeMetricFamily(
            "hortus_implausible_series",
            "Series with readings in the last 24 full hours that cannot have been measured.",
            value=self._backlog.implausible_series,
        )


def _backlog_text(backlog: Backlog | None) -> bytes:
    registry = CollectorRegistry()
    registry.register(_BacklogCollector(backlog))
    return generate_latest(registry)


def _comes_from_this_machine(request: Request) -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        return False


def _ingest_totals(metrics: IngestMetrics) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "hortus_ingest_messages",
        "Messages by outcome (stored, duplicate, quarantined, refused).",
        labels=("outcome", "stream"),
    )
    for (outcome, stream), count in sorted(metrics.outcomes.items()):
        outcomes.add_metric((outcome, stream), count)
    yield outcomes
    yield CounterMetricFamily("hortus_ingest_batches", "Batches committed.", value=metrics.batches)
    yield CounterMetricFamily(
        "hortus_ingest_failed_attempts",
        "Failed attempts to store a batch that were retried.",
        value=metrics.failed_attempts,
    )


def _flow(report: FlowReport) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "hortus_ingest_open_messages", "Messages accepted and not stored yet.", value=report.messages_waiting
    )
    yield GaugeMetricFamily(
        "hortus_ingest_oldest_wait_seconds",
        "How long the oldest of them has been waiting.",
        value=report.oldest_wait_seconds,
    )
    if report.last_commit_age_seconds is not None:
        yield GaugeMetricFamily(
            "hortus_ingest_last_commit_age_seconds",
            "Time since readings were last committed.",
            value=report.last_commit_age_seconds,
        )


def _media(lane: MediaLane) -> Iterator[Metric]:
    for name, title, value in (
        ("open_messages", "Pictures and files accepted and not stored yet.", lane.open_messages),
        ("open_bytes", "Total size of these.", lane.open_bytes),
        ("oldest_wait_seconds", "How long the oldest of them has been waiting.", lane.oldest_wait_seconds),
    ):
        yield GaugeMetricFamily(f"hortus_media_{name}", title, value=value)


def _tasks(tasks: Sequence[TaskReport]) -> Iterator[Metric]:
    restarts = CounterMetricFamily("hortus_task_restarts", "Restarts of a long-running task.", labels=("task",))
    ages = GaugeMetricFamily(
        "hortus_task_last_success_age_seconds", "Time since a task last did its work.", labels=("task",)
    )
    working = GaugeMetricFamily(
        "hortus_task_is_healthy", "Whether a task does its work: 1 or 0.", labels=("task",)
    )
    for task in tasks:
        restarts.add_metric((task.name,), task.restarts)
        ages.add_metric((task.name,), task.last_success_age_seconds)
        working.add_metric((task.name,), float(task.is_healthy))
    yield from (restarts, ages, working)


def _endpoint(counters: object) -> Iterator[Metric]:
    assert dataclasses.is_dataclass(counters)
    for field in dataclasses.fields(counters):
        value = getattr(counters, field.name)
        title = f"Built-in MQTT endpoint: {field.name.replace('_', ' ')}."
        if field.name in _ENDPOINT_GAUGES:
            yield GaugeMetricFamily(f"hortus_endpoint_{field.name}", title, value=value)
        else:
            yield CounterMetricFamily(f"hortus_endpoint_{field.name}", title, value=value)


def _live_feed(live: LiveFeed) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "hortus_live_is_connected",
        "Whether the live feed receives notifications from the database.",
        value=live.is_connected,
    )
    yield GaugeMetricFamily(
        "hortus_live_connections", "Connected clients of the live feed.", value=live.connections
    )
    yield GaugeMetricFamily(
        "hortus_live_subscriptions", "Subscriptions of these clients.", value=live.subscriptions
    )
