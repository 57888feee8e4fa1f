"""The sink's flow for the health check (P9): records waiting in Kafka count as waiting in this process."""

from __future__ import annotations

import time
from typing import Protocol

from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.kafka.metrics import SinkMetrics


class Sink(Protocol):
    """The part of a KafkaSink that is used here."""

    @property
    def metrics(self) -> SinkMetrics:
        """The current counters."""


class Pipeline(Protocol):
    """The part of an IngestPipeline that is used here."""

    metrics: IngestMetrics

    @property
    def open_messages(self) -> int:
        """The number of messages accepted and not settled yet."""


class SinkFlow:
    """A sink and its pipeline as one flow.

    The age of the messages says nothing about health: after an outage they are old, and that is fine while they
    are being stored. So only a standstill with records waiting is a fault.
    """

    def __init__(self, pipeline: Pipeline, sink: Sink) -> None:
        self.metrics = pipeline.metrics
        self._pipeline = pipeline
        self._sink = sink

    @property
    def open_messages(self) -> int:
        """The number of records accepted or waiting in Kafka."""
        return max(self._pipeline.open_messages, self._sink.metrics.total_lag)

    @property
    def oldest_wait_seconds(self) -> float:
        """The longest time that a topic has made no progress although records are waiting."""
        since = self._sink.metrics.standstill_since
        return 0.0 if since is None else time.monotonic() - since

    def trouble(self, seconds: float) -> str:
        """Return what has been wrong for this many seconds, and what to do, as sentences."""
        fault = self._sink.metrics.fault
        if fault is not None:
            return f"For {seconds:.0f} s it has not been known how many records wait in Kafka. {fault}"
        return (
            f"Records have been waiting in Kafka for {seconds:.0f} s. Check that the database answers, and the "
            "log of this sink."
        )
