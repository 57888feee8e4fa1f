"""Parts that several processes share: the ingest pipeline, the live feed, PlantKeeper's API."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from hortus.base.database.engine import TASK_STATEMENT_SECONDS, connector
from hortus.base.database.url import DatabaseUrl
from hortus.base.settings import Settings
from hortus.domain.kits.registry import KitRegistry
from hortus.domain.media.objects import MediaObjects
from hortus.flow.gateway.settings import parse_networks
from hortus.flow.ingest.media_lane import MediaLane, MediaLimits
from hortus.flow.ingest.messages import ReadingIntake
from hortus.flow.ingest.metrics import IngestMetrics
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from hortus.http.live.access import AccessToKits
from hortus.http.live.admission import LiveLimits
from hortus.http.live.hub import LiveHub
from hortus.http.plantkeeper.app import create_plantkeeper_api
from hortus.http.plantkeeper.parts import PlantKeeperParts

log = logging.getLogger(__name__)


def make_pipeline(
    settings: Settings,
    url: DatabaseUrl,
    registry: KitRegistry,
    objects: MediaObjects | None,
    name: str,
    *,
    for_operator: bool = False,
) -> IngestPipeline:
    """Return a pipeline, not yet running, whose database connections have this application name.

    `for_operator`: it stores what an operator wants stored, so late readings may open any number of months.
    """
    tolerance_ms = settings.clock_tolerance_seconds * 1000
    metrics = IngestMetrics()
    lane = None
    if objects is None:
        log.warning("media are quarantined until HORTUS_MEDIA_URL is set")
    else:
        limits = MediaLimits(clock_tolerance_ms=tolerance_ms)
        lane = MediaLane(connector(url, f"{name} media"), registry, objects, limits=limits, metrics=metrics)
    return IngestPipeline(
        connector(url, name),
        registry,
        limits=IngestLimits(
            clock_tolerance_ms=tolerance_ms,
            late_months_per_hour=None if for_operator else settings.late_months_per_hour,
        ),
        metrics=metrics,
        media=lane,
    )


def live_hub(settings: Settings, url: DatabaseUrl, engine: AsyncEngine) -> LiveHub:
    """Return the live feed of this process; the caller must run it."""
    limits = LiveLimits(
        connections=settings.live_connections,
        connections_per_address=settings.live_connections_per_address,
    )
    return LiveHub(
        connector(url, "hortus live", statement_seconds=TASK_STATEMENT_SECONDS),
        AccessToKits(engine).check,
        limits=limits,
    )


def plantkeeper_api(settings: Settings, api: FastAPI, intake: ReadingIntake | None) -> ASGIApp:
    """Return the API, which shares its rate limits with ours. Raises InvalidGatewaySettings."""
    networks = parse_networks("HORTUS_PLANTKEEPER_OPEN_NETWORKS", settings.plantkeeper_open_networks)
    return create_plantkeeper_api(
        PlantKeeperParts(services=api.state.services, intake=intake, open_networks=networks)
    )
