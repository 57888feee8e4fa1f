"""Trying set-aside messages again on behalf of a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.requests import Request

from hortus.domain.media.objects import ObjectStoreNotAnswering
from hortus.flow.quarantine.replay import ReplayResult, replay
from hortus.http.access.addresses import network_of
from hortus.http.access.services import Services
from hortus.http.conventions.problems import unavailable
from hortus.http.server.database_access import database_failures_translated

_RETRY_SECONDS = 15


async def replay_for_person(
    request: Request, services: Services, user_id: int | None, ids: Sequence[int]
) -> ReplayResult:
    """Replay these messages, a few people at a time. Raises Problem or DatabaseNotAnswering."""
    parts = services.parts
    with services.replays.taken(user_id, network_of(request)), _failures_translated():
        connection = await parts.connect()
        try:
            return await replay(
                connection,
                ids,
                clock_tolerance_ms=parts.clock_tolerance_ms,
                late_months_per_hour=parts.late_months_per_hour,
                objects=parts.media_objects,
                clock=lambda: services.clock().timestamp(),
            )
        finally:
            connection.terminate()


@contextmanager
def _failures_translated() -> Iterator[None]:
    """Raise DatabaseNotAnswering, or Problem 503 if the media store does not answer."""
    try:
        with database_failures_translated():
            yield
    except ObjectStoreNotAnswering as error:
        raise unavailable(str(error), _RETRY_SECONDS) from error
