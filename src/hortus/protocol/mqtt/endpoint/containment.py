"""Errors of ours that must stay with the one connection, will or message that they concern (P4).

Much of the work for one client is done in a task that serves all of them: the intake's worker that settles a
batch, the sweep, the connection of another client. An exception would end that task. So each step for one
client runs inside `contained`, or in a `try` of its own where each microsecond counts.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from hortus.protocol.mqtt.endpoint.counters import EndpointCounters

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def contained(counters: EndpointCounters, what: str, *details: object) -> Iterator[None]:
    """Log and count any exception of this block, and continue after it. `what` is formatted as by a logger."""
    try:
        yield
    except Exception:
        counters.internal_errors += 1
        logger.exception(what, *details)
