"""What this API is made of."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.flow.gateway.limits import Network
from hortus.flow.ingest.messages import ReadingIntake
from hortus.http.access.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantKeeperParts:
    """What a program that serves this API has to give it.

    `services` are those of the API beside it, so that limits are counted together. `intake` takes readings; a
    process without one refuses them. From `open_networks`, readings are taken from senders that do not say who
    they are (setting HORTUS_PLANTKEEPER_OPEN_NETWORKS).
    """

    services: Services
    intake: ReadingIntake | None = None
    open_networks: tuple[Network, ...] = ()
