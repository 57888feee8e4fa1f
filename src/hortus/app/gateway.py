"""`hortus gateway`: the gateway as a separate process, near the boards."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from hortus.app.command_line.database_access import open_url
from hortus.app.command_line.gateways import app
from hortus.app.command_line.terminal import DataDirOption, configure_logging, run, stop_requested
from hortus.app.supervision import process_supervisor, start_following_kits
from hortus.base.database.engine import connector, open_engine
from hortus.base.supervision import Supervisor
from hortus.domain.kits.registry import KitRegistry
from hortus.flow.gateway.service import (
    GatewayLimits,
    MakeForwarder,
    running_gateway,
    to_hortus,
    to_local_installation,
    to_plantkeeper,
)
from hortus.flow.gateway.settings import GatewaySettings, TargetKind, read_gateway_settings
from hortus.flow.gateway.transport import TargetClient
from hortus.flow.ingest.pipeline import IngestLimits, IngestPipeline
from hortus.http.server.server import bind

__all__ = ["app", "run_gateway"]

log = logging.getLogger(__name__)

DEFAULT_PORT = 8090
_DRAIN_SECONDS = 5.0


@app.callback(invoke_without_command=True)
def gateway(
    context: typer.Context,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen on; the one that boards reach on the local network."),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            envvar="HORTUS_GATEWAY_PORT",
            help="Port for boards; 0 takes a free one.",
        ),
    ] = DEFAULT_PORT,
    data_dir: DataDirOption = None,
) -> None:
    """Accept readings of boards over plain HTTP, and deliver them to HORTUS_GATEWAY_TARGET."""
    if context.invoked_subcommand is None:
        settings = read_gateway_settings()
        configure_logging(settings.log_level)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per request would fill the disk
        run(run_gateway(settings, host=host, port=port, data_dir=data_dir))


async def run_gateway(settings: GatewaySettings, *, host: str, port: int, data_dir: Path | None) -> None:
    """Run a gateway until SIGINT or SIGTERM. Raises HortusError with a sentence if it cannot start."""
    stop = stop_requested()
    with bind(host, port, option="--port") as listener:
        limits = GatewayLimits(admission=settings.admission_rules(), spool=settings.spool_limits())
        async with (
            process_supervisor() as supervisor,
            _target(settings, data_dir, supervisor) as make_forwarder,
            running_gateway(supervisor, listener, settings.gateway_spool_dir, make_forwarder, limits),
        ):
            address, bound_port = listener.getsockname()[:2]
            log.info("taking readings at http://%s:%d/sensor-data", address, bound_port)
            await stop.wait()
            log.info("stopping; waiting readings stay in %s", settings.gateway_spool_dir)


@asynccontextmanager
async def _target(
    settings: GatewaySettings, data_dir: Path | None, supervisor: Supervisor
) -> AsyncIterator[MakeForwarder]:
    if settings.gateway_target is TargetKind.LOCAL:
        async with _local_target(settings, data_dir, supervisor) as make_forwarder:
            yield make_forwarder
        return
    client = TargetClient(settings.target_address(), headers=settings.target_headers())
    try:
        yield to_plantkeeper(client) if settings.gateway_target is TargetKind.PLANTKEEPER else to_hortus(client)
    finally:
        await client.close()


@asynccontextmanager
async def _local_target(
    settings: GatewaySettings, data_dir: Path | None, supervisor: Supervisor
) -> AsyncIterator[MakeForwarder]:
    """Yield the database of this installation. It need not be reachable yet: readings wait in the spool."""
    async with open_url(data_dir, settings) as url, open_engine(url) as engine:
        registry = KitRegistry()
        limits = IngestLimits(
            clock_tolerance_ms=settings.clock_tolerance_seconds * 1000,
            late_months_per_hour=settings.late_months_per_hour,
        )
        pipeline = IngestPipeline(connector(url, "hortus gateway"), registry, limits=limits)
        supervisor.start("storing", pipeline.run, may_end=True)
        start_following_kits(supervisor, url, [registry.changed])
        try:
            yield to_local_installation(engine, pipeline)
        finally:
            await pipeline.stop(_DRAIN_SECONDS)
