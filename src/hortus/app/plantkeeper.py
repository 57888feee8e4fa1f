"""The API for PlantKeeper's clients, as programs serve it beside ours."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp

from hortus.base.intake import Intake
from hortus.base.settings import Settings
from hortus.flow.gateway.settings import parse_networks
from hortus.http.plantkeeper.app import create_plantkeeper_api
from hortus.http.plantkeeper.parts import PlantKeeperParts


def plantkeeper_api(settings: Settings, api: FastAPI, intake: Intake | None) -> ASGIApp:
    """Return the API, which counts limits together with ours. Raises InvalidGatewaySettings."""
    networks = parse_networks("HORTUS_PLANTKEEPER_OPEN_NETWORKS", settings.plantkeeper_open_networks)
    return create_plantkeeper_api(
        PlantKeeperParts(services=api.state.services, intake=intake, open_networks=networks)
    )
