"""Runs a gateway inside a program: spool, listener and forwarding, started and stopped together.

async with running_gateway(supervisor, listener, directory, make_forwarder) as health: ...
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.errors import describe_error
from hortus.base.supervision import Supervisor
from hortus.flow.gateway.admission import BoardAdmission
from hortus.flow.gateway.errors import SpoolUnavailable
from hortus.flow.gateway.forwarding import BatchForwarder, Forwarder
from hortus.flow.gateway.health import GatewayHealth
from hortus.flow.gateway.hortus_target import HortusTarget
from hortus.flow.gateway.limits import AdmissionRules, ListenerLimits, SpoolLimits
from hortus.flow.gateway.listener import GatewayListener
from hortus.flow.gateway.local_target import LocalTarget
from hortus.flow.gateway.newest_forwarding import NewestForwarder
from hortus.flow.gateway.plantkeeper import PlantKeeperTarget
from hortus.flow.gateway.spool import Spool
from hortus.flow.gateway.transport import TargetClient
from hortus.flow.gateway.unnumbered import UnnumberedBoards
from hortus.flow.ingest.messages import ReadingIntake

log = logging.getLogger(__name__)

_DISK_PAUSE_SECONDS = 2.0
# A round waits for the target's answer or, while it is away, for the next attempt.
_ROUND_SECONDS = 120.0

MakeForwarder = Callable[[Spool], Forwarder]
"""Creates the forwarder from a spool to one target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """All limits of a gateway."""

    listener: ListenerLimits = field(default_factory=ListenerLimits)
    admission: AdmissionRules = field(default_factory=AdmissionRules)
    spool: SpoolLimits = field(default_factory=SpoolLimits)


def to_local_installation(engine: AsyncEngine, intake: ReadingIntake) -> MakeForwarder:
    """Forward readings to the database of this installation, through its pipeline."""
    return lambda spool: BatchForwarder(spool, LocalTarget(engine, intake))


def to_plantkeeper(client: TargetClient) -> MakeForwarder:
    """Forward the newest readings to an unmodified PlantKeeper backend."""
    return lambda spool: NewestForwarder(spool, PlantKeeperTarget(client))


def to_hortus(client: TargetClient) -> MakeForwarder:
    """Forward all readings to another installation of Hortus."""
    return lambda spool: BatchForwarder(spool, HortusTarget(client))


@asynccontextmanager
async def running_gateway(
    supervisor: Supervisor,
    listener: socket.socket,
    spool_directory: Path,
    make_forwarder: MakeForwarder,
    limits: GatewayLimits | None = None,
) -> AsyncIterator[GatewayHealth]:
    """Run a gateway on a listening socket while the context is open; yield its health.

    On exit it stops accepting, answers requests in progress, and leaves waiting readings in the spool (G16).
    Raises SpoolNotUsable.
    """
    limits = limits or GatewayLimits()
    async with Spool(spool_directory, limits.spool) as spool:
        forwarder = make_forwarder(spool)
        admission = BoardAdmission(limits.admission, await _pinned(spool, limits.admission))
        health = GatewayHealth(spool, forwarder.state, supervisor.look)
        unnumbered = UnnumberedBoards(spool_directory)
        server = GatewayListener(spool, admission, health, unnumbered, limits=limits.listener)
        noting = supervisor.start("gateway-boards-without-id", unnumbered.keep_saved)
        forwarding = supervisor.start(
            "gateway-forwarding", partial(_forward, forwarder), every_seconds=_ROUND_SECONDS
        )
        try:
            await server.start(listener)
            yield health
        finally:
            await server.stop()
            forwarding.cancel()
            noting.cancel()
            await asyncio.wait({forwarding, noting})


async def _pinned(spool: Spool, rules: AdmissionRules) -> dict[int, str]:
    return await spool.use(lambda file: file.pinned_addresses()) if rules.pin_addresses else {}


async def _forward(forwarder: Forwarder) -> None:
    """Forward until cancelled; a temporary disk failure does not end it."""
    while True:
        try:
            await forwarder.run()
        except* SpoolUnavailable as group:
            log.error("%s Forwarding resumes shortly.", describe_error(group))
        await asyncio.sleep(_DISK_PAUSE_SECONDS)
