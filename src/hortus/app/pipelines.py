"""The path of a message as every process that stores has it: readings, and media beside them."""

from __future__ import annotations

import logging

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.base.settings import Settings
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.objects import MediaObjects
from hortus.flow.ingest.media_lane import MediaLane, MediaLimits
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline

log = logging.getLogger(__name__)


def make_pipeline(
    settings: Settings, url: DatabaseUrl, registry: KitRegistry, objects: MediaObjects | None, name: str
) -> IngestPipeline:
    """Return a pipeline, not running, whose connections bear this name at the database."""
    tolerance_ms = settings.clock_tolerance_seconds * 1000
    metrics = IngestMetrics()
    lane = None
    if objects is None:
        log.warning("media are set aside until HORTUS_MEDIA_URL names a place for them")
    else:
        limits = MediaLimits(clock_tolerance_ms=tolerance_ms)
        lane = MediaLane(connector(url, f"{name} media"), registry, objects, limits=limits, metrics=metrics)
    return IngestPipeline(
        connector(url, name),
        registry,
        limits=IngestLimits(clock_tolerance_ms=tolerance_ms),
        metrics=metrics,
        media=lane,
    )
