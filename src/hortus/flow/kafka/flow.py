"""How storing from Kafka goes, for the judgement of health (P9): what waits in Kafka counts as waiting here."""

from __future__ import annotations

import time
from typing import Protocol

from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.kafka.metrics import SinkMetrics


class Sink(Protocol):
    """What is looked at of a KafkaSink."""

    @property
    def metrics(self) -> SinkMetrics:
        """Its counts now."""


class Pipeline(Protocol):
    """What is looked at of an IngestPipeline."""

    metrics: IngestMetrics

    @property
    def open_messages(self) -> int:
        """How many messages are taken in and not settled."""


class SinkFlow:
    """A sink and its pipeline as one flow.

    The age of the messages themselves does not tell how it goes: after an outage they are old, and all is well
    while they are being stored. So only a standstill with records waiting is a fault.
    """

    def __init__(self, pipeline: Pipeline, sink: Sink) -> None:
        self.metrics = pipeline.metrics
        self._pipeline = pipeline
        self._sink = sink

    @property
    def open_messages(self) -> int:
        """How many records are taken in or wait in Kafka."""
        return max(self._pipeline.open_messages, self._sink.metrics.total_lag)

    @property
    def oldest_wait_seconds(self) -> float:
        """For how long nothing got done on a topic although something waits there."""
        since = self._sink.metrics.standstill_since
        return 0.0 if since is None else time.monotonic() - since
