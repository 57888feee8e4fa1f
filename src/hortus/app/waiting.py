"""Waiting for the database, for Kafka, or for a request to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.sessions import ConnectionsShared, is_sign_of_sharing, require_sessions
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import describe_error
from hortus.flow.kafka.administration import KafkaAdministration, TopicsMissing
from hortus.flow.kafka.connection import KafkaConnection, KafkaUnreachable
from hortus.flow.migrations.revision import require_current

log = logging.getLogger(__name__)

_DATABASE_PAUSE_SECONDS = 1.0
_KAFKA_ANSWER_SECONDS = 2.0
_KAFKA_PAUSE_SECONDS = 0.5


async def wait_for_current_database(engine: AsyncEngine, url: DatabaseUrl) -> None:
    """Return when the database answers and has this version's schema.

    Raises DatabaseNotReady, DatabaseIsNewer or ConnectionsShared immediately: those need action by the
    operator.
    """
    told = False
    while True:
        try:
            await require_current(engine)
            await require_sessions(engine)
        except (OSError, TimeoutError, OperationalError, DBAPIError) as error:
            if is_sign_of_sharing(error):
                raise ConnectionsShared from error
            if not told:
                log.warning("waiting for the database at %s: %s", url.redacted(), describe_error(error))
                told = True
            await asyncio.sleep(_DATABASE_PAUSE_SECONDS)
        else:
            return


async def before_stop(work: asyncio.Future[Any], stop: asyncio.Event) -> bool:
    """Wait for the work. Return False, with the work cancelled, if asked to stop before its end."""
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if work.done():
        return True
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return False


async def wait_for_topics(connection: KafkaConnection, topics: Iterable[str], stop: asyncio.Event) -> bool:
    """Return True when Kafka answers and has these topics, False if asked to stop first.

    Raises TopicsMissing, which needs action by the operator.
    """
    administration = KafkaAdministration(connection, answer_seconds=_KAFKA_ANSWER_SECONDS)
    told = False
    while not stop.is_set():
        try:
            missing = await asyncio.to_thread(administration.missing, topics)
        except KafkaUnreachable as error:
            if not told:
                log.warning("waiting for Kafka: %s", describe_error(error))
                told = True
            await asyncio.sleep(_KAFKA_PAUSE_SECONDS)
            continue
        if missing:
            raise TopicsMissing(missing)
        return True
    return False
