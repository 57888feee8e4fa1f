"""The one error of the wire codec."""

from __future__ import annotations

from hortus.base.errors import HortusError
from hortus.protocol.reasons import Reason


class WireError(HortusError):
    """A message cannot be decoded or encoded.

    `reason` is for machines, the error's message for people. `rpc_id` is the id of a request or response if it
    could be read although the rest could not, so that its waiter can be notified; else None.
    """

    def __init__(self, reason: Reason, message: str | None = None, *, rpc_id: int | None = None) -> None:
        super().__init__(message or reason.explanation)
        self.reason = reason
        self.rpc_id = rpc_id
