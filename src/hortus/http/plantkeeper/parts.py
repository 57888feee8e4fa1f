"""The dependencies of this API."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.flow.gateway.limits import Network
from hortus.flow.ingest.messages import ReadingIntake
from hortus.http.access.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantKeeperParts:
    """What a program must provide to serve this API.

    `services` are shared with the main API, so that limits are counted together. `intake` stores readings; a
    process without one refuses them. Senders from `open_networks` may send readings without credentials
    (setting HORTUS_PLANTKEEPER_OPEN_NETWORKS).
    """

    services: Services
    intake: ReadingIntake | None = None
    open_networks: tuple[Network, ...] = ()
