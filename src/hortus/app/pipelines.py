"""The path of a message as every process that stores has it: readings, and media beside them."""

from __future__ import annotations

import logging

from hortus.database.engine import connector
from hortus.database.url import DatabaseUrl
from hortus.ingest.media_lane import MediaLane, MediaLimits
from hortus.ingest.metrics import IngestMetrics
from hortus.ingest.pipeline import IngestLimits, IngestPipeline
from hortus.kits.registry import KitRegistry
from hortus.media.objects import MediaObjects
from hortus.settings import Settings

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
