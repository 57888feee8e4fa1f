"""The errors of the gateway.

HortusError
├── OperationalError
│   ├── SpoolNotUsable      the spool cannot be opened: no access, or of a newer version
│   │   └── SpoolInUse      another gateway uses it
│   ├── SpoolDamaged        the spool's file is not what was written; it is replaced
│   └── SpoolUnavailable    a reading cannot be made durable now; the board gets a 503
├── UsageError
│   └── InvalidGatewaySettings
└── TargetTrouble           a delivery failed and will be retried
"""

from __future__ import annotations

from hortus.base.errors import HortusError, OperationalError, UsageError


class SpoolNotUsable(OperationalError):
    """The spool cannot be opened."""


class SpoolInUse(SpoolNotUsable):
    """Another gateway uses the spool."""


class SpoolDamaged(OperationalError):
    """The spool's file, or a reading in it, is not what was written. The message says what is wrong."""


class SpoolUnavailable(OperationalError):
    """The spool cannot store a reading now."""


class InvalidGatewaySettings(UsageError):
    """The settings of the gateway are invalid or contradict each other."""


class TargetTrouble(HortusError):
    """A delivery failed for now; its readings wait and will be retried.

    `whole_target`: the failure affects all readings, so other deliveries need not be tried in the meantime.
    `blames_content`: the content may be the cause. `retry_after_seconds`: the pause the target asked for.
    `may_still_succeed`: the target got the request and may complete it later.
    """

    def __init__(
        self,
        message: str,
        *,
        whole_target: bool,
        blames_content: bool = False,
        retry_after_seconds: float = 0.0,
        may_still_succeed: bool = False,
    ) -> None:
        super().__init__(message)
        self.whole_target = whole_target
        self.blames_content = blames_content
        self.retry_after_seconds = retry_after_seconds
        self.may_still_succeed = may_still_succeed
