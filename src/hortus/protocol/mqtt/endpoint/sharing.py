"""Reports kits that share an account: each seems to be the other, and their readings become one series."""

from __future__ import annotations

import logging

from hortus.protocol.mqtt.endpoint.identity import OnShared
from hortus.protocol.mqtt.endpoint.occasional import Occasional

logger = logging.getLogger(__name__)


class SharedAccounts:
    """Logs and passes on that two clients use one kit's account: at once, and once a minute while they do."""

    def __init__(self, on_shared: OnShared) -> None:
        self._on_shared = on_shared
        self._log = Occasional()

    def report(self, serial: str, older: str, newer: str, now: float) -> None:
        """Report two clients, at these addresses, of the kit with this serial."""
        if not self._log.is_due(serial, now):
            return
        logger.warning(
            "Two clients take turns under the account of kit %s, at %s and %s, and their readings mix; "
            "give each kit an account of its own.",
            *(serial, older, newer),
        )
        self._on_shared(serial)
