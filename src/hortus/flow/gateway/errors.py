"""What can go wrong at the gateway.

HortusError
├── OperationalError
│   ├── SpoolNotUsable      the spool cannot be opened: damaged, in use, of a newer version
│   └── SpoolUnavailable    a reading cannot be made durable now; the board is told 503
├── UsageError
│   └── InvalidGatewaySettings
└── TargetTrouble           a delivery failed and will be tried again
"""

from __future__ import annotations

from hortus.base.errors import HortusError, OperationalError, UsageError


class SpoolNotUsable(OperationalError):
    """The spool cannot be opened."""


class SpoolUnavailable(OperationalError):
    """The spool cannot take a reading now."""


class InvalidGatewaySettings(UsageError):
    """The settings of the gateway contradict each other or cannot be used."""


class TargetTrouble(HortusError):
    """A delivery failed for now; its readings wait and are tried again.

    `whole_target`: nobody's readings get through, so the others need not try meanwhile. `blames_content`: the
    target may be failing because of what it was sent. `retry_after_seconds`: what the target asked for.
    """

    def __init__(
        self,
        message: str,
        *,
        whole_target: bool,
        blames_content: bool = False,
        retry_after_seconds: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.whole_target = whole_target
        self.blames_content = blames_content
        self.retry_after_seconds = retry_after_seconds
